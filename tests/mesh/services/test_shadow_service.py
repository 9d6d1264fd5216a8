"""A detector service with a shadow of the same manifest, without any registry."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import yaml
from prometheus_client import generate_latest

from mesh.client import connect
from mesh.payload import FramePayload, PixelFormat
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc
from services.detector.app import serve
from services.detector.settings import DetectorSettings
from storage.shadow import report
from tests.builders import vision
from wire.frame import payload_to_wire

DISAGREED = 'ovr_shadow_items_total{model="blind",result="disagreed"}'


def configured(folder: Path) -> Path:
    """A service's file: the tiny detector, and as its shadow one that takes every plate for a vehicle."""
    manifest = vision.manifest(folder)
    models = yaml.safe_load(manifest.read_text("utf-8"))
    models["models"].append(
        {**models["models"][0], "name": "blind", "version": "2", "classes": ["vehicle", "plate"]}
    )
    manifest.write_text(yaml.safe_dump(models), "utf-8")
    path = folder / "detector.yaml"
    config = {
        "model": "tiny",
        "manifest": str(manifest),
        "max_size": 128,
        "scales": [1.0],
        "shadow": {"model": "blind", "share": 1.0, "pictures": True},
    }
    path.write_text(yaml.safe_dump(config), "utf-8")
    return path


async def test_a_shadow_sees_the_frames_and_production_answers(tmp_path: Path) -> None:
    """Answers are production's; what the shadow sees otherwise is counted and kept, here with its picture."""
    telemetry = Telemetry("detector")
    settings = DetectorSettings(home=tmp_path / "home", config=configured(tmp_path))
    image = vision.picture((2, 1))
    frame = payload_to_wire(FramePayload("cam", PixelFormat.BGR24, image.tobytes(), *image.shape[:2]))
    async with serve(settings, telemetry) as server, connect(server.address, peer="detector") as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        end = time.monotonic() + 20
        while DISAGREED not in generate_latest(telemetry.registry).decode():
            answer = await stub.Detect(detector_pb2.DetectRequest(frame=frame))
            assert (answer.model.name, len(answer.detections)) == ("tiny", 1)
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
    (compared,), kept = report(tmp_path / "home", 1)
    assert (compared.production.split()[0], compared.candidate.split()[0]) == ("tiny", "blind")
    assert kept[0].camera == "cam"
    assert (tmp_path / "home" / "shadow" / f"{kept[0].picture}.jpg").is_file()
