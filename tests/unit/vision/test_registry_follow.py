"""A running service follows the alias of its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from plates.event import ModelInfo
from tests.builders.registry import MemoryRegistry, model, registered
from vision.handle import Handle
from vision.manifest import Manifest
from vision.registry.cache import Installed, ModelCache
from vision.registry.follow import Follower, show
from vision.registry.port import MANIFEST_TAG, ModelReference, Stage
from vision.registry.promotion import promote, rollback

NAME = "tiny"
PRODUCTION = ModelReference(NAME, alias="production")


@dataclass(frozen=True)
class Engine:
    """An engine that is nothing but its model."""

    model: ModelInfo


def load(installed: Installed) -> Engine:
    """As a service would: some models cannot be loaded, and some break whatever tries them."""
    (entry,) = Manifest.load(installed.manifest).entries
    if entry.version == "strange":
        raise RuntimeError("shapes do not fit")
    if entry.version == "unusable":
        raise ConfigError("no such engine")
    return Engine(entry.info("none"))


class World:
    """A registry with version 1 in production, and a service that follows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = MemoryRegistry()
        self.put("1")
        cache = ModelCache(folder / "cache", self.registry)
        serving = cache.obtain(PRODUCTION)
        self.handle = Handle(load(serving))
        self.telemetry = Telemetry("test")
        show(self.telemetry, self.handle.current.model, self.handle.current.model)
        self.follower = Follower(
            cache,
            PRODUCTION,
            load,
            self.handle,
            serving,
            self.telemetry,
            lambda new, former: show(self.telemetry, new, former),
        )

    def put(self, release: str) -> None:
        """Register a release and force it into production."""
        version = registered(self.registry, model(self.folder, NAME, release))
        promote(self.registry, version, Stage.PRODUCTION, force=True)

    @property
    def serving(self) -> str:
        """The release in use."""
        return self.handle.current.model.version

    def metric(self, line: str) -> str:
        """The value of a line of the metrics page, empty if it is not there."""
        page = generate_latest(self.telemetry.registry).decode()
        return next((row.removeprefix(line).strip() for row in page.splitlines() if row.startswith(line)), "")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A service at version 1."""
    return World(tmp_path)


def swaps(result: str) -> str:
    """The counter's line."""
    return f'ovr_model_swaps_total{{model="{PRODUCTION}",result="{result}"}}'


async def test_it_follows_there_and_back(world: World) -> None:
    """Where the alias goes the service goes, back again too, and the metrics name the model in use."""
    assert not await world.follower.look()
    world.put("2")
    assert await world.follower.look()
    assert world.serving == "2"
    assert world.metric('ovr_model_info{engine="none",model="tiny",version="2"}') == "1.0"
    assert world.metric('ovr_model_info{engine="none",model="tiny",version="1"}') == "0.0"
    rollback(world.registry, NAME)
    assert await world.follower.look()
    assert world.serving == "1"
    assert world.metric('ovr_model_info{engine="none",model="tiny",version="1"}') == "1.0"
    assert world.metric(swaps("swapped")) == "2.0"


@pytest.mark.parametrize("release", ["strange", "unusable"])
async def test_what_cannot_be_loaded_leaves_the_model_in_use(world: World, release: str) -> None:
    """Whatever goes wrong with the new one, the old one serves; it is counted once, not with every look."""
    world.put(release)
    assert not await world.follower.look()
    assert not await world.follower.look()
    assert world.serving == "1"
    assert world.metric(swaps("failed")) == "1.0"
    world.put("3")
    assert await world.follower.look()
    assert world.serving == "3"


async def test_damaged_files_leave_the_model_in_use(world: World) -> None:
    """Weights that are not those of the manifest are not loaded."""
    version = registered(world.registry, model(world.folder, NAME, "2"))
    for file in ("tiny.onnx",):
        world.registry.files[NAME, version.number, file] = b"damaged"
    promote(world.registry, version, Stage.PRODUCTION)
    assert not await world.follower.look()
    assert world.serving == "1"
    assert world.metric(swaps("failed")) == "1.0"


async def test_without_the_registry_or_the_alias_the_model_stays(world: World) -> None:
    """A registry that is down, an alias that is gone and a version of somebody else change nothing."""
    world.registry.down = True
    assert not await world.follower.look()
    assert world.metric("ovr_model_registry_up") == "0.0"
    world.registry.down = False
    world.registry.delete_alias(NAME, "production")
    assert not await world.follower.look()
    assert world.metric("ovr_model_registry_up") == "1.0"
    world.put("2")
    world.registry.set_tag(world.registry.resolve(PRODUCTION), MANIFEST_TAG, "")
    assert not await world.follower.look()
    assert world.serving == "1"
