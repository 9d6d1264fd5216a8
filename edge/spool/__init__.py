"""Events on disk between the edge and ingest: taken when synced, replayed in order, bounded, with counted
loss."""

from edge.spool.spool import Spool, SpoolRecord, SpoolSettings, SpoolStatus

__all__ = ["Spool", "SpoolRecord", "SpoolSettings", "SpoolStatus"]
