"""What ingest and its two consumers can be told by their environment."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from storage.settings import StorageSettings


class IngestSettings(StorageSettings):
    """Settings of the ingest service, which makes events durable."""

    model_config = SettingsConfigDict(env_prefix="OVR_INGEST_")
    service: ClassVar[str] = "ingest"

    credit: int = Field(
        default=64, ge=1, le=4096, description="Events an edge box may send ahead of their acks."
    )
    max_waiting_mib: int = Field(
        default=64,
        ge=1,
        description="Pictures that wait to be stored, for each stream, MiB; above it reading pauses.",
    )
    log_days: float = Field(default=7.0, gt=0, description="Days that records stay on the log.")
    log_mib: int = Field(
        default=4096, ge=16, description="Size of a topic on the log, MiB; above it the oldest go."
    )
    image_days: float = Field(default=90.0, gt=0, description="Days that pictures are kept.")
    retention_seconds: float = Field(
        default=60.0, gt=0, description="Time between two sweeps of what is too old."
    )


class ConsumerSettings(StorageSettings):
    """Settings that both consumers of the log have."""

    max_batch: int = Field(
        default=256, ge=1, le=10_000, description="Records handled with one commit, at most."
    )
    retry_seconds: float = Field(
        default=0.2, gt=0, description="First pause after the store was not available; doubles up to 10 s."
    )
    event_days: float = Field(default=0.0, ge=0, description="Days that events are kept; 0: for ever.")
    retention_seconds: float = Field(
        default=600.0, gt=0, description="Time between two sweeps of what is too old."
    )


class EventWriterSettings(ConsumerSettings):
    """Settings of the event writer, which takes events from the log into the event store."""

    model_config = SettingsConfigDict(env_prefix="OVR_EVENT_WRITER_")
    service: ClassVar[str] = "event-writer"

    max_batch: int = Field(
        default=2000, ge=1, le=10_000, description="Records handled with one commit, at most."
    )


class SearchIndexerSettings(ConsumerSettings):
    """Settings of the search indexer, which takes events from the log into the search index."""

    model_config = SettingsConfigDict(env_prefix="OVR_SEARCH_INDEXER_")
    service: ClassVar[str] = "search-indexer"
