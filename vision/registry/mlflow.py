"""MLflow's model registry, by its documented REST interface; its files by the server's artifact proxy.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from mesh.errors import Kind, MeshError
from mesh.settings import without_password
from vision.registry.port import ModelReference, ModelVersion

_API = "/api/2.0/mlflow/"
_FILES = "/api/2.0/mlflow-artifacts/artifacts/"
_PROXIED = "mlflow-artifacts"
_FOLDER = "model"
_EXPERIMENT = "ovr-models"
_PAGE = 200
_CONNECT_SECONDS = 3.0
_KINDS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.DENIED,
    404: Kind.NOT_FOUND,
    409: Kind.ALREADY_EXISTS,
    429: Kind.EXHAUSTED,
}


class MlflowRegistry:
    """See `vision.registry.port.Registry`.

    `address` is the server's, as http://HOST:PORT; `login` the user and password of one that asks for them;
    `timeout` in seconds for each answer; a server that cannot be reached is given up sooner.
    """

    def __init__(self, address: str, login: tuple[str, str] | None = None, timeout: float = 10.0) -> None:
        self._address = without_password(address)
        limits = httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
        self._client = httpx.Client(base_url=address, auth=login, timeout=limits)

    def close(self) -> None:
        """See the port."""
        self._client.close()

    def resolve(self, reference: ModelReference) -> ModelVersion:
        """See the port."""
        if reference.alias:
            query = {"name": reference.name, "alias": reference.alias}
            found = self._get("registered-models/alias", query)["model_version"]
        else:
            query = {"name": reference.name, "version": reference.version}
            found = self._get("model-versions/get", query)["model_version"]
        return _version(found, reference.alias)

    def versions(self, name: str) -> list[ModelVersion]:
        """See the port."""
        rows = self._pages("model-versions/search", "model_versions", {"filter": f"name='{name}'"})
        aliases = self._aliases(name) if rows else {}
        found = [_version(row, *aliases.get(str(row["version"]), ())) for row in rows]
        return sorted(found, key=lambda version: -int(version.number))

    def names(self) -> list[str]:
        """See the port."""
        return sorted(row["name"] for row in self._pages("registered-models/search", "registered_models", {}))

    def metrics(self, version: ModelVersion) -> dict[str, float]:
        """See the port."""
        if not version.run_id:
            return {}
        run = self._get("runs/get", {"run_id": version.run_id})["run"]
        return {row["key"]: float(row["value"]) for row in run["data"].get("metrics", ())}

    def add_metrics(self, version: ModelVersion, metrics: Mapping[str, float]) -> None:
        """See the port."""
        if not version.run_id:
            message = f"{version} has no run that could hold numbers"
            raise MeshError(Kind.FAILED_PRECONDITION, "MODEL_WITHOUT_RUN", message)
        self._log(version.run_id, {}, metrics)

    def fetch(self, version: ModelVersion, file: str, into: Path) -> None:
        """See the port."""
        path = f"{_files_path(version.source)}/{file}"
        try:
            with self._client.stream("GET", _FILES + quote(path)) as answer, into.open("wb") as out:
                if answer.is_error:
                    answer.read()
                    raise self._refusal(answer, f"{version}: {file}")
                for block in answer.iter_bytes(1 << 18):
                    out.write(block)
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error

    def register(
        self,
        name: str,
        files: Mapping[str, Path],
        tags: Mapping[str, str],
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """See the port. The version gets a run of its own in the experiment `ovr-models`."""
        run = self._post(
            "runs/create",
            {"experiment_id": self._experiment(), "run_name": name, "start_time": _now()},
        )["run"]["info"]
        run_id, root = str(run["run_id"]), str(run["artifact_uri"])
        self._log(run_id, parameters, metrics)
        source = f"{root}/{_FOLDER}"
        for file, path in files.items():
            self._upload(f"{_files_path(source)}/{file}", path)
        self._post("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": _now()})
        self._create_model(name)
        created = self._post(
            "model-versions/create",
            {"name": name, "source": source, "run_id": run_id, "tags": _tags(tags)},
        )
        return _version(created["model_version"])

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """See the port."""
        body = {"name": version.name, "alias": alias, "version": version.number}
        self._post("registered-models/alias", body)

    def delete_alias(self, name: str, alias: str) -> None:
        """See the port."""
        self._ask("DELETE", "registered-models/alias", body={"name": name, "alias": alias})

    def set_tag(self, version: ModelVersion, key: str, value: str) -> None:
        """See the port."""
        body = {"name": version.name, "version": version.number, "key": key, "value": value}
        self._post("model-versions/set-tag", body)

    def _aliases(self, name: str) -> dict[str, list[str]]:
        model = self._get("registered-models/get", {"name": name})["registered_model"]
        found: dict[str, list[str]] = {}
        for row in model.get("aliases", ()):
            found.setdefault(str(row["version"]), []).append(row["alias"])
        return found

    def _experiment(self) -> str:
        try:
            found = self._get("experiments/get-by-name", {"experiment_name": _EXPERIMENT})
            return str(found["experiment"]["experiment_id"])
        except MeshError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
        return str(self._post("experiments/create", {"name": _EXPERIMENT})["experiment_id"])

    def _create_model(self, name: str) -> None:
        try:
            self._post("registered-models/create", {"name": name})
        except MeshError as error:
            if error.metadata.get("code") != "RESOURCE_ALREADY_EXISTS":
                raise

    def _log(self, run_id: str, parameters: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        now = _now()
        rows = [{"key": k, "value": v, "timestamp": now, "step": 0} for k, v in metrics.items()]
        self._post("runs/log-batch", {"run_id": run_id, "metrics": rows, "params": _tags(parameters)})

    def _upload(self, path: str, file: Path) -> None:
        try:
            answer = self._client.put(_FILES + quote(path), content=file.read_bytes())
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error
        if answer.is_error:
            raise self._refusal(answer, path)

    def _pages(self, call: str, key: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._get(call, {**query, "max_results": str(_PAGE), "page_token": token})
            rows += page.get(key, ())
            token = page.get("next_page_token", "")
            if not token:
                return rows

    def _get(self, call: str, query: Mapping[str, str]) -> dict[str, Any]:
        return self._ask("GET", call, query={key: value for key, value in query.items() if value})

    def _post(self, call: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._ask("POST", call, body=body)

    def _ask(
        self,
        method: str,
        call: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        try:
            answer = self._client.request(method, _API + call, params=query, json=body)
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error
        if answer.is_error:
            raise self._refusal(answer, call)
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            message = f"{self._address} does not answer as MLflow does"
            raise MeshError(Kind.UNAVAILABLE, "REGISTRY_UNAVAILABLE", message) from error
        return found

    def _unavailable(self, error: httpx.HTTPError) -> MeshError:
        message = f"MLflow at {self._address}: {error or type(error).__name__}"
        return MeshError(Kind.UNAVAILABLE, "REGISTRY_UNAVAILABLE", message)

    def _refusal(self, answer: httpx.Response, what: str) -> MeshError:
        try:
            fault = answer.json()
        except ValueError:
            fault = {}
        code, message = str(fault.get("error_code", "")), str(fault.get("message", answer.reason_phrase))
        kind = Kind.NOT_FOUND if _absent(code, message) else _KINDS.get(answer.status_code, Kind.UNAVAILABLE)
        reason = "REGISTRY_UNAVAILABLE" if kind is Kind.UNAVAILABLE else "REGISTRY_REFUSED"
        return MeshError(
            kind, reason, f"MLflow at {self._address}: {what}: {message}", metadata={"code": code}
        )


def _absent(code: str, message: str) -> bool:
    # An alias that is not there is answered with INVALID_PARAMETER_VALUE.
    return code == "RESOURCE_DOES_NOT_EXIST" or ("alias" in message and "not found" in message)


def _version(row: Mapping[str, Any], *aliases: str) -> ModelVersion:
    tags = {tag["key"]: tag.get("value", "") for tag in row.get("tags", ())}
    return ModelVersion(
        name=str(row["name"]),
        number=str(row["version"]),
        source=str(row.get("source", "")),
        run_id=str(row.get("run_id", "")),
        aliases=tuple(alias for alias in aliases if alias),
        tags=tags,
    )


def _files_path(source: str) -> str:
    """Where the artifact proxy has what lies at `source`, relative to its root."""
    parts = urlsplit(source)
    if parts.scheme != _PROXIED:
        message = f"its files lie at {source}, not behind the server's own proxy (--serve-artifacts)"
        raise MeshError(Kind.FAILED_PRECONDITION, "MODEL_FILES_ELSEWHERE", message)
    return parts.path.strip("/")


def _tags(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _now() -> int:
    return int(time.time() * 1000)
