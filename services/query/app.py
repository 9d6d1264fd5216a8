"""The query process: builds everything and serves until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AsyncExitStack

from mesh.process import Process
from mesh.server import MeshServer, Service
from ovr.alpr.v1 import query_pb2_grpc
from services.query.core import Query
from services.query.servicer import QueryServicer
from services.query.settings import QuerySettings
from storage import opening

SERVICE_NAME = "ovr.alpr.v1.QueryService"


async def main(settings: QuerySettings, process: Process) -> int:
    """Serve until `process.stop`."""
    async with AsyncExitStack() as stack:
        log = await opening.open_log(settings)
        stack.push_async_callback(log.close)
        events = await opening.open_events(settings)
        stack.push_async_callback(events.close)
        search = await opening.open_search(settings)
        stack.push_async_callback(search.close)
        images = await opening.open_images(settings)
        stack.push_async_callback(images.close)
        query = Query(
            events,
            search,
            images,
            log,
            heartbeat_seconds=settings.heartbeat_seconds,
            watch_batch=settings.watch_batch,
        )
        add = query_pb2_grpc.add_QueryServiceServicer_to_server
        # compiled and slow to load: before the first call, and not on the loop
        await asyncio.to_thread(importlib.import_module, "protovalidate")
        server = MeshServer(
            settings,
            settings.service,
            services=[Service(add, QueryServicer(query), SERVICE_NAME)],
            readiness={
                "log": log.check,
                "events": events.check,
                "search": search.check,
                "images": images.check,
            },
            telemetry=process.telemetry,
        )
        async with server:
            await process.stop.wait()
    return 0
