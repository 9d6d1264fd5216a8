"""Stored pictures. Their key is their hash, so a picture once seen never has to be asked for again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.auth import Role
from gateway.context import Context
from gateway.disconnect import unless_gone
from gateway.guard import require
from gateway.routing import Path
from mesh.errors import Kind, MeshError
from ovr.alpr.v1 import query_pb2

LINK_SECONDS = 60
PATH = "/v1/evidence/{key:path}"


def routes(context: Context) -> list[Path]:
    """The one path."""
    return [Path(PATH, evidence(context), methods=["GET"])]


def evidence(context: Context) -> Callable[[Request], Any]:
    """Serves a picture's bytes as they come, with its hash as its ETag; with `?link=1` it leads to the store,
    if that gives links."""
    call = context.neighbours.stubs["query"].GetEvidence
    timeout = context.settings.call_timeout

    async def handle(request: Request) -> Response:
        require(request, Role.READ)
        key = request.path_params["key"]
        etag = f'"{key.rpartition("/")[2].partition(".")[0]}"'
        headers = {
            "ETag": etag,
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": "inline",
        }
        seconds = LINK_SECONDS if request.query_params.get("link") == "1" else 0
        stream = call(query_pb2.GetEvidenceRequest(key=key, link_seconds=seconds), timeout=timeout)
        first = await unless_gone(request.receive, _first(stream))
        if first.link:
            stream.cancel()
            return RedirectResponse(first.link, status_code=307, headers={"Cache-Control": "no-store"})
        if etag in request.headers.get("if-none-match", ""):
            stream.cancel()
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(first.size)
        return _Picture(stream, first, headers)

    return handle


async def _first(stream: Any) -> query_pb2.GetEvidenceResponse:
    """The first message; the rpc is cancelled if it does not come."""
    try:
        async for message in stream:
            return message  # type: ignore[no-any-return]
        raise MeshError(Kind.DATA_LOSS, "EVIDENCE_EMPTY", "the stored picture is empty")
    except BaseException:
        stream.cancel()
        raise


class _Picture(Response):
    """The rest of a picture, as it comes. What fails on the way breaks the connection: the length was
    promised."""

    def __init__(self, stream: Any, first: query_pb2.GetEvidenceResponse, headers: dict[str, str]) -> None:
        super().__init__(headers=headers, media_type=first.media_type or "application/octet-stream")
        self.raw_headers = [(name, value) for name, value in self.raw_headers if value != b"0"]
        self._stream = stream
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first.chunk, "more_body": True})
            async for message in self._stream:
                await send({"type": "http.response.body", "body": message.chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._stream.cancel()
