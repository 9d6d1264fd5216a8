"""Composition root: settings and neighbours in, the application out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway import openapi, problems
from gateway.auth import KeyFileError, Keys, parse
from gateway.context import Context
from gateway.guard import Guard
from gateway.limits import BodyLimit, TokenBuckets, Watches
from gateway.neighbours import Neighbours, open_neighbours
from gateway.observe import Observe
from gateway.routes import console, evidence, operations, pictures, transcoded
from gateway.settings import GatewaySettings
from mesh.logs import logger
from mesh.process import Process
from mesh.settings import ConfigError
from mesh.telemetry import Telemetry

BACKLOG = 512
REQUEST_HEADERS = ("Authorization", "Content-Type", "Last-Event-ID", "X-API-Key", "traceparent")


def open_keys(settings: GatewaySettings) -> Keys | None:
    """The API keys in force; None where none are needed. ConfigError when they are needed and there are
    none."""
    if settings.loopback and not settings.require_keys:
        return None
    try:
        fixed = parse(settings.keys.split(","), "OVR_GATEWAY_KEYS")
        keys = Keys(settings.key_file, fixed)
    except KeyFileError as error:
        raise ConfigError(str(error)) from error
    if not len(keys):
        raise ConfigError(
            f"OVR_GATEWAY_LISTEN={settings.listen} needs API keys and there are none: make one with "
            f"`ovr keys new NAME` (kept in {settings.key_file}), "
            "or listen on this machine only: OVR_GATEWAY_LISTEN=127.0.0.1:8000"
        )
    return keys


def create_app(context: Context, keys: Keys | None) -> FastAPI:
    """The application."""
    settings = context.settings
    app = FastAPI(
        title="OVR-ALPR",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_middleware(context, keys),
    )
    problems.install(app)
    document = openapi.document(settings, version("ovr-alpr"))
    app.router.routes += [
        *pictures.routes(context),
        *evidence.routes(context),
        *transcoded.routes(context),
        *operations.routes(context),
        *console.routes(lambda: document),
    ]
    return app


def _middleware(context: Context, keys: Keys | None) -> list[Middleware]:
    settings = context.settings
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=("GET", "POST"),
        allow_headers=REQUEST_HEADERS,
        expose_headers=("traceparent", "ETag", "Retry-After"),
    )
    return [
        Middleware(Observe, telemetry=context.telemetry),
        *([cross_origin] if settings.allowed_origins else []),
        Middleware(
            Guard,
            keys=keys,
            hosts=settings.hosts,
            origins=settings.allowed_origins,
            buckets=context.buckets,
            telemetry=context.telemetry,
        ),
        Middleware(
            BodyLimit,
            silence=settings.body_seconds,
            default=settings.max_body_bytes,
            limits={pictures.PATH: settings.max_image_bytes + pictures.FORM_OVERHEAD},
        ),
    ]


def create_context(
    settings: GatewaySettings, neighbours: Neighbours, telemetry: Telemetry, stop: asyncio.Event
) -> Context:
    """What the routes share; `stop` ends every stream."""
    return Context(
        settings,
        neighbours,
        telemetry,
        TokenBuckets(settings.rate, settings.burst),
        Watches(settings.max_watches, settings.max_client_watches),
        stop,
    )


class Server(uvicorn.Server):
    """uvicorn on a socket of ours, without its own signal handling: the process's stop event ends it."""

    def __init__(self, app: FastAPI, settings: GatewaySettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies or None,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
                ssl_certfile=settings.https_cert,
                ssl_keyfile=settings.https_key,
                lifespan="off",
                ws="none",
                limit_concurrency=settings.max_connections,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to mesh.process."""
        yield

    async def serve_until(self, stop: asyncio.Event, listener: socket.socket) -> None:
        """Serve on `listener` until `stop` is set and what was running has ended, or drain_seconds have
        passed."""
        serving = asyncio.ensure_future(self.serve([listener]))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self.should_exit = True
        await serving


def open_listener(settings: GatewaySettings) -> socket.socket:
    """A socket that listens where the settings say; ConfigError if that cannot be."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # named TCP, because asyncio switches Nagle's delay off only for sockets that say so
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
        return listener
    except OSError as error:
        listener.close()
        raise ConfigError(f"OVR_GATEWAY_LISTEN={settings.listen}: cannot listen: {error}") from error


async def main(settings: GatewaySettings, process: Process) -> int:
    """Serve until the process is stopped."""
    log = logger("gateway")
    try:
        keys = open_keys(settings)
        async with open_neighbours(settings, process.telemetry) as neighbours:
            # the same event: whatever stops the process ends the streams
            context = create_context(settings, neighbours, process.telemetry, process.stop)
            server = Server(create_app(context, keys), settings)
            listener = open_listener(settings)
            host, port = listener.getsockname()[:2]
            log.info("listening", address=f"{host}:{port}", keys="needed" if keys else "not needed")
            await server.serve_until(process.stop, listener)
    except ConfigError as error:
        log.error("configuration", problem=str(error))
        return 2
    return 0
