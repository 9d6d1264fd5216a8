"""`ovr models register`, `registered`, `promote`, `rollback`, `shadow`: models in MLflow and in service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.console import fail, out

if TYPE_CHECKING:
    from vision.registry.port import ModelVersion, Registry
    from vision.registry.promotion import Comparison


class To(str, Enum):
    """Where a version can be moved: `vision.registry.port.Stage`, which would be slow to import."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"


@contextmanager
def _registry() -> Iterator[Registry]:
    """The registry of OVR_MLFLOW; what it, or a model, has against the body is said, and the command ends."""
    from mesh.errors import MeshError
    from mesh.settings import ConfigError, load
    from vision.port import VisionError
    from vision.registry.settings import RegistrySettings

    try:
        registry = load(RegistrySettings).registry()
        if registry is None:
            fail("there is no registry: set OVR_MLFLOW=http://HOST:PORT; `make mlflow` starts a server")
        with closing(registry):
            yield registry
    except (MeshError, VisionError, ConfigError) as error:
        fail(error.message if isinstance(error, MeshError) else str(error))


def register(
    names: Annotated[list[str] | None, typer.Argument(help="Models of the manifest; default: all.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Another manifest than the shipped models/manifest.yaml.")
    ] = None,
) -> None:
    """Register models of a manifest: weights, manifest, card and numbers. What is registered already stays.

    Example: ovr models register plate-reader
    """
    from vision.manifest import Manifest
    from vision.registry.publish import publish

    with _registry() as registry:
        installed = Manifest.load(manifest)
        chosen = [entry for entry in installed.entries if not names or entry.name in names]
        if not chosen:
            fail(f"none of {', '.join(names or ())} is in {installed.directory}; `ovr models ls` lists them")
        for entry in chosen:
            version, new = publish(registry, installed, entry)
            print(f"{version} is {entry.name} {entry.version}{'' if new else ', as before'}")


def registered() -> None:
    """List the registered versions, where they stand, and the numbers that promotion looks at.

    Example: ovr models registered
    """
    from vision.registry.promotion import decisive

    table = Table("model", "release", "stage", "aliases", "sets", "mean", box=None, pad_edge=False)
    with _registry() as registry:
        for name in registry.names():
            for version in registry.versions(name):
                scores = decisive(registry.metrics(version))
                mean = f"{100 * sum(scores.values()) / len(scores):.1f} %" if scores else "not evaluated"
                aliases = ", ".join(sorted(version.aliases))
                table.add_row(
                    str(version), version.release, version.stage.tag, aliases, str(len(scores)), mean
                )
    out().print(table)


def promote(
    model: Annotated[str, typer.Argument(help="NAME@VERSION: the registry's number, or the release.")],
    to: Annotated[To, typer.Option("--to", help="The stage.")],
    evaluation: Annotated[
        Path | None, typer.Option(help="Numbers of this version, as JSON; training.*.evaluate writes them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Though not evaluated, or worse.")] = False,
) -> None:
    """Move a version to a stage. What runs from models:/NAME@production follows, without losing a request.

    Production asks for the numbers of the version in production, and for no worse a mean.

    Example: ovr models promote plate-reader@3 --to production
    """
    from vision.registry import promotion
    from vision.registry.port import Stage
    from vision.registry.publish import read_evaluation

    with _registry() as registry:
        stage, version = Stage(to.value), _version(registry, model)
        if evaluation is not None:
            registry.add_metrics(version, read_evaluation(evaluation, version.name))
        compared = promotion.promote(registry, version, stage, force=force)
    if compared:
        out().print(_comparison(compared))
    print(f"{version} {version.release}: {stage.tag}")


def rollback(
    name: Annotated[str, typer.Argument(help="Model, as `ovr models registered` names it.")],
) -> None:
    """Put back the version that was in production before.

    Example: ovr models rollback plate-reader
    """
    from vision.registry import promotion

    with _registry() as registry:
        version = promotion.rollback(registry, name)
    print(f"{version} {version.release}: Production again")


def shadow(
    latest: Annotated[int, typer.Option(min=0, help="How many disagreements to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Report how often shadow models differed from those in production, and the latest such pictures.

    Example: ovr models shadow --latest 20
    """
    from dataclasses import asdict

    from mesh.settings import MeshSettings, load
    from storage.shadow import report

    counts, disagreements = report(load(MeshSettings).home, latest)
    if as_json:
        import orjson

        found = {"compared": [asdict(c) for c in counts], "latest": [asdict(d) for d in disagreements]}
        print(orjson.dumps(found).decode())
        return
    if not counts:
        print("no shadow model has seen anything yet; `shadow:` in config/detector.yaml or ocr.yaml sets one")
        return
    table = Table("service", "production", "shadow", "pictures", "differed", "", box=None, pad_edge=False)
    for c in counts:
        seen = c.agreed + c.disagreed
        share = f"{100 * c.disagreed / seen:.2f} %"
        table.add_row(c.service, c.production, c.candidate, str(seen), str(c.disagreed), share)
    out().print(table)
    for d in disagreements:
        detail = ", ".join(f"{key}: {value}" for key, value in d.detail.items())
        out().print(
            f"{d.at:%Y-%m-%d %H:%M:%S} {d.service} {d.camera} {d.picture[:12]}  {detail}", markup=False
        )


def _version(registry: Registry, text: str) -> ModelVersion:
    """NAME@VERSION, by number first."""
    name, at, wanted = text.rpartition("@")
    versions = registry.versions(name) if at else []
    by_number = [version for version in versions if version.number == wanted]
    found = by_number or [version for version in versions if version.release == wanted]
    if not found:
        known = ", ".join(f"{v} ({v.release})" for v in versions) or "`ovr models registered` lists them"
        fail(f"no registered version {text!r}: {known}")
    return found[0]


def _comparison(compared: Sequence[Comparison]) -> Table:
    table = Table("measured on", "in production", "candidate", box=None, pad_edge=False)
    for item in compared:
        cells = ["" if v is None else f"{100 * v:.2f} %" for v in (item.production, item.candidate)]
        table.add_row(item.name, *cells)
    return table
