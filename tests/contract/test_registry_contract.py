"""What a model registry promises, and what is built on that: publishing, promotion, the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.errors import Kind, MeshError
from tests.builders.engines import missing, required
from tests.builders.registry import MLFLOW, MemoryRegistry, mlflow, model, only, registered, unique
from vision.manifest import FILE_NAME
from vision.port import VisionError
from vision.registry.cache import ModelCache
from vision.registry.mlflow import MlflowRegistry
from vision.registry.port import MANIFEST_TAG, ModelReference, ModelVersion, Registry, Stage
from vision.registry.promotion import promote, rollback
from vision.registry.publish import publish, read_evaluation

KINDS = ["memory", pytest.param("mlflow", marks=pytest.mark.integration)]


@pytest.fixture(params=KINDS)
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """A registry; MLflow's on the server of OVR_TEST_MLFLOW."""
    if request.param == "memory":
        yield MemoryRegistry()
        return
    if why := missing((MLFLOW,)):
        pytest.fail(why) if required() else pytest.skip(why)
    with mlflow() as server:
        yield server


@pytest.fixture
def name() -> str:
    """The name of a model that is not there yet."""
    return unique()


def production(name: str) -> ModelReference:
    """What a service asks for."""
    return ModelReference(name, alias="production")


def stages(registry: Registry, name: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Where each version stands, with its aliases."""
    found = {v.number: (v.stage.value, tuple(sorted(v.aliases))) for v in registry.versions(name)}
    return dict(sorted(found.items()))


def test_references_are_spelt_as_mlflow_spells_them() -> None:
    """By alias or by number; anything else is refused by name."""
    assert ModelReference.parse("models:/a-b@production") == ModelReference("a-b", alias="production")
    assert ModelReference.parse("models:/a/12") == ModelReference("a", version="12")
    for wrong in ("models:/a", "models:/a@", "models:/a/x", "models:/../b@c", "models:/..@c", "a@production"):
        with pytest.raises(VisionError, match="models:/NAME@ALIAS"):
            ModelReference.parse(wrong)


def test_a_model_is_registered_once(registry: Registry, tmp_path: Path, name: str) -> None:
    """Publishing the same entry again finds the version; another release makes another one, with its tags."""
    first, new = publish(registry, manifest := model(tmp_path, name, "1"), only(manifest))
    assert new
    again, new = publish(registry, manifest, only(manifest))
    assert (again.number, new) == (first.number, False)
    second = registered(registry, model(tmp_path, name, "2"))
    versions = registry.versions(name)
    assert [(v.number, v.release, v.stage) for v in versions] == [
        (second.number, "2", Stage.NONE),
        (first.number, "1", Stage.NONE),
    ]
    assert versions[1].tags["sha256"] == only(manifest).sha256
    assert registry.metrics(first) == {"gate/recall": 0.9, "gate/plates": 10}
    assert name in registry.names()


def test_what_is_not_there_is_not_found(registry: Registry, tmp_path: Path, name: str) -> None:
    """A model, a version, an alias and a file that do not exist are NOT_FOUND."""
    assert registry.versions(name) == []
    version = registered(registry, model(tmp_path, name, "1"))
    asked = (ModelReference(unique(), alias="x"), ModelReference(name, version="99"), production(name))
    for reference in asked:
        with pytest.raises(MeshError) as raised:
            registry.resolve(reference)
        assert raised.value.kind is Kind.NOT_FOUND, reference
    with pytest.raises(MeshError) as raised:
        registry.fetch(version, "nothing", tmp_path / "nothing")
    assert raised.value.kind is Kind.NOT_FOUND


def test_promotion_moves_aliases_and_tags(registry: Registry, tmp_path: Path, name: str) -> None:
    """None, Staging, Production and Archived are tags; the alias of a stage names who came to it last."""
    one, two = (registered(registry, model(tmp_path, name, release)) for release in "12")
    assert stages(registry, name) == {"1": ("none", ()), "2": ("none", ())}
    promote(registry, one, Stage.PRODUCTION)
    promote(registry, two, Stage.STAGING)
    assert stages(registry, name) == {"1": ("production", ("production",)), "2": ("staging", ("staging",))}
    promote(registry, two, Stage.PRODUCTION)
    assert stages(registry, name) == {"1": ("archived", ("archived",)), "2": ("production", ("production",))}
    assert registry.resolve(production(name)).number == two.number


def test_rollback_puts_back_what_was_there_before(registry: Registry, tmp_path: Path, name: str) -> None:
    """Rolling back swaps the two; without a former version it is refused."""
    one, two = (registered(registry, model(tmp_path, name, release)) for release in "12")
    promote(registry, one, Stage.PRODUCTION)
    with pytest.raises(MeshError, match="NOTHING_BEFORE"):
        rollback(registry, name)
    promote(registry, two, Stage.PRODUCTION)
    assert rollback(registry, name).number == one.number
    assert stages(registry, name) == {"1": ("production", ("production",)), "2": ("archived", ("archived",))}
    assert rollback(registry, name).number == two.number


def test_production_asks_for_numbers_that_are_no_worse(registry: Registry, tmp_path: Path, name: str) -> None:
    """Without an evaluation, or with a worse one, production is refused unless forced; numbers can be given
    later."""
    good = registered(registry, model(tmp_path, name, "good", recall=0.9))
    worse = registered(registry, model(tmp_path, name, "worse", recall=0.8))
    blank = registered(registry, model(tmp_path, name, "blank", recall=None))
    with pytest.raises(MeshError, match="NOT_EVALUATED"):
        promote(registry, blank, Stage.PRODUCTION)
    promote(registry, good, Stage.PRODUCTION)
    with pytest.raises(MeshError, match=r"WORSE: .* by 10\.00 %"):
        promote(registry, worse, Stage.PRODUCTION)
    with pytest.raises(MeshError, match=r"NOT_EVALUATED: .* lacks gate/recall"):
        promote(registry, blank, Stage.PRODUCTION)
    assert registry.resolve(production(name)).number == good.number
    registry.add_metrics(blank, {"gate/recall": 0.95})
    (compared,) = promote(registry, blank, Stage.PRODUCTION)
    assert (compared.name, compared.production, compared.candidate) == ("gate/recall", 0.9, 0.95)
    promote(registry, worse, Stage.PRODUCTION, force=True)
    assert registry.resolve(production(name)).number == worse.number


def test_what_serves_is_not_taken_away(registry: Registry, tmp_path: Path, name: str) -> None:
    """The version in production leaves it only for another one, or by force."""
    version = registered(registry, model(tmp_path, name, "1"))
    promote(registry, version, Stage.PRODUCTION)
    with pytest.raises(MeshError, match="IN_PRODUCTION"):
        promote(registry, version, Stage.STAGING)
    promote(registry, version, Stage.ARCHIVED, force=True)
    assert stages(registry, name) == {"1": ("archived", ("archived",))}


def test_the_cache_fetches_once_and_serves_without_the_registry(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    """What was fetched is there when the registry is not, as the alias named it last; what was not is
    refused."""
    version = registered(registry, manifest := model(tmp_path, name, "1"))
    promote(registry, version, Stage.PRODUCTION)
    installed = ModelCache(tmp_path / "cache", registry).obtain(production(name))
    weights = installed.manifest.parent / only(manifest).file
    assert weights.read_bytes() == manifest.weights(only(manifest)).read_bytes()
    offline = ModelCache(tmp_path / "cache", None)
    assert offline.obtain(production(name)) == installed
    with pytest.raises(MeshError, match="NO_REGISTRY"):
        offline.obtain(ModelReference(name, alias="staging"))
    weights.write_bytes(b"damaged")
    with pytest.raises(MeshError, match="NO_REGISTRY"):
        offline.obtain(production(name))
    assert ModelCache(tmp_path / "cache", registry).obtain(production(name)) == installed
    assert offline.obtain(production(name)) == installed


def broken(registry: Registry, tmp_path: Path, name: str) -> ModelVersion:
    """A version whose weights are not those that its manifest names, forced into production."""
    manifest = model(tmp_path, name, "broken")
    entry = only(manifest)
    (other := tmp_path / "other.onnx").write_bytes(b"other weights")
    tags = {MANIFEST_TAG: "0" * 64, "release": "broken"}
    files = {FILE_NAME: manifest.directory / FILE_NAME, entry.file: other}
    version = registry.register(name, files, tags, {}, {})
    promote(registry, version, Stage.PRODUCTION, force=True)
    return version


def test_files_that_are_not_what_was_registered_are_refused(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    """A digest that does not fit is DATA_LOSS, leaves nothing behind, and what was there before goes on."""
    promote(registry, registered(registry, model(tmp_path, name, "1")), Stage.PRODUCTION)
    cache = ModelCache(tmp_path / "cache", registry)
    before = cache.obtain(production(name))
    version = broken(registry, tmp_path, name)
    with pytest.raises(MeshError) as raised:
        cache.install(version)
    assert (raised.value.kind, raised.value.reason) == (Kind.DATA_LOSS, "MODEL_DAMAGED")
    assert cache.obtain(production(name)) == before
    assert len(list((tmp_path / "cache" / name).glob("[!a]*"))) == 1
    with pytest.raises(MeshError, match="MODEL_DAMAGED"):
        ModelCache(tmp_path / "elsewhere", registry).obtain(production(name))


def test_a_version_of_somebody_else_is_not_ours(registry: Registry, tmp_path: Path, name: str) -> None:
    """A version that was registered without our tag is refused with what to do."""
    (file := tmp_path / "model.bin").write_bytes(b"any")
    version = registry.register(name, {"model.bin": file}, {}, {}, {})
    with pytest.raises(MeshError, match="MODEL_NOT_OURS"):
        ModelCache(tmp_path / "cache", registry).obtain(ModelReference(name, version=version.number))


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    """What is wrong with a registry goes into logs."""
    registry = MlflowRegistry("http://ann:hidden@127.0.0.1:9")
    with pytest.raises(MeshError, match="MLflow at http://ann:") as caught:
        registry.names()
    assert "hidden" not in str(caught.value)
    registry.close()


def test_the_cache_keeps_few(tmp_path: Path, name: str) -> None:
    """Of many versions that an alias named, those named now and the newest few others stay."""
    registry = MemoryRegistry()
    cache = ModelCache(tmp_path / "cache", registry)
    for release in "123456789":
        promote(registry, registered(registry, model(tmp_path, name, release)), Stage.PRODUCTION)
        installed = cache.obtain(production(name))
    kept = {path.parent for path in (tmp_path / "cache" / name).glob(f"*/{FILE_NAME}")}
    assert installed.manifest.parent in kept
    assert len(kept) == 5


@pytest.mark.parametrize(
    "text",
    [
        '{"gate": {"recall": 0.5, "vehicle_recall": NaN}}',
        '{"size": 416, "set": "gate", "recall": 0.5}\n{"size": 416, "set": "b", "plates": NaN}\n',
        '{"name": "gate", "way": "whole", "pictures": 6, "recall": 0.5, "precision": null}',
        '{"sets": {"gate": {"m": {"recall": 0.5}, "pp-ocr": {"recall": 0.1}}}, "confusions": []}',
        '{"sets": {"gate": {"a": {"recall": 0.1}, "a+m": {"recall": 0.5}, "m+a": {"recall": 0.2}}}}',
    ],
)
def test_evaluations_are_read_as_they_are_written(tmp_path: Path, text: str) -> None:
    """The forms of our evaluations give the same numbers; what is no number is left out."""
    (path := tmp_path / "e.json").write_text(text)
    found = read_evaluation(path, "m")
    assert found["gate/recall"] == 0.5
    assert not any(key.startswith(("gate/vehicle", "b/", "confusions")) for key in found)


def test_no_evaluation_is_said(tmp_path: Path) -> None:
    """A file without numbers, or none at all, names itself."""
    (path := tmp_path / "e.json").write_text("[]")
    for wrong in (path, tmp_path / "missing.json"):
        with pytest.raises(VisionError, match=wrong.name):
            read_evaluation(wrong, "m")
