"""Registered models on this machine: fetched once, checked, and there when the registry is not.

NAME/DIGEST/manifest.yaml + weights     a version, by the SHA-256 of its manifest
NAME/aliases/ALIAS                      the digest and number that an alias named when that last worked
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mesh.errors import Kind, MeshError
from mesh.logs import logger
from vision.manifest import FILE_NAME, Manifest, ModelEntry, sha256_of
from vision.port import VisionError
from vision.registry.port import MANIFEST_TAG, ModelReference, ModelVersion, Registry

_ALIASES = "aliases"
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Installed:
    """A version on this machine: its `manifest` has one model, whose weights lie beside it."""

    name: str
    number: str
    digest: str
    manifest: Path

    def entry(self) -> ModelEntry:
        """The manifest's only model, which keeps its name whatever the registry calls it; MeshError if there
        is not just one."""
        return _only_entry(self.manifest)

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


class ModelCache:
    """Keeps versions in a folder that several processes may share. Without a registry only what was fetched
    before can be had."""

    def __init__(self, folder: Path, registry: Registry | None) -> None:
        self._folder = folder
        self._registry = registry
        self._log = logger("vision.registry")

    def obtain(self, reference: ModelReference) -> Installed:
        """What the reference names, or named when that was last remembered; MeshError if neither is to be
        had."""
        try:
            installed = self.install(self.resolve(reference))
        except MeshError as error:
            before = self.remembered(reference)
            if before is None:
                raise
            self._log.warning("model from the cache", model=str(before), problem=str(error))
            return before
        self.remember(reference, installed)
        return installed

    def resolve(self, reference: ModelReference) -> ModelVersion:
        """The version a reference names now, by the registry; MeshError as the registry's."""
        if self._registry is None:
            message = f"{reference} needs an MLflow server: set OVR_MLFLOW"
            raise MeshError(Kind.FAILED_PRECONDITION, "NO_REGISTRY", message)
        return self._registry.resolve(reference)

    def install(self, version: ModelVersion) -> Installed:
        """Fetch a version unless it is here.

        MeshError: DATA_LOSS for files that are not what the registry says they are.
        """
        digest = digest_of(version)
        installed = Installed(version.name, version.number, digest, self._path(version.name, digest))
        if not installed.manifest.exists() or not _whole(installed):
            self._fetch(version, installed)
        return installed

    def remembered(self, reference: ModelReference) -> Installed | None:
        """What the reference named when it was last remembered, if that is here and whole."""
        try:
            digest, number = self._note(reference).read_text("utf-8").split()
        except (OSError, ValueError):
            return None
        installed = Installed(reference.name, number, digest, self._path(reference.name, digest))
        return installed if installed.manifest.exists() and _whole(installed) else None

    def remember(self, reference: ModelReference, installed: Installed) -> None:
        """Take `installed`, which works, for what the reference names when the registry is away."""
        note = self._note(reference)
        text = f"{installed.digest} {installed.number}\n"
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            if not note.exists() or note.read_text("utf-8") != text:
                with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as partial:
                    partial.write(text)
                Path(partial.name).replace(note)
                self._forget_old(reference.name)
        except OSError as error:
            self._log.warning("not remembered", model=str(installed), problem=str(error))

    def close(self) -> None:
        """Close the registry; what is here stays."""
        if self._registry is not None:
            self._registry.close()

    def _path(self, name: str, digest: str) -> Path:
        return self._folder / name / digest / FILE_NAME

    def _note(self, reference: ModelReference) -> Path:
        return self._folder / reference.name / _ALIASES / (reference.alias or f"v{reference.version}")

    def _fetch(self, version: ModelVersion, installed: Installed) -> None:
        assert self._registry is not None
        target = installed.manifest.parent
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as partial:
                fetched = Path(partial) / "model"
                fetched.mkdir()
                manifest = fetched / FILE_NAME
                self._registry.fetch(version, FILE_NAME, manifest)
                if sha256_of(manifest) != installed.digest:
                    raise _damaged(f"{version}: its {FILE_NAME} is not the one that was registered")
                entry = _only_entry(manifest)
                self._registry.fetch(version, entry.file, fetched / entry.file)
                _check(manifest)
                shutil.rmtree(target, ignore_errors=True)
                fetched.replace(target)
        except OSError as error:
            if not _whole(installed):  # another process may have been faster
                message = f"{target}: {error.strerror or error}"
                raise MeshError(Kind.UNAVAILABLE, "MODEL_CACHE_UNWRITABLE", message) from error

    def _forget_old(self, name: str) -> None:
        """Remove versions that no alias names, but for the newest few: a rollback needs no registry then."""
        notes = (self._folder / name / _ALIASES).iterdir()
        named = {note.read_text("utf-8").split()[0] for note in notes if note.stat().st_size}
        folders = [path.parent for path in (self._folder / name).glob(f"*/{FILE_NAME}")]
        unnamed = sorted(
            (path for path in folders if path.name not in named), key=lambda path: -path.stat().st_mtime
        )
        for path in unnamed[_KEPT:]:
            shutil.rmtree(path, ignore_errors=True)


def digest_of(version: ModelVersion) -> str:
    """The SHA-256 a version's manifest was registered with; MeshError if it was registered without."""
    digest = version.tags.get(MANIFEST_TAG, "")
    if len(digest) != 64 or not digest.isalnum():
        message = f"{version} has no tag {MANIFEST_TAG}: register it with scripts/mlflow or `ovr models`"
        raise MeshError(Kind.FAILED_PRECONDITION, "MODEL_NOT_OURS", message)
    return digest


def _only_entry(manifest: Path) -> ModelEntry:
    try:
        entries = Manifest.load(manifest).entries
    except VisionError as error:
        raise _damaged(str(error)) from error
    if len(entries) != 1:
        raise _damaged(f"{manifest.name} has {len(entries)} models where there must be one")
    return entries[0]


def _check(manifest: Path) -> None:
    entry = _only_entry(manifest)
    try:
        Manifest.load(manifest).weights(entry)
    except VisionError as error:
        raise _damaged(str(error)) from error


def _whole(installed: Installed) -> bool:
    try:
        if sha256_of(installed.manifest) != installed.digest:
            return False
        _check(installed.manifest)
    except (MeshError, OSError):
        return False
    return True


def _damaged(message: str) -> MeshError:
    return MeshError(Kind.DATA_LOSS, "MODEL_DAMAGED", message)
