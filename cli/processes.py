"""The processes of the mesh on one machine: what they are called, how they start, what can be set."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mesh.settings import MeshSettings


@dataclass(frozen=True)
class Part:
    """A process, `python -m module`.

    `settings` is its settings class as `module:Class`; `serves` says whether others find it at a socket;
    one that `ends` has done its work when it exits with 0, and is not started again.
    """

    name: str
    module: str
    settings: str
    serves: bool = True
    ends: bool = False

    def settings_class(self) -> type[MeshSettings]:
        """The class that reads this process's environment."""
        module, name = self.settings.split(":")
        found: type[MeshSettings] = getattr(importlib.import_module(module), name)
        return found


# In the order in which they start: whom others ask comes first.
PARTS = (
    Part("detector", "services.detector", "services.detector.settings:DetectorSettings"),
    Part("ocr", "services.ocr", "services.ocr.settings:OcrSettings"),
    Part("ingest", "services.ingest", "services.ingest.settings:IngestSettings"),
    Part(
        "event-writer",
        "services.ingest.event_writer",
        "services.ingest.settings:EventWriterSettings",
        serves=False,
    ),
    Part(
        "search-indexer",
        "services.ingest.search_indexer",
        "services.ingest.settings:SearchIndexerSettings",
        serves=False,
    ),
    Part("query", "services.query", "services.query.settings:QuerySettings"),
    Part("alert", "services.alert", "services.alert.settings:AlertSettings"),
    Part("gateway", "gateway", "gateway.settings:GatewaySettings", serves=False),
)
PILOT = Part("pilot", "edge", "edge.settings:EdgeSettings", serves=False, ends=True)
