"""Registries for tests: one in memory, or MLflow's; and models to register."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from mesh.errors import Kind, MeshError
from tests.builders import vision
from vision.manifest import FILE_NAME, Manifest, ModelEntry
from vision.registry.mlflow import MlflowRegistry
from vision.registry.port import ModelReference, ModelVersion, Registry
from vision.registry.publish import publish

MLFLOW = "OVR_TEST_MLFLOW"
_OURS = "tiny-"


@dataclass
class MemoryRegistry:
    """Everything in dictionaries; `down` makes it unreachable."""

    down: bool = False
    models: dict[str, list[ModelVersion]] = field(default_factory=dict)
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    numbers: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)

    def resolve(self, reference: ModelReference) -> ModelVersion:
        """See the port."""
        self._reach()
        number = reference.version or self.aliases.get((reference.name, reference.alias), "")
        for version in self.models.get(reference.name, ()):
            if version.number == number:
                return version
        raise MeshError(Kind.NOT_FOUND, "REGISTRY_REFUSED", f"{reference}: not found")

    def versions(self, name: str) -> list[ModelVersion]:
        """See the port."""
        self._reach()
        return [
            replace(version, aliases=tuple(a for (n, a), v in self.aliases.items() if (n, v) == key))
            for version in reversed(self.models.get(name, []))
            if (key := (version.name, version.number))
        ]

    def names(self) -> list[str]:
        """See the port."""
        return sorted(self.models)

    def metrics(self, version: ModelVersion) -> dict[str, float]:
        """See the port."""
        return dict(self.numbers[version.name, version.number])

    def add_metrics(self, version: ModelVersion, metrics: Mapping[str, float]) -> None:
        """See the port."""
        self.numbers[version.name, version.number] |= metrics

    def fetch(self, version: ModelVersion, file: str, into: Path) -> None:
        """See the port."""
        self._reach()
        content = self.files.get((version.name, version.number, file))
        if content is None:
            raise MeshError(Kind.NOT_FOUND, "REGISTRY_REFUSED", f"{version}: {file}")
        into.write_bytes(content)

    def register(
        self,
        name: str,
        files: Mapping[str, Path],
        tags: Mapping[str, str],
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """See the port."""
        known = self.models.setdefault(name, [])
        version = ModelVersion(name, str(len(known) + 1), tags=dict(tags))
        known.append(version)
        self.numbers[name, version.number] = dict(metrics)
        self.files |= {(name, version.number, file): path.read_bytes() for file, path in files.items()}
        return version

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """See the port."""
        self.aliases[version.name, alias] = version.number

    def delete_alias(self, name: str, alias: str) -> None:
        """See the port."""
        self.aliases.pop((name, alias), None)

    def set_tag(self, version: ModelVersion, key: str, value: str) -> None:
        """See the port."""
        found = self.models[version.name]
        index = int(version.number) - 1
        found[index] = replace(found[index], tags={**found[index].tags, key: value})

    def close(self) -> None:
        """See the port."""

    def _reach(self) -> None:
        if self.down:
            raise MeshError(Kind.UNAVAILABLE, "REGISTRY_UNAVAILABLE", "it is down")


@contextmanager
def mlflow() -> Iterator[MlflowRegistry]:
    """The server of OVR_TEST_MLFLOW; the models that the body registers are removed after it."""
    registry = MlflowRegistry(os.environ[MLFLOW])
    before = set(registry.names())
    try:
        yield registry
    finally:
        for name in {name for name in registry.names() if name.startswith(_OURS)} - before:
            path = f"{os.environ[MLFLOW]}/api/2.0/mlflow/registered-models/delete"
            httpx.request("DELETE", path, json={"name": name}).raise_for_status()
        registry.close()


def unique() -> str:
    """A model's name that nobody else uses."""
    return f"{_OURS}{uuid.uuid4().hex[:12]}"


def model(folder: Path, name: str, release: str, recall: float | None = 0.9, **changes: Any) -> Manifest:
    """A manifest with a tiny detector of this name and release, or as changed, evaluated or not."""
    folder = folder / f"{name}-{release}"
    folder.mkdir(parents=True, exist_ok=True)
    row = yaml.safe_load(vision.manifest(folder).read_text("utf-8"))["models"][0]
    metrics = {} if recall is None else {"gate": {"recall": recall, "plates": 10}}
    row |= {"name": name, "version": release, "metrics": metrics} | changes
    (folder / FILE_NAME).write_text(yaml.safe_dump({"models": [row]}), "utf-8")
    return Manifest.load(folder / FILE_NAME)


def registered(registry: Registry, manifest: Manifest) -> ModelVersion:
    """The version made of a manifest's only model."""
    return publish(registry, manifest, only(manifest))[0]


def only(manifest: Manifest) -> ModelEntry:
    """The manifest's only model."""
    (entry,) = manifest.entries
    return entry
