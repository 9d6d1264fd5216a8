"""A running service at the version that an alias names: when the alias moves, so does the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
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
References = tuple[ModelReference, ...]
Serving = tuple[Installed, ...]
Swapped = Callable[[ModelInfo, ModelInfo], None]


@dataclass(frozen=True, slots=True)
class Named:
    """One model of a choice, by its name in a manifest (None: the configured one)."""

    name: str
    manifest: Path | None


# Opens and tries the named models as one engine; ConfigError if they cannot be used.
Load = Callable[[tuple[Named, ...]], E]


class Follower(Generic[E]):
    """Puts the versions that references name into a handle, once they are loaded and tried.

    What cannot be fetched or loaded leaves the engine in use where it is, and is said in the log and counted
    under `model`. `swapped` is told of the model in use and the former one.
    """

    def __init__(
        self,
        model: str,
        references: References,
        cache: ModelCache,
        load: Callable[[Serving], E],
        telemetry: Telemetry,
        swapped: Swapped,
    ) -> None:
        self._model, self._references = model, references
        self._cache, self._load, self._swapped = cache, load, swapped
        self._serving: Serving = ()
        self._broken: tuple[str, ...] = ()
        self._broken_at = 0.0
        self._problem = ""
        self._swaps = telemetry.counter(names.MODEL_SWAPS)
        self._up = telemetry.gauge(names.MODEL_REGISTRY_UP)
        self._log = logger("vision.registry")

    def start(self) -> Handle[E]:
        """The engine of what the references name now, or else of what they named when that last worked.

        ConfigError if neither can be had and loaded.
        """
        try:
            try:
                found = tuple(self._cache.install(self._cache.resolve(r)) for r in self._references)
                return self._started(found)
            except (MeshError, ConfigError) as error:
                before = [self._cache.remembered(r) for r in self._references]
                known = tuple(item for item in before if item is not None)
                if len(known) < len(before):
                    raise
                self._log.error("model from the cache", serving=_said(known), problem=str(error))
                return self._started(known)
        except MeshError as error:
            raise ConfigError(f"model {self._model}: {error}") from error

    def _started(self, found: Serving) -> Handle[E]:
        handle = Handle(self._load(found))
        self._serve(found)
        self._swapped(handle.current.model, handle.current.model)
        return handle

    async def follow_for_ever(self, handle: Handle[E], seconds: float) -> None:
        """Look every so many seconds."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await asyncio.to_thread(self.look, handle)
            except Exception:  # a look that fails is no reason never to look again
                log = self._log
                log.exception("not looked", model=self._model)

    def look(self, handle: Handle[E]) -> bool:
        """Ask once where the aliases point, and follow; whether another engine serves now."""
        try:
            versions = [self._cache.resolve(reference) for reference in self._references]
            digests = tuple(digest_of(version) for version in versions)
            self._tell("")
            if digests == tuple(item.digest for item in self._serving) or self._known_broken(digests):
                return False
            found = tuple(self._cache.install(version) for version in versions)
        except MeshError as error:
            self._tell(str(error), reached=error.kind is not Kind.UNAVAILABLE)
            if error.kind is Kind.DATA_LOSS:
                self._failed(digests)
            return False
        try:
            engine = self._load(found)
        except (MeshError, ConfigError) as error:
            self._log.error(
                "model kept", serving=_said(self._serving), tried=_said(found), problem=str(error)
            )
            return self._failed(digests)
        except Exception:  # whatever a strange model does to an engine, the one in use goes on
            log = self._log
            log.exception("model kept", serving=_said(self._serving), tried=_said(found))
            return self._failed(digests)
        former = handle.replace(engine)
        self._swaps.labels(self._model, "swapped").inc()
        self._log.info("model swapped", serving=_said(found), former=_said(self._serving))
        self._serve(found)
        self._swapped(engine.model, former.model)
        return True

    def _serve(self, found: Serving) -> None:
        self._serving = found
        for reference, installed in zip(self._references, found, strict=True):
            self._cache.remember(reference, installed)

    def _failed(self, digests: tuple[str, ...]) -> bool:
        self._broken, self._broken_at = digests, time.monotonic()
        self._swaps.labels(self._model, "failed").inc()
        return False

    def _known_broken(self, digests: tuple[str, ...]) -> bool:
        return digests == self._broken and time.monotonic() - self._broken_at < _BROKEN_SECONDS

    def _tell(self, problem: str, *, reached: bool = True) -> None:
        """Say what keeps the registry from answering once, not with every look."""
        self._up.set(reached)
        if problem and problem != self._problem:
            self._log.warning("model kept", serving=_said(self._serving), problem=problem)
        elif self._problem and not problem:
            self._log.info("registry answers again", model=self._model)
        self._problem = problem


@asynccontextmanager
async def engine_for(
    model: str, settings: RegistrySettings, load: Load[E], telemetry: Telemetry, *, shadow: bool = False
) -> AsyncIterator[Handle[E]]:
    """The engine that `model` names, loaded and tried. Where that is `models:/NAME@ALIAS`, alone or as one of
    two with a plus between, the handle follows the alias for as long as the body runs.

    The metrics name the model in use, unless it is a shadow. ConfigError if there is none that can be used:
    neither in the registry nor fetched from it before.
    """
    tell: Swapped = _tell_nobody if shadow else partial(show, telemetry)
    parts = model.split("+") if SCHEME in model else [model]
    try:
        references = tuple(ModelReference.parse(part) for part in parts if part.startswith(SCHEME))
    except VisionError as error:
        raise ConfigError(str(error)) from error
    if not references:
        handle = Handle(await asyncio.to_thread(load, (Named(model, None),)))
        tell(handle.current.model, handle.current.model)
        yield handle
        return

    def open_installed(found: Serving) -> E:
        left = iter(found)
        return load(tuple(_named(next(left) if p.startswith(SCHEME) else p) for p in parts))

    with closing(settings.cache()) as cache:
        follower = Follower(model, references, cache, open_installed, telemetry, tell)
        handle = await asyncio.to_thread(follower.start)
        following = asyncio.create_task(follower.follow_for_ever(handle, settings.model_poll_seconds))
        try:
            yield handle
        finally:
            following.cancel()
            await asyncio.wait([following])


def _named(part: Installed | str) -> Named:
    return Named(part, None) if isinstance(part, str) else Named(part.entry().name, part.manifest)


def _said(found: Serving) -> str:
    return "+".join(str(item) for item in found)


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
    if former != model:
        gauge.remove(former.name, former.version, former.engine)
    gauge.labels(model.name, model.version, model.engine).set(1)


def _tell_nobody(model: ModelInfo, former: ModelInfo) -> None:
    """A shadow is not the model in use."""
