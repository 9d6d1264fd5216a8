"""What the routes share: made once in the composition root and handed to each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gateway.limits import TokenBuckets, Watches
from gateway.neighbours import Neighbours
from gateway.settings import GatewaySettings
from mesh.telemetry import Telemetry


@dataclass(frozen=True)
class Context:
    """Settings, neighbours and limits of one gateway; `stop` is set when it drains, and ends every stream."""

    settings: GatewaySettings
    neighbours: Neighbours
    telemetry: Telemetry
    buckets: TokenBuckets
    watches: Watches
    stop: asyncio.Event
