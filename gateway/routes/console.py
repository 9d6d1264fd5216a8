"""The console at `/` and the reference at `/docs`: static files, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent.parent / "static"
SWAGGER = "fastapi_swagger.resources"
SWAGGER_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
# Swagger UI sets styles inline and draws with data: pictures; its script is the bundle and ours.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REVALIDATE = {"Cache-Control": "no-cache"}


def routes(openapi: Callable[[], dict[str, Any]]) -> list[BaseRoute]:
    """Console, reference, and the files of both."""
    return [
        Route("/", page("index.html", REVALIDATE), methods=["GET"]),
        Route(
            "/docs",
            page("docs.html", {**REVALIDATE, "Content-Security-Policy": DOCS_POLICY}),
            methods=["GET"],
        ),
        Route("/docs/{name}", swagger, methods=["GET"]),
        Route("/openapi.json", described(openapi), methods=["GET"]),
        Route("/favicon.ico", page("icon.svg", REVALIDATE), methods=["GET"]),
        Mount("/static", _Revalidated(directory=STATIC)),
    ]


def page(name: str, headers: dict[str, str]) -> Callable[[Request], Awaitable[Response]]:
    """Serves one file."""

    async def handle(request: Request) -> Response:
        return FileResponse(STATIC / name, headers=headers)

    return handle


async def swagger(request: Request) -> Response:
    """The files of Swagger UI, from the package that carries them."""
    name = request.path_params["name"]
    if name not in SWAGGER_FILES:
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(_swagger_file(name), headers=headers, media_type=SWAGGER_FILES[name])


@lru_cache(maxsize=len(SWAGGER_FILES))
def _swagger_file(name: str) -> bytes:
    return files(SWAGGER).joinpath(name).read_bytes()


def described(openapi: Callable[[], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """Serves the OpenAPI document."""

    async def handle(request: Request) -> Response:
        return Response(orjson.dumps(openapi()), headers=REVALIDATE, media_type="application/json")

    return handle


class _Revalidated(StaticFiles):
    """Files that a browser asks for anew each time, by ETag: a new version shows at once."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response
