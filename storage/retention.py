"""Sweeps away what is older or more than is kept, from time to time, and counts it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from mesh import names
from mesh.errors import MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry

Sweep = Callable[[], Awaitable[int]]


async def sweep_for_ever(sweeps: Mapping[str, Sweep], seconds: float, telemetry: Telemetry) -> None:
    """Run each sweep at once and then every `seconds`; what fails is logged and tried again the next time."""
    removed = telemetry.counter(names.RETENTION_REMOVED)
    log = logger("retention")
    while True:
        for kind, sweep in sweeps.items():
            try:
                count = await sweep()
            except MeshError as error:
                log.warning("not swept", kind=kind, error=str(error))
                continue
            if count:
                removed.labels(kind).inc(count)
                log.info("removed", kind=kind, count=count)
        await asyncio.sleep(seconds)
