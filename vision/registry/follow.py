"""A running service at the version that an alias names: when the alias moves, so does the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mesh import names
from mesh.errors import Kind, MeshError
from mesh.logs import logger
from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from plates.event import ModelInfo
from vision.handle import Handle
from vision.port import VisionError
from vision.registry.cache import Installed, ModelCache, digest_of
from vision.registry.port import SCHEME, ModelReference
from vision.registry.settings import RegistrySettings

_BROKEN_SECONDS = 300.0


class Engine(Protocol):
    """Whatever runs a model."""

    @property
    def model(self) -> ModelInfo:
        """The model it runs."""


E = TypeVar("E", bound=Engine)
# Opens and tries the model NAME of a manifest (None: the configured one); ConfigError if it cannot be used.
Load = Callable[[str, Path | None], E]


Swapped = Callable[[ModelInfo, ModelInfo], None]


class Follower(Generic[E]):
    """Puts the version that a reference names into a handle, once it is loaded and tried.

    What cannot be fetched or loaded leaves the engine in use where it is, and is said in the log and counted.
    `swapped` is told of the model in use and the former one.
    """

    def __init__(
        self,
        cache: ModelCache,
        reference: ModelReference,
        load: Callable[[Installed], E],
        handle: Handle[E],
        serving: Installed,
        telemetry: Telemetry,
        swapped: Swapped,
    ) -> None:
        self._cache, self._reference, self._load = cache, reference, load
        self._handle, self._serving, self._swapped = handle, serving, swapped
        self._broken, self._broken_at = "", 0.0
        self._problem = ""
        self._swaps = telemetry.counter(names.MODEL_SWAPS)
        self._up = telemetry.gauge(names.MODEL_REGISTRY_UP)
        self._log = logger("vision.registry")

    async def follow_for_ever(self, seconds: float) -> None:
        """Look every so many seconds."""
        while True:
            await asyncio.sleep(seconds)
            await self.look()

    async def look(self) -> bool:
        """Ask once where the alias points, and follow it; whether another engine serves now."""
        try:
            version = await asyncio.to_thread(self._cache.resolve, self._reference)
            digest = digest_of(version)
        except MeshError as error:
            self._tell(str(error), reached=error.kind is not Kind.UNAVAILABLE)
            return False
        self._tell("")
        if digest == self._serving.digest or self._known_broken(digest):
            return False
        try:
            installed = await asyncio.to_thread(self._cache.install, version, self._reference)
            engine = await asyncio.to_thread(self._load, installed)
        except (MeshError, ConfigError) as error:
            self._log.error("model kept", serving=str(self._serving), tried=str(version), problem=str(error))
            return self._failed(digest)
        except Exception:  # whatever a strange model does to an engine, the one in use goes on
            log = self._log
            log.exception("model kept", serving=str(self._serving), tried=str(version))
            return self._failed(digest)
        former = self._handle.replace(engine)
        self._swaps.labels(str(self._reference), "swapped").inc()
        self._swapped(engine.model, former.model)
        self._log.info("model swapped", serving=str(installed), former=str(self._serving))
        self._serving = installed
        return True

    def _failed(self, digest: str) -> bool:
        self._broken, self._broken_at = digest, time.monotonic()
        self._swaps.labels(str(self._reference), "failed").inc()
        return False

    def _known_broken(self, digest: str) -> bool:
        return digest == self._broken and time.monotonic() - self._broken_at < _BROKEN_SECONDS

    def _tell(self, problem: str, *, reached: bool = True) -> None:
        """Say what keeps the registry from answering once, not with every look."""
        self._up.set(reached)
        if problem and problem != self._problem:
            self._log.warning("model kept", serving=str(self._serving), problem=problem)
        elif self._problem and not problem:
            self._log.info("registry answers again", model=str(self._reference))
        self._problem = problem


@asynccontextmanager
async def engine_for(
    model: str, settings: RegistrySettings, load: Load[E], telemetry: Telemetry, *, shadow: bool = False
) -> AsyncIterator[Handle[E]]:
    """The engine that `model` names, loaded and tried. If it is `models:/NAME@ALIAS`, perhaps with `+pp-ocr`
    behind it, the handle follows the alias for as long as the body runs.

    The metrics name the model in use, unless it is a shadow. ConfigError if there is none that can be used:
    neither in the registry nor fetched from it before.
    """
    tell: Swapped = _tell_nobody if shadow else partial(show, telemetry)
    if not model.startswith(SCHEME):
        handle = Handle(await asyncio.to_thread(load, model, None))
        tell(handle.current.model, handle.current.model)
        yield handle
        return
    head, plus, tail = model.partition("+")

    def open_installed(installed: Installed) -> E:
        return load(installed.name + plus + tail, installed.manifest)

    try:
        cache, reference = settings.cache(), ModelReference.parse(head)
        installed = await asyncio.to_thread(cache.obtain, reference)
    except (MeshError, VisionError) as error:
        raise ConfigError(f"model {model}: {error}") from error
    handle = Handle(await asyncio.to_thread(open_installed, installed))
    tell(handle.current.model, handle.current.model)
    follower = Follower(cache, reference, open_installed, handle, installed, telemetry, tell)
    following = asyncio.create_task(follower.follow_for_ever(settings.model_poll_seconds))
    try:
        yield handle
    finally:
        following.cancel()
        await asyncio.wait([following])


class Candidate(Generic[E]):
    """An engine that may not be there yet."""

    def __init__(self) -> None:
        self.handle: Handle[E] | None = None

    @property
    def current(self) -> E | None:
        """The engine, once there is one."""
        return self.handle.current if self.handle is not None else None


@asynccontextmanager
async def candidate_for(
    model: str, settings: RegistrySettings, load: Load[E], telemetry: Telemetry
) -> AsyncIterator[Candidate[E]]:
    """As `engine_for`, for a shadow: until its model is there, it is looked for from time to time."""
    candidate: Candidate[E] = Candidate()
    log = logger("vision.registry")
    async with AsyncExitStack() as stack:

        async def look_for_it() -> None:
            said = ""
            while candidate.handle is None:
                try:
                    engine = engine_for(model, settings, load, telemetry, shadow=True)
                    candidate.handle = await stack.enter_async_context(engine)
                except ConfigError as error:
                    if str(error) != said:
                        log.warning("no shadow model yet", model=model, problem=str(error))
                    said = str(error)
                    await asyncio.sleep(settings.model_poll_seconds)

        looking = asyncio.create_task(look_for_it())
        try:
            yield candidate
        finally:
            looking.cancel()
            await asyncio.wait([looking])


def show(telemetry: Telemetry, model: ModelInfo, former: ModelInfo) -> None:
    """Let the metrics name the model in use, and no longer the former one."""
    gauge = telemetry.gauge(names.MODEL_INFO)
    gauge.labels(former.name, former.version, former.engine).set(0)
    gauge.labels(model.name, model.version, model.engine).set(1)


def _tell_nobody(model: ModelInfo, former: ModelInfo) -> None:
    """A shadow is not the model in use."""
