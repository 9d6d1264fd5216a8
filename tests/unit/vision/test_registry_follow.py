"""A running service follows the alias of its model."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from plates.event import ModelInfo
from tests.builders.registry import MemoryRegistry, model, registered
from vision.manifest import Manifest
from vision.registry.cache import Installed, ModelCache
from vision.registry.follow import Follower, Named, engine_for, show
from vision.registry.port import MANIFEST_TAG, ModelReference, Stage
from vision.registry.promotion import promote, rollback
from vision.registry.settings import RegistrySettings

NAME = "tiny"
PRODUCTION = ModelReference(NAME, alias="production")


@dataclass(frozen=True)
class Engine:
    """An engine that is nothing but its model."""

    model: ModelInfo


def load(found: tuple[Installed, ...]) -> Engine:
    """As a service would: some models cannot be loaded, and some break whatever tries them."""
    (installed,) = found
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
        self.start()

    def start(self) -> None:
        """Start the service, for the first time or again."""
        cache = ModelCache(self.folder / "cache", self.registry)
        self.telemetry = Telemetry("test")
        told = partial(show, self.telemetry)
        self.follower = Follower(str(PRODUCTION), (PRODUCTION,), cache, load, self.telemetry, told)
        self.handle = self.follower.start()

    def look(self) -> bool:
        """What the service does from time to time."""
        return self.follower.look(self.handle)

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


def test_it_follows_there_and_back(world: World) -> None:
    """Where the alias goes the service goes, back again too, and the metrics name the model in use."""
    assert not world.look()
    world.put("2")
    assert world.look()
    assert world.serving == "2"
    assert world.metric('ovr_model_info{engine="none",model="tiny",version="2"}') == "1.0"
    assert world.metric('ovr_model_info{engine="none",model="tiny",version="1"}') == ""
    rollback(world.registry, NAME)
    assert world.look()
    assert world.serving == "1"
    assert world.metric('ovr_model_info{engine="none",model="tiny",version="1"}') == "1.0"
    assert world.metric(swaps("swapped")) == "2.0"


@pytest.mark.parametrize("release", ["strange", "unusable"])
def test_what_cannot_be_loaded_leaves_the_model_in_use(world: World, release: str) -> None:
    """Whatever goes wrong with the new one, the old one serves; it is counted once, not with every look."""
    world.put(release)
    assert not world.look()
    assert not world.look()
    assert world.serving == "1"
    assert world.metric(swaps("failed")) == "1.0"
    world.put("3")
    assert world.look()
    assert world.serving == "3"


def test_a_start_falls_back_on_what_worked(world: World) -> None:
    """A version that cannot be loaded, or a registry that is down, keeps no service from starting anew; what
    never worked does."""
    world.put("2")
    assert world.look()
    world.put("unusable")
    assert not world.look()
    world.start()
    assert world.serving == "2"
    world.registry.down = True
    world.start()
    assert world.serving == "2"
    shutil.rmtree(world.folder / "cache")
    with pytest.raises(ConfigError, match="REGISTRY_UNAVAILABLE"):
        world.start()
    world.registry.down = False
    with pytest.raises(ConfigError, match="no such engine"):
        world.start()


def test_damaged_files_leave_the_model_in_use(world: World) -> None:
    """Weights that are not those of the manifest are not loaded."""
    version = registered(world.registry, model(world.folder, NAME, "2"))
    for file in ("tiny.onnx",):
        world.registry.files[NAME, version.number, file] = b"damaged"
    promote(world.registry, version, Stage.PRODUCTION)
    assert not world.look()
    assert world.serving == "1"
    assert world.metric(swaps("failed")) == "1.0"


def test_without_the_registry_or_the_alias_the_model_stays(world: World) -> None:
    """A registry that is down, an alias that is gone and a version of somebody else change nothing."""
    world.registry.down = True
    assert not world.look()
    assert world.metric("ovr_model_registry_up") == "0.0"
    world.registry.down = False
    world.registry.delete_alias(NAME, "production")
    assert not world.look()
    assert world.metric("ovr_model_registry_up") == "1.0"
    world.put("2")
    world.registry.set_tag(world.registry.resolve(PRODUCTION), MANIFEST_TAG, "")
    assert not world.look()
    assert world.serving == "1"


async def test_two_models_are_followed_as_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of `models:/A@production+models:/B@production` both aliases count; a plain name stays as it is."""
    other = "other"
    promote(world.registry, registered(world.registry, model(world.folder, other, "1")), Stage.PRODUCTION)
    monkeypatch.setattr(RegistrySettings, "registry", lambda _: world.registry)
    settings = RegistrySettings(home=world.folder / "home", model_poll_seconds=0.02)

    def both(parts: tuple[Named, ...]) -> Engine:
        releases = [Manifest.load(p.manifest).entries[0].version if p.manifest else p.name for p in parts]
        return Engine(ModelInfo("both", "+".join(releases), "", ""))

    choice = f"{PRODUCTION}+models:/{other}@production+pp-ocr"
    async with engine_for(choice, settings, both, world.telemetry) as handle:
        assert handle.current.model.version == "1+1+pp-ocr"
        second = registered(world.registry, model(world.folder, other, "2"))
        promote(world.registry, second, Stage.PRODUCTION)
        end = time.monotonic() + 10
        while handle.current.model.version != "1+2+pp-ocr":
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
