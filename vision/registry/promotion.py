"""Which version serves: promotion by the evaluation's numbers, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesh.errors import Kind, MeshError
from vision.registry.port import STAGE_TAG, ModelReference, ModelVersion, Registry, Stage

# What counts of an evaluation, over all sets: texts exactly right, plates found. More is better.
DECISIVE = ("exact", "recall")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One decisive number of a set, 0..1: of the version in production (None: there is none) and of the
    candidate (None: not measured)."""

    name: str
    production: float | None
    candidate: float | None


def compare(registry: Registry, candidate: ModelVersion) -> list[Comparison]:
    """The decisive numbers of a candidate beside those of what is in production."""
    production = _named(registry, candidate.name, Stage.PRODUCTION)
    ours = decisive(registry.metrics(candidate))
    theirs = decisive(registry.metrics(production)) if production is not None else {}
    names = sorted(ours.keys() | theirs.keys())
    return [Comparison(name, theirs.get(name), ours.get(name)) for name in names]


def decisive(metrics: Mapping[str, float]) -> dict[str, float]:
    """The numbers that promotion looks at, by `set/metric`."""
    return {key: value for key, value in metrics.items() if key.rpartition("/")[2] in DECISIVE}


def promote(
    registry: Registry, version: ModelVersion, stage: Stage, *, force: bool = False
) -> list[Comparison]:
    """Move a version to a stage; returns what it was compared by.

    MeshError FAILED_PRECONDITION, unless forced. For production: NOT_EVALUATED where the candidate lacks a
    number that production has, or has none at all; WORSE where the mean over the sets is lower. For another
    stage: IN_PRODUCTION, as nothing would be there any more.
    """
    found = compare(registry, version) if stage is Stage.PRODUCTION else []
    if stage is Stage.PRODUCTION and not force:
        _judge(version, found)
    elif not force:
        serving = _named(registry, version.name, Stage.PRODUCTION)
        if serving is not None and serving.number == version.number:
            message = (
                f"{version} is in production, and nothing would take its place; force it if so it shall be"
            )
            raise MeshError(Kind.FAILED_PRECONDITION, "IN_PRODUCTION", message)
    _move(registry, version, stage)
    return found


def rollback(registry: Registry, name: str) -> ModelVersion:
    """Put back what was in production before; it takes the place of what is there now, and the other way
    round the next time. MeshError FAILED_PRECONDITION if nothing was."""
    before = _named(registry, name, Stage.ARCHIVED)
    if before is None:
        message = f"{name}: nothing was in production before"
        raise MeshError(Kind.FAILED_PRECONDITION, "NOTHING_BEFORE", message)
    _move(registry, before, Stage.PRODUCTION)
    return before


def _judge(version: ModelVersion, found: list[Comparison]) -> None:
    missing = [item.name for item in found if item.candidate is None]
    if missing or not found:
        what = f"lacks {', '.join(missing)}" if missing else "has no numbers of an evaluation"
        message = f"{version} {what}; give them with --evaluation FILE, or force it"
        raise MeshError(Kind.FAILED_PRECONDITION, "NOT_EVALUATED", message)
    pairs = [(i.production, i.candidate) for i in found if i.production is not None]
    lost = sum(before - (after or 0.0) for before, after in pairs) / max(len(pairs), 1)
    if lost > 0:
        message = f"{version} is worse than what is in production by {100 * lost:.2f} % on average"
        raise MeshError(Kind.FAILED_PRECONDITION, "WORSE", f"{message}; force it if it shall be so")


def _move(registry: Registry, version: ModelVersion, stage: Stage) -> None:
    """The alias that services follow moves first: whatever fails after it, they serve what was asked for."""
    former = _named(registry, version.name, stage) if stage is not Stage.NONE else None
    if stage is not Stage.NONE:
        registry.set_alias(version, stage.value)
    registry.set_tag(version, STAGE_TAG, stage.tag)
    for other in Stage:
        named = _named(registry, version.name, other) if other not in (stage, Stage.NONE) else None
        if named is not None and named.number == version.number:
            registry.delete_alias(version.name, other.value)
    if former is not None and former.number != version.number:
        if stage is Stage.PRODUCTION:
            registry.set_alias(former, Stage.ARCHIVED.value)
            registry.set_tag(former, STAGE_TAG, Stage.ARCHIVED.tag)
        elif stage is Stage.STAGING:
            registry.set_tag(former, STAGE_TAG, Stage.NONE.tag)


def _named(registry: Registry, name: str, stage: Stage) -> ModelVersion | None:
    try:
        return registry.resolve(ModelReference(name, alias=stage.value))
    except MeshError as error:
        if error.kind is Kind.NOT_FOUND:
            return None
        raise
