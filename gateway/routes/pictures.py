"""`POST /v1/images:read`: a picture in, its plates out."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import protovalidate
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from gateway import contract
from gateway.auth import Role
from gateway.context import Context
from gateway.disconnect import unless_gone
from gateway.engines import CALLER, Calls, RemoteDetector, RemoteReader
from gateway.guard import require
from gateway.limits import too_large
from gateway.problems import HttpError
from gateway.routing import Path
from mesh import deadline
from mesh.errors import FieldViolation, Kind, MeshError
from ovr.alpr.v1 import frame_pb2, gateway_pb2
from vision.pictures import Limits, PictureError, decode_picture
from vision.pipeline import PictureRead, PictureReader, PipelineSettings
from wire.event import box_to_wire, model_to_wire, plate_to_wire

PATH = "/v1/images:read"
FORM_FIELD = "image"
FORM_OVERHEAD = 8192
MEDIA_TYPES = ("image/jpeg", "image/png", "application/octet-stream")
# What curl calls a body that nobody gave a type.
UNTYPED = ("", "application/x-www-form-urlencoded")
FORMATS = (
    (b"\xff\xd8\xff", frame_pb2.PIXEL_FORMAT_JPEG),
    (b"\x89PNG\r\n\x1a\n", frame_pb2.PIXEL_FORMAT_PNG),
)
# A progressive JPEG is unpacked once for each scan: real ones have about ten, hostile ones thousands.
MAX_SCANS = 64
SCAN_MARKER = b"\xff\xda"


def routes(context: Context) -> list[Path]:
    """The one path."""
    return [Path(PATH, Pictures(context).serve, methods=["POST"])]


class Pictures:
    """Reads pictures, few at once: unpacked pixels are what costs memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings
        self._slots = asyncio.Semaphore(self._settings.max_images)
        self._waiting = 0

    async def serve(self, request: Request) -> Response:
        """Serve one picture."""
        require(request, Role.READ)
        self._context.buckets.take(request.state.client, max(0.0, self._settings.image_cost - 1))
        wanted = contract.from_query(request.query_params.multi_items(), gateway_pb2.ReadImageRequest)
        check(wanted)
        data = await body(request, self._settings.max_image_bytes)
        answer = await unless_gone(request.receive, self._read(data, wanted))
        return Response(
            contract.to_json(answer), headers={"Cache-Control": "no-store"}, media_type="application/json"
        )

    async def _read(self, data: bytes, wanted: gateway_pb2.ReadImageRequest) -> gateway_pb2.ReadImageResponse:
        started = time.perf_counter()
        if self._slots.locked() and self._waiting >= self._settings.max_waiting_images:
            raise MeshError(
                Kind.EXHAUSTED, "TOO_MANY_PICTURES", "too many pictures are being read", retry_after=1.0
            )
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            with deadline.within(self._settings.image_timeout):
                answer = await self._in_thread(data, wanted)
        finally:
            self._slots.release()
        answer.elapsed_ms = (time.perf_counter() - started) * 1000
        return answer

    async def _in_thread(
        self, data: bytes, wanted: gateway_pb2.ReadImageRequest
    ) -> gateway_pb2.ReadImageResponse:
        calls = Calls(asyncio.get_running_loop())
        try:
            return await asyncio.to_thread(self._blocking, data, wanted, calls)
        finally:
            calls.cancel()

    def _blocking(
        self, data: bytes, wanted: gateway_pb2.ReadImageRequest, calls: Calls
    ) -> gateway_pb2.ReadImageResponse:
        kind = pixel_format(data)
        try:
            limits = Limits(pixels=self._settings.max_image_pixels, formats=("JPEG", "PNG"))
            image = decode_picture(data, name="the picture", limits=limits)
        except PictureError as error:
            raise contract.invalid("NOT_A_PICTURE", str(error)) from error
        stubs = self._context.neighbours.stubs
        file = frame_pb2.Frame(camera_id=CALLER, format=kind, inline_data=data)
        detector = RemoteDetector(stubs["detector"], calls, image, file, wanted.min_score)
        reader = RemoteReader(stubs["ocr"], calls, wanted.expected_regions)
        pipeline = PipelineSettings(expected_regions=tuple(wanted.expected_regions))
        pictures = PictureReader(detector, reader, pipeline)
        reads = pictures.read(image)
        return gateway_pb2.ReadImageResponse(
            plates=[to_wire(read) for read in reads],
            height=image.shape[0],
            width=image.shape[1],
            models=[model_to_wire(model) for model in pictures.models if model.name],
        )


def to_wire(read: PictureRead) -> gateway_pb2.PictureRead:
    """A plate of a picture as the contract's message."""
    return gateway_pb2.PictureRead(
        plate=plate_to_wire(read.plate),
        box=box_to_wire(read.box),
        score=read.score,
        legibility=read.read.legibility,
        lines=read.read.lines,
    )


def check(wanted: gateway_pb2.ReadImageRequest) -> None:
    """Hold the request to the contract's rules; MeshError INVALID naming the fields."""
    violations = protovalidate.collect_violations(wanted)
    if violations:
        fields = tuple(FieldViolation(_path(item.proto.field), item.proto.message) for item in violations)
        raise MeshError(Kind.INVALID, "REQUEST_INVALID", "the request breaks the contract", fields=fields)


def _path(field: Any) -> str:
    """`expected_regions` for a violation's field path; empty for one of the whole message."""
    return ".".join(part.field_name for part in field.elements) if field is not None else ""


def pixel_format(data: bytes) -> frame_pb2.PixelFormat.ValueType:
    """JPEG or PNG, by the first bytes; MeshError INVALID for anything else."""
    for magic, kind in FORMATS:
        if data.startswith(magic):
            if kind == frame_pb2.PIXEL_FORMAT_JPEG and data.count(SCAN_MARKER) > MAX_SCANS:
                raise contract.invalid("NOT_A_PICTURE", f"the picture has more than {MAX_SCANS} scans")
            return kind
    raise contract.invalid("NOT_A_PICTURE", "the body is neither a JPEG nor a PNG picture")


async def body(request: Request, limit: int) -> bytes:
    """The picture's bytes: the body itself, or the field `image` of a form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return await _of_form(request, limit)
    if media_type not in (*MEDIA_TYPES, *UNTYPED):
        accepted = ", ".join((*MEDIA_TYPES, "multipart/form-data"))
        raise HttpError(
            415, "MEDIA_TYPE_UNKNOWN", f"{media_type!r} is not accepted; accepted are: {accepted}"
        )
    data = await request.body()
    if len(data) > limit:
        raise too_large(limit)
    if not data:
        raise contract.invalid("BODY_EMPTY", "the body is empty: send a JPEG or PNG picture")
    return data


async def _of_form(request: Request, limit: int) -> bytes:
    async with request.form(max_files=1, max_fields=8, max_part_size=1024) as form:
        upload = form.get(FORM_FIELD)
        if not isinstance(upload, UploadFile):
            raise contract.invalid("FIELD_MISSING", "the form has no file of this name", field=FORM_FIELD)
        if upload.size is not None and upload.size > limit:
            raise too_large(limit)
        return await upload.read()
