"""Composition root of the alert service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import httpx

from mesh.process import Process
from mesh.server import MeshServer, Service
from ovr.alpr.v1 import alert_pb2_grpc
from services.alert.announcer import Announcer
from services.alert.convert import alert_to_bytes, alert_to_json
from services.alert.core import AlertDesk, Evaluator, Incoming, utc_now
from services.alert.delivery import Backoff, Courier
from services.alert.notices import Notices
from services.alert.rulebook import Rulebook
from services.alert.rules_file import load_rules
from services.alert.servicer import FULL_NAME, AlertServicer
from services.alert.settings import AlertSettings
from storage import opening
from storage.alerts.port import AlertStore
from storage.images.port import ImageStore
from storage.log.consumer import Consumer
from storage.log.port import PLATE_EVENTS, Log, LogReader
from storage.retention import Sweep, sweep_for_ever

GROUP = AlertSettings.service


class AlertProcess:
    """The parts of the running service, on the given stores."""

    def __init__(
        self,
        settings: AlertSettings,
        process: Process,
        *,
        log: Log,
        store: AlertStore,
        images: ImageStore,
        client: httpx.AsyncClient,
        reader: LogReader,
    ) -> None:
        """ConfigError if the rules' file is wrong."""
        telemetry = process.telemetry
        self._settings = settings
        self._stop = process.stop
        self._store = store
        self._telemetry = telemetry
        self.rules = Rulebook(settings.rules, partial(load_rules, client=client), telemetry)
        self.announcer = Announcer(store, log, alert_to_bytes)
        self.courier = Courier(
            store,
            lambda: self.rules.current.set.channels,
            Notices(images, alert_to_json),
            Backoff(settings.delivery_retry_seconds, settings.delivery_retry_max_seconds),
            telemetry,
            self.announcer.look,
            at_once=settings.deliveries_at_once,
        )
        evaluator = Evaluator(self.rules, store, telemetry, self._wake)
        self.consumer: Consumer[Incoming] = Consumer(
            GROUP,
            PLATE_EVENTS,
            reader,
            log,
            evaluator,
            telemetry,
            max_batch=settings.max_batch,
            retry_seconds=settings.retry_seconds,
        )
        desk = AlertDesk(self.rules, store, self.announcer.look)
        add = alert_pb2_grpc.add_AlertServiceServicer_to_server
        self.server = MeshServer(
            settings,
            settings.service,
            services=[Service(add, AlertServicer(desk, log), FULL_NAME)],
            readiness={"log": log.check, "alerts": store.check},
            telemetry=telemetry,
        )

    def _wake(self) -> None:
        self.announcer.look()
        self.courier.look()

    async def run(self) -> None:
        """Serve, consume, deliver and announce until told to stop, or until one of them fails."""
        works: list[Coroutine[Any, Any, None]] = [
            self.consumer.run(self._stop),
            self.courier.run(self._stop),
            self.rules.watch(self._stop, self._settings.reload_seconds),
        ]
        all_done = asyncio.Event()  # the announcer goes last, for what the others leave it
        async with self.server:
            tasks = [asyncio.create_task(work) for work in works]
            announcing = asyncio.create_task(self.announcer.run(all_done))
            sweep = sweep_for_ever(self._sweeps(), self._settings.retention_seconds, self._telemetry)
            sweeping = asyncio.create_task(sweep)
            await asyncio.wait([*tasks, announcing, sweeping], return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            sweeping.cancel()
            await asyncio.wait([*tasks, sweeping])
            all_done.set()
            await asyncio.wait([announcing])
        for task in [*tasks, announcing, sweeping]:
            if not task.cancelled():  # a sweep that was cancelled has ended well
                task.result()

    def _sweeps(self) -> dict[str, Sweep]:
        """What is kept only for a time: alerts, if so configured."""
        days, store = self._settings.alert_days, self._store
        if days <= 0:
            return {}
        return {"alerts": lambda: store.delete_older_than(utc_now() - timedelta(days=days))}


def keep_addresses_quiet() -> None:
    """httpx logs each address it asks, and Slack's are secrets."""
    logging.getLogger("httpx").setLevel(logging.WARNING)


async def main(settings: AlertSettings, process: Process) -> int:
    """Serve until `process.stop`."""
    keep_addresses_quiet()
    async with AsyncExitStack() as stack:
        log = await opening.open_log(settings)
        stack.push_async_callback(log.close)
        store = await opening.open_alerts(settings)
        stack.push_async_callback(store.close)
        images = await opening.open_images(settings)
        stack.push_async_callback(images.close)
        client = await stack.enter_async_context(httpx.AsyncClient(follow_redirects=False))
        reader = await log.reader(PLATE_EVENTS, GROUP)
        stack.push_async_callback(reader.close)
        service = AlertProcess(
            settings, process, log=log, store=store, images=images, client=client, reader=reader
        )
        await service.run()
    return 0
