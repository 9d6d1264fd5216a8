"""The installed models: `models/manifest.yaml`, and files whose sha256 is checked before use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mesh.settings import ConfigError, load_yaml
from plates.event import ModelInfo, ObjectClass
from vision.ctc import ALPHABET
from vision.port import VisionError

FILE_NAME = "manifest.yaml"

Kind = Literal["detector", "reader", "corners"]


class ModelEntry(BaseModel):
    """One model: what it is, where its weights lie, and how its input and output are to be understood."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    version: str = Field(pattern=r"^[A-Za-z0-9._+-]{1,32}$")
    kind: Kind
    format: Literal["yolo", "plate-reader", "plate-line", "plate-corners"] = Field(
        description="Which code of ours prepares and decodes it."
    )
    file: str = Field(pattern=r"^[A-Za-z0-9._-]+$", description="Weights, beside the manifest.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    size: int = Field(
        640, ge=64, le=4096, multiple_of=32, description="Detector: long side of the input, px."
    )
    classes: tuple[ObjectClass, ...] = Field(
        (), description="Detector: the classes in the order of the head."
    )
    regions: tuple[str, ...] = Field((), description="Reader: regions as the network has them.")
    alphabet: str = Field("", description="Reader: characters as the network has them, after none.")
    slots: int = Field(0, ge=0, description="Reader: longest text.")
    temperature: float = Field(1.0, gt=0, description="Reader: the calibration within the network.")
    input: dict[str, Any] = Field(default_factory=dict, description="Input in words, for people.")
    data: tuple[str, ...] = Field((), description="What it was trained on, by name.")
    metrics: dict[str, Any] = Field(default_factory=dict)
    command: str = Field("", description="The command that gives the metrics.")
    notes: str = ""

    @model_validator(mode="after")
    def _complete(self) -> ModelEntry:
        if self.kind == "detector" and ObjectClass.PLATE not in self.classes:
            raise ValueError("a detector needs `classes`, and plate among them")
        if self.format == "plate-reader" and not self.regions:
            raise ValueError("a plate-reader needs `regions`, in the network's order")
        if self.alphabet not in ("", ALPHABET):
            raise ValueError(f"alphabet: the only one known here is {ALPHABET}")
        return self

    def info(self, engine: str) -> ModelInfo:
        """The model as events name it."""
        return ModelInfo(self.name, self.version, self.sha256, engine)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[ModelEntry, ...] = ()


class Manifest:
    """The installed models of one directory."""

    def __init__(self, directory: Path, entries: tuple[ModelEntry, ...]) -> None:
        self.directory = directory
        self.entries = entries

    @classmethod
    def load(cls, path: Path | None = None) -> Manifest:
        """Read a manifest, by default the one that is shipped, if it is; VisionError names file, line and
        field."""
        shipped = default_path()
        if path is None and not shipped.exists():
            return cls(shipped.parent, ())
        path = path or shipped
        try:
            entries = load_yaml(path, _File).models
        except ConfigError as error:
            raise VisionError(str(error)) from error
        return cls(path.parent, entries)

    def of_kind(self, kind: Kind) -> tuple[ModelEntry, ...]:
        """The models of a kind, the default one first."""
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def find(self, kind: Kind | None, name: str) -> ModelEntry | None:
        """The model called `name` or `name@version`, the first of its kind for an empty name; else None.

        Without a `kind` it may be of any.
        """
        for entry in self.entries if kind is None else self.of_kind(kind):
            if name in ("", entry.name, f"{entry.name}@{entry.version}"):
                return entry
        return None

    def weights(self, entry: ModelEntry) -> Path:
        """The model's file; VisionError if it is missing or its sha256 is not the manifest's."""
        path = self.directory / entry.file
        if not path.is_file():
            raise VisionError(f"{path}: the weights of {entry.name} {entry.version} are missing")
        found = sha256_of(path)
        if found != entry.sha256:
            raise VisionError(
                f"{path}: sha256 is {found}, of {entry.name} {entry.version} it should be {entry.sha256}"
            )
        return path


def default_path() -> Path:
    """The manifest that is shipped with this package."""
    return Path(__file__).resolve().parent.parent / "models" / FILE_NAME


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
