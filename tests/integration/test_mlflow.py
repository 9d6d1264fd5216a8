"""Running services on the models of a real MLflow server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from typer.testing import CliRunner

from cli.main import app
from mesh.client import connect
from mesh.payload import FramePayload, PixelFormat
from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc, ocr_pb2, ocr_pb2_grpc
from services.detector.app import serve as serve_detector
from services.detector.settings import DetectorSettings
from services.ocr.app import serve as serve_ocr
from services.ocr.settings import OcrSettings
from storage.shadow import report
from tests.builders import vision
from tests.builders.engines import needs
from tests.builders.registry import MLFLOW, mlflow, model, only, registered, unique
from tests.builders.tiny_onnx import tiny_reader
from vision.manifest import FILE_NAME, Manifest, sha256_of
from vision.port import Image
from vision.registry.mlflow import MlflowRegistry
from vision.registry.port import MANIFEST_TAG, ModelVersion, Stage
from vision.registry.promotion import promote, rollback
from wire.frame import payload_to_wire

pytestmark = needs(MLFLOW)

BRIGHT = vision.picture((2, 1))


@pytest.fixture
def registry() -> Iterator[MlflowRegistry]:
    """The real server."""
    with mlflow() as server:
        yield server


def request(image: Image) -> detector_pb2.DetectRequest:
    """A frame inline as raw rows."""
    height, width = image.shape[:2]
    payload = FramePayload("cam", PixelFormat.BGR24, image.tobytes(), height, width)
    return detector_pb2.DetectRequest(frame=payload_to_wire(payload))


@dataclass
class Traffic:
    """Callers that ask a detector without a pause; who answered each time, and what failed."""

    stub: Any
    answers: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    async def caller(self) -> None:
        """One caller."""
        while True:
            try:
                answer = await self.stub.Detect(request(BRIGHT))
            except Exception as error:
                self.failures.append(error)
                raise
            assert len(answer.detections) == 1
            self.answers.append(answer.model.version)

    async def until(self, release: str, seconds: float = 30.0) -> None:
        """Wait until every caller is answered by this release."""
        end = time.monotonic() + seconds
        while self.answers[-8:] != [release] * 8:
            assert time.monotonic() < end, f"still {self.answers[-1:]}, not {release}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def traffic(stub: Any, callers: int = 4) -> AsyncIterator[Traffic]:
    """Requests in flight for as long as the body runs."""
    flow = Traffic(stub)
    tasks = [asyncio.create_task(flow.caller()) for _ in range(callers)]
    yield flow
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def settings(home: Path, name: str, **more: Any) -> DetectorSettings:
    """A detector that serves the model's production and looks often, at the tiny network's size."""
    (config := home.parent / "detector.yaml").write_text("{max_size: 128, scales: [1.0], min_score: 0.3}\n")
    fields = {"mlflow": os.environ[MLFLOW], "model_poll_seconds": 0.1, "model": f"models:/{name}@production"}
    return DetectorSettings(home=home, config=config, **fields | more)


@asynccontextmanager
async def running(settings: DetectorSettings, telemetry: Telemetry) -> AsyncIterator[Any]:
    """A client of a running detector."""
    async with (
        serve_detector(settings, telemetry) as server,
        connect(server.address, peer="detector") as channel,
    ):
        yield detector_pb2_grpc.DetectorServiceStub(channel)


def page(telemetry: Telemetry) -> str:
    """The metrics page."""
    return generate_latest(telemetry.registry).decode()


async def eventually(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


def damaged(registry: MlflowRegistry, folder: Path, name: str) -> ModelVersion:
    """A version whose weights are no network, though its digests fit."""
    manifest = model(folder, name, "broken")
    weights = manifest.directory / only(manifest).file
    weights.write_bytes(b"no network at all")
    manifest = model_of(manifest, weights)
    return registered(registry, manifest)


def model_of(manifest: Manifest, weights: Path) -> Manifest:
    """The manifest with the digest that the weights have now."""
    path = manifest.directory / FILE_NAME
    path.write_text(path.read_text("utf-8").replace(only(manifest).sha256, sha256_of(weights)), "utf-8")
    return Manifest.load(path)


async def test_promotion_and_rollback_change_what_a_running_detector_serves(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    """With requests in flight a promotion, a rollback and something broken lose none of them."""
    name = unique()
    one, two = (registered(registry, model(tmp_path, name, release)) for release in "12")
    promote(registry, one, Stage.PRODUCTION)
    telemetry = Telemetry("detector")
    async with running(settings(tmp_path / "home", name), telemetry) as stub, traffic(stub) as flow:
        await flow.until("1")
        await asyncio.to_thread(promote, registry, two, Stage.PRODUCTION)
        await flow.until("2")
        await asyncio.to_thread(rollback, registry, name)
        await flow.until("1")
        broken = await asyncio.to_thread(damaged, registry, tmp_path, name)
        await asyncio.to_thread(promote, registry, broken, Stage.PRODUCTION, force=True)
        failed = f'ovr_model_swaps_total{{model="models:/{name}@production",result="failed"}} 1.0'
        await eventually(lambda: failed in page(telemetry))
        await flow.until("1")
    assert flow.failures == []
    assert [r for r, before in zip(flow.answers, ["", *flow.answers], strict=False) if r != before] == [
        "1",
        "2",
        "1",
    ]
    assert f'ovr_model_info{{engine="openvino",model="{name}",version="1"}} 1.0' in page(telemetry)
    assert f'model="{name}",version="2"' not in page(telemetry)


async def test_a_detector_starts_from_its_cache_when_the_server_is_away(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    """What was fetched before serves without the server; without a cache the start fails and says why."""
    name = unique()
    promote(registry, registered(registry, model(tmp_path, name, "1")), Stage.PRODUCTION)
    async with running(settings(tmp_path / "home", name), Telemetry("detector")) as stub:
        assert (await stub.Detect(request(BRIGHT))).model.version == "1"
    telemetry = Telemetry("detector")
    away = {"mlflow": "http://127.0.0.1:9"}  # the discard port: nobody listens
    async with running(settings(tmp_path / "home", name, **away), telemetry) as stub:
        assert (await stub.Detect(request(BRIGHT))).model.version == "1"
        await eventually(lambda: "ovr_model_registry_up 0.0" in page(telemetry))
    with pytest.raises(ConfigError, match=r"MLflow at http://127\.0\.0\.1:9"):
        async with running(settings(tmp_path / "empty", name, **away), Telemetry("detector")):
            pass


async def test_a_damaged_version_keeps_a_new_detector_from_starting(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    """Files that are not what was registered are never loaded."""
    name = unique()
    version = registered(registry, model(tmp_path, name, "1"))
    promote(registry, version, Stage.PRODUCTION)
    registry.set_tag(version, MANIFEST_TAG, "0" * 64)
    with pytest.raises(ConfigError, match="MODEL_DAMAGED"):
        async with running(settings(tmp_path / "home", name), Telemetry("detector")):
            pass


async def test_a_shadow_detector_reports_what_it_sees_otherwise(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate that comes to staging after the start sees the traffic; where it finds no plate the report
    says so, and answers stay production's."""
    name = unique()
    promote(registry, registered(registry, model(tmp_path, name, "1")), Stage.PRODUCTION)
    home, telemetry = tmp_path / "home", Telemetry("detector")
    beside = {"shadow": f"models:/{name}@staging", "shadow_share": 1.0}
    async with running(settings(home, name, **beside), telemetry) as stub:
        assert (await stub.Detect(request(BRIGHT))).model.version == "1"
        # the other way round: what the first calls a plate is a vehicle for this one
        blind = model(tmp_path, name, "2", classes=["vehicle", "plate"])
        version = await asyncio.to_thread(registered, registry, blind)
        await asyncio.to_thread(promote, registry, version, Stage.STAGING)

        async def differs() -> bool:
            assert (await stub.Detect(request(BRIGHT))).model.version == "1"
            return 'result="disagreed"' in page(telemetry)

        end = time.monotonic() + 30
        while not await differs():
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    (compared,), kept = report(home, 5)
    assert (compared.production.split()[1], compared.candidate.split()[1]) == ("1", "2")
    assert compared.disagreed >= 1
    assert kept[0].detail["only_production"][0]["class"] == "plate"
    monkeypatch.setenv("OVR_HOME", str(home))
    shown = CliRunner().invoke(app, ["models", "shadow", "--latest", "1"])
    assert (shown.exit_code, "only_production" in shown.output) == (0, True)


async def test_the_reader_follows_and_has_a_shadow_too(registry: MlflowRegistry, tmp_path: Path) -> None:
    """The OCR service serves its alias, and a shadow reader's other text is kept."""
    name = unique()
    for release, text in (("1", "B123ABC"), ("2", "B123A8C")):
        manifest = reader(tmp_path, name, release, text)
        promote(
            registry, registered(registry, manifest), Stage.PRODUCTION if release == "1" else Stage.STAGING
        )
    service = OcrSettings(
        home=tmp_path / "home",
        mlflow=os.environ[MLFLOW],
        model_poll_seconds=0.1,
        model=f"models:/{name}@production+pp-ocr",
        shadow=f"models:/{name}@staging",
        shadow_share=1.0,
    )
    telemetry = Telemetry("ocr")
    pixels = b"\xff" * (64 * 128 * 3)
    crop = payload_to_wire(FramePayload("cam", PixelFormat.BGR24, pixels, 64, 128))
    bright = ocr_pb2.ReadRequest(crops=[crop])
    async with serve_ocr(service, telemetry) as server, connect(server.address, peer="ocr") as channel:
        stub = ocr_pb2_grpc.OcrServiceStub(channel)
        end = time.monotonic() + 30
        while 'result="disagreed"' not in page(telemetry):
            assert (await stub.Read(bright)).reads[0].text == "B123ABC"
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        await asyncio.to_thread(promote, registry, registry.versions(name)[0], Stage.PRODUCTION)
        while (await stub.Read(bright)).reads[0].text != "B123A8C":
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    _, kept = report(tmp_path / "home", 1)
    assert (kept[0].detail["production"], kept[0].detail["candidate"]) == ("B123ABC", "B123A8C")


def reader(folder: Path, name: str, release: str, text: str) -> Manifest:
    """A manifest of a tiny reader that says `text`."""
    target = folder / f"{name}-{release}"
    target.mkdir(parents=True)
    weights = tiny_reader(target / "own.onnx", text)
    row = {
        "kind": "reader",
        "format": "plate-reader",
        "file": weights.name,
        "sha256": sha256_of(weights),
        "classes": [],
        "regions": ["eu", "xx", "ro"],
        "metrics": {"gate": {"exact": 0.9}},
    }
    return model(folder, name, release, **row)


def test_the_commands_as_people_type_them(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Register, promote with numbers from a file, be refused without, roll back, list."""
    name = unique()
    monkeypatch.setenv("OVR_MLFLOW", os.environ[MLFLOW])

    def ovr(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["models", *words])
        return done.exit_code, done.output

    for release in "12":
        manifest = model(tmp_path, name, release, recall=None).directory / FILE_NAME
        assert ovr("register", "--manifest", str(manifest)) == (0, f"{name}@{release} is {name} {release}\n")
    assert "as before" in ovr("register", "--manifest", str(manifest))[1]
    code, said = ovr("promote", f"{name}@1", "--to", "production")
    assert (code, "has no numbers of an evaluation" in said) == (1, True)
    (numbers := tmp_path / "numbers.json").write_text('{"gate": {"recall": 0.5}}')
    to_production = ("--to", "production", "--evaluation", str(numbers))
    assert ovr("promote", f"{name}@1", *to_production)[0] == 0
    numbers.write_text('{"gate": {"recall": 0.4}}')
    assert "worse" in ovr("promote", f"{name}@2", *to_production)[1]
    code, said = ovr("promote", f"{name}@2", *to_production, "--force")
    assert (code, "50.00 %" in said, "40.00 %" in said) == (0, True, True)
    assert ovr("rollback", name) == (0, f"{name}@1 1: Production again\n")
    listed = ovr("registered")[1]
    assert any(f"{name}@2" in row and "Archived" in row for row in listed.splitlines())
    assert ovr("promote", f"{name}@9", "--to", "staging")[0] == 1


def test_existing_models_are_registered_by_a_script(registry: MlflowRegistry, tmp_path: Path) -> None:
    """Run twice, the script registers once, and puts into production what has nothing there yet."""
    name = unique()
    script = Path(__file__).parents[2] / "scripts" / "mlflow" / "register_existing_models.py"

    def run(release: str) -> str:
        manifest = model(tmp_path, name, release).directory / FILE_NAME
        argv = [sys.executable, str(script), "--manifest", str(manifest)]
        env = {**os.environ, "OVR_MLFLOW": os.environ[MLFLOW]}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=True).stdout

    assert run("1") == f"{name}@1 is {name} 1, Production\n"
    assert run("1") == f"{name}@1 is {name} 1, as before\n"
    assert run("2") == f"{name}@2 is {name} 2\n"
    assert [(v.number, v.aliases) for v in registry.versions(name)] == [("2", ()), ("1", ("production",))]
