"""What the project asks of a model registry: versions of named models, aliases that move, files, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from mesh.errors import MeshError
from vision.port import VisionError

SCHEME = "models:/"
# What a version's files are vouched for by: the digest of its manifest, which holds that of the weights.
MANIFEST_TAG = "manifest_sha256"
RELEASE_TAG = "release"
STAGE_TAG = "stage"
_REFERENCE = re.compile(
    r"models:/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:@(?P<alias>[A-Za-z][A-Za-z0-9._-]*)|/(?P<version>[0-9]+))"
)


class Stage(str, Enum):
    """Where a version stands; the alias of a stage names the version that came to it last."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"

    @property
    def tag(self) -> str:
        """As MLflow has always spelled it: None, Staging, Production, Archived."""
        return self.value.capitalize()


@dataclass(frozen=True, slots=True)
class ModelReference:
    """`models:/NAME@ALIAS` or `models:/NAME/VERSION`: one of the two is empty."""

    name: str
    alias: str = ""
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """The reference a text spells; VisionError if it is none."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise VisionError(f"{text!r} is neither models:/NAME@ALIAS nor models:/NAME/VERSION")
        return cls(found["name"], found["alias"] or "", found["version"] or "")

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}" + (f"@{self.alias}" if self.alias else f"/{self.version}")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version as the registry has it. `number` counts from 1 within the model; `aliases` and `tags` are the
    registry's; `run_id` names the run that holds its numbers; `source` is where its files lie."""

    name: str
    number: str
    source: str = ""
    run_id: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def release(self) -> str:
        """The version as the manifest names it, such as 0.4.0."""
        return self.tags.get(RELEASE_TAG, "")

    @property
    def stage(self) -> Stage:
        """Where it stands, by its tag."""
        return next((stage for stage in Stage if stage.tag == self.tags.get(STAGE_TAG)), Stage.NONE)

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


class Registry(Protocol):
    """A model registry.

    Every method may raise MeshError: UNAVAILABLE where the registry cannot be asked now, NOT_FOUND for what
    it does not have, DENIED and UNAUTHENTICATED, FAILED_PRECONDITION for what it cannot do.
    """

    def resolve(self, reference: ModelReference) -> ModelVersion:
        """The version a reference names now."""

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, the newest first; none for a model it does not know."""

    def names(self) -> list[str]:
        """The models it has, by name."""

    def metrics(self, version: ModelVersion) -> dict[str, float]:
        """The version's numbers, by name such as `tn_cars/recall`."""

    def add_metrics(self, version: ModelVersion, metrics: Mapping[str, float]) -> None:
        """Give a version further numbers, or newer ones."""

    def fetch(self, version: ModelVersion, file: str, into: Path) -> None:
        """Write one of the version's files to the path `into`."""

    def register(
        self,
        name: str,
        files: Mapping[str, Path],
        tags: Mapping[str, str],
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """Add a version, and the model if it is new; its files are stored under their given names."""

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let an alias name this version, whatever it named before."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing."""

    def set_tag(self, version: ModelVersion, key: str, value: str) -> None:
        """Set a tag of a version."""

    def close(self) -> None:
        """Give back what the registry holds."""


@contextmanager
def as_vision_error() -> Iterator[None]:
    """What a registry raises, as the error that those who open models know."""
    try:
        yield
    except MeshError as error:
        raise VisionError(str(error)) from error
