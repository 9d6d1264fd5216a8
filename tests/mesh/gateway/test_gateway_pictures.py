"""`POST /v1/images:read` over real HTTP, with detector and OCR behind it over real gRPC."""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from gateway.engines import inline
from mesh.testing import Harness
from ovr.alpr.v1 import detector_pb2, frame_pb2
from tests.builders.mesh_world import World, gateway_before
from tests.builders.passes import scene

PATH = "/v1/images:read"


@pytest.fixture(scope="module")
def picture() -> Any:
    """A street with one vehicle, as pixels."""
    return scene(1, text="AB12CDE", region="gb")[0]


def encoded(picture: Any, suffix: str = ".jpg") -> bytes:
    """The picture as a file."""
    return bytes(cv2.imencode(suffix, picture)[1].tobytes())


def huge_png(width: int, height: int) -> bytes:
    """A few bytes that call themselves a picture of that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("way", ["jpeg", "png", "form", "untyped", "curl"])
async def test_a_picture_is_read(gateway: httpx.AsyncClient, picture: Any, way: str) -> None:
    """As a body or as a form, JPEG or PNG: the plate's text, its box in pixels, and which models said so."""
    data = encoded(picture, ".png" if way == "png" else ".jpg")
    if way == "form":
        response = await gateway.post(PATH, files={"image": ("a.jpg", data, "image/jpeg")})
    else:
        kinds = {"untyped": "application/octet-stream", "curl": "application/x-www-form-urlencoded"}
        headers = {"content-type": kinds.get(way, f"image/{way}")}
        response = await gateway.post(PATH, content=data, headers=headers)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["width"], answer["height"]) == (picture.shape[1], picture.shape[0])
    (plate,) = answer["plates"]
    assert plate["plate"]["text"] == "AB12CDE"
    assert len(plate["plate"]["posterior"]) == 7
    assert plate["plate"]["alternatives"][0]["text"] == "AB12CDE"
    expected = scene(1, text="AB12CDE", region="gb")[3]
    assert plate["box"]["x"] == pytest.approx(expected.x, abs=0.01)
    assert [model["name"] for model in answer["models"]] == ["made-up", "made-up"]
    assert answer["elapsed_ms"] > 0


async def test_expected_regions_reach_the_reader(gateway: httpx.AsyncClient, picture: Any) -> None:
    """The regions to expect are a parameter, and a wrong one is named."""
    answer = await gateway.post(PATH, params={"expected_regions": ["gb"]}, content=encoded(picture))
    assert answer.json()["plates"][0]["plate"]["region"] == "gb"
    refused = await gateway.post(PATH, params={"expected_regions": "Britain"}, content=encoded(picture))
    assert refused.status_code == 400
    assert "expected_regions" in refused.json()["fields"][0]["field"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"not a picture", "neither a JPEG nor a PNG"),
        (b"\xff\xd8\xff" + bytes(100), "the picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "the picture"),
        (b"\xff\xd8\xff" + b"\xff\xda" * 100, "scans"),
    ],
)
async def test_what_is_no_picture(gateway: httpx.AsyncClient, world: World, data: bytes, words: str) -> None:
    """Bytes that are no picture are a 400, and no service is asked."""
    response = await gateway.post(PATH, content=data)
    assert response.status_code == 400
    assert words in response.json()["detail"]
    assert not world.calls


async def test_a_damaged_picture(gateway: httpx.AsyncClient, picture: Any) -> None:
    """A file that ends early is answered, as a picture or as a problem, never with a 500."""
    data = encoded(picture, ".png")
    assert (await gateway.post(PATH, content=data[: len(data) // 2])).status_code in (200, 400)


async def test_pixels_are_limited_before_they_are_unpacked(gateway: httpx.AsyncClient, world: World) -> None:
    """A small file that calls itself a huge picture is refused by its header."""
    response = await gateway.post(PATH, content=huge_png(60_000, 60_000))
    assert response.status_code == 400
    assert "pixels" in response.json()["detail"]
    assert not world.calls


@pytest.mark.parametrize("form", [False, True])
async def test_bytes_are_limited(mesh: Harness, world: World, form: bool) -> None:
    """More bytes than allowed are a 413, announced or not."""

    async def unannounced() -> Any:
        for _ in range(20):
            yield bytes(1000)

    async with gateway_before(mesh, max_image_bytes=5000) as client:
        if form:
            response = await client.post(PATH, files={"image": ("a", bytes(6000), "image/jpeg")})
        else:
            response = await client.post(PATH, content=unannounced())
        assert response.status_code == 413
        assert response.json()["reason"] == "BODY_TOO_LARGE"
        announced = await client.post(PATH, content=bytes(20_000))
        assert announced.status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content-type": "text/plain"}, 415), ({"content-encoding": "gzip"}, 415)],
)
async def test_kinds_that_are_refused(
    gateway: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """Other kinds of body, and compressed ones, are a 415: nothing is inflated."""
    assert (await gateway.post(PATH, content=b"x", headers=headers)).status_code == status


async def test_a_form_without_the_field(gateway: httpx.AsyncClient) -> None:
    """A form that lacks the picture says which field it misses."""
    response = await gateway.post(PATH, files={"photo": ("a.jpg", b"x", "image/jpeg")})
    assert response.status_code == 400
    assert response.json()["fields"][0]["field"] == "image"


async def test_too_many_pictures_at_once(mesh: Harness, world: World, picture: Any) -> None:
    """Pictures wait for each other, and when too many wait the next is told to come again."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: detector_pb2.DetectRequest) -> detector_pb2.DetectResponse:
        asked.set()
        await answer.wait()
        return detector_pb2.DetectResponse()

    world.detect = slow  # type: ignore[method-assign]
    async with Harness() as other:
        await world.serve(other)
        async with gateway_before(other, max_images=1, max_waiting_images=1) as client:
            data = encoded(picture)
            first = asyncio.ensure_future(client.post(PATH, content=data))
            await asked.wait()
            others = [asyncio.ensure_future(client.post(PATH, content=data)) for _ in range(2)]
            (refused,), (waiting,) = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
            assert refused.result().status_code == 429
            assert refused.result().headers["retry-after"] == "1"
            answer.set()
            assert [(await first).status_code, (await waiting).status_code] == [200, 200]


async def test_a_detector_that_fails(mesh: Harness, picture: Any) -> None:
    """A service behind that is not there is a 503."""
    async with gateway_before(mesh) as client:
        assert (await client.post(PATH, content=encoded(picture))).status_code == 503


async def test_a_picture_costs_more_than_a_question(mesh: Harness, world: World, picture: Any) -> None:
    """Pictures count for more in the rate limit."""
    async with gateway_before(mesh, rate=0.01, burst=15, image_cost=10) as client:
        data = encoded(picture)
        codes = [(await client.post(PATH, content=data)).status_code for _ in range(2)]
        assert codes == [200, 429]


async def test_a_picture_without_a_plate_is_looked_at_again(gateway: httpx.AsyncClient, world: World) -> None:
    """Where nothing is found, the pipeline's other views of the picture reach the detector too."""
    asked: list[detector_pb2.DetectRequest] = []

    def nothing(request: detector_pb2.DetectRequest) -> detector_pb2.DetectResponse:
        asked.append(request)
        return detector_pb2.DetectResponse()

    world.detect = nothing  # type: ignore[method-assign]
    async with Harness() as other:
        await world.serve(other)
        async with gateway_before(other) as client:
            grey = np.full((700, 1000, 3), 128, np.uint8)
            response = await client.post(PATH, content=encoded(grey))
    assert response.json()["plates"] == []
    formats = [request.frame.format for request in asked]
    assert formats[0] == frame_pb2.PIXEL_FORMAT_JPEG
    assert frame_pb2.PIXEL_FORMAT_BGR24 in formats[1:]


def test_long_views_travel_as_jpeg() -> None:
    """A view whose rows would not fit a message travels compressed."""
    assert inline(np.zeros((4000, 3000, 3), np.uint8)).format == frame_pb2.PIXEL_FORMAT_JPEG
    small = inline(np.zeros((40, 30, 3), np.uint8))
    assert (small.format, small.width, small.height) == (frame_pb2.PIXEL_FORMAT_BGR24, 30, 40)
