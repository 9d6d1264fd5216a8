"""A Schema Registry over HTTP, as Confluent's clients speak to it. Blocking, and safe to use from several
threads."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from mesh.errors import Kind, MeshError

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_INCOMPATIBLE = 409
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema's text and what it is written in."""

    format: str
    text: str

    def body(self) -> dict[str, str]:
        """As requests carry it."""
        return {"schemaType": self.format, "schema": self.text}


def open_registry(address: str, properties: Mapping[str, str]) -> SchemaRegistry:
    """The registry at `address`; `properties` may hold who asks and which authorities to trust, by the names
    that Confluent's tools have for them. FAILED_PRECONDITION for authorities that cannot be read."""
    authorities = properties.get("schema.registry.ssl.ca.location", "")
    try:
        return SchemaRegistry(
            address,
            login=properties.get("schema.registry.basic.auth.user.info", ""),
            authorities=authorities,
        )
    except OSError as error:  # ssl.SSLError, too, for a file that holds none
        message = f"schema.registry.ssl.ca.location={authorities}: {error.strerror or error}"
        raise MeshError(Kind.FAILED_PRECONDITION, "PROPERTIES_INVALID", message) from error


class SchemaRegistry:
    """Every method raises MeshError UNAVAILABLE when the registry does not answer or refuses to."""

    def __init__(self, address: str, *, login: str = "", authorities: str = "", timeout: float = 5.0) -> None:
        """`address` with its path; `login` is USER:PASSWORD, `authorities` a PEM file, both may be empty."""
        user, _, password = login.partition(":")
        self._client = httpx.Client(
            base_url=address,
            auth=(user, password) if login else None,
            verify=ssl.create_default_context(cafile=authorities) if authorities else True,
            timeout=timeout,
            headers={"Accept": f"{_MEDIA_TYPE}, application/json"},
        )

    def schema(self, id: int) -> Schema | None:
        """The schema behind an id; None if there is none."""
        found = self._ask("GET", f"/schemas/ids/{id}")
        return Schema(found.get("schemaType", "AVRO"), found["schema"]) if found is not None else None

    def id_of(self, subject: str, schema: Schema) -> int | None:
        """The id under which a subject holds just this schema; None if it does not."""
        found = self._ask("POST", f"/subjects/{quote(subject, safe='')}", schema.body())
        return int(found["id"]) if found is not None else None

    def register(self, subject: str, schema: Schema) -> int:
        """Add the schema to its subject, if it is not there; its id. FAILED_PRECONDITION if it cannot read
        what was written with the newest one."""
        found = self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", schema.body())
        if found is None:
            raise _unavailable("it knows of no subjects")
        return int(found["id"])

    def hold_compatible(self, subject: str) -> None:
        """From now on, a new schema of the subject must read what was written with the one before."""
        self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": "BACKWARD"})

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def __enter__(self) -> SchemaRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        """The answer; None for 404."""
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise _unavailable(f"{type(error).__name__}: {error}") from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code == _INCOMPATIBLE:
            raise MeshError(Kind.FAILED_PRECONDITION, "SCHEMA_INCOMPATIBLE", f"{path}: {response.text}")
        if response.is_error:
            raise _unavailable(f"{path}: HTTP {response.status_code}")
        try:
            answer = response.json()
        except ValueError as error:
            raise _unavailable(f"{path}: the answer is no JSON") from error
        if not isinstance(answer, dict):
            raise _unavailable(f"{path}: the answer is no object")
        return answer


def _unavailable(why: str) -> MeshError:
    return MeshError(
        Kind.UNAVAILABLE, "REGISTRY_UNAVAILABLE", f"schema registry: {why}", retry_after=_RETRY_SECONDS
    )
