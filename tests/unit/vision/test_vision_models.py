"""Manifests, engines and the readers and detectors they make."""

import threading
from pathlib import Path

import numpy as np
import pytest

from plates.event import ObjectClass
from synth.plate import render_plate, styles_of
from tests.builders.tiny_onnx import tiny_detector
from tests.builders.vision import detector, manifest, picture, reader
from vision.backends.onnx import OnnxBackend
from vision.backends.openvino import OpenVinoBackend
from vision.manifest import Manifest
from vision.models import ModelChoice, open_detector, open_reader
from vision.paddle import PaddleReader, read_of
from vision.port import VisionError


def without_models(folder: Path) -> Path:
    """A manifest that names none."""
    (path := folder / "none.yaml").write_text("models: []\n")
    return path


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A typing mistake in a manifest's path is no empty manifest."""
    with pytest.raises(VisionError, match=r"typo\.yaml"):
        Manifest.load(tmp_path / "typo.yaml")


def test_two_readers_have_a_name_each() -> None:
    """Neither a name left out nor a third one is made up for."""
    for name in ("plate-reader+", "+plate-reader", "a+b+c"):
        with pytest.raises(VisionError, match="two readers have a name each"):
            open_reader(ModelChoice(name))


def test_the_shipped_manifest_names_files_that_are_what_it_says() -> None:
    """Every model in `models/` is there with its sha256."""
    shipped = Manifest.load()
    assert [shipped.weights(entry).is_file() for entry in shipped.entries] == [True] * len(shipped.entries)


def test_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    """A file whose sha256 is not the manifest's is named with both."""
    path = manifest(tmp_path)
    (tmp_path / "tiny.onnx").write_bytes(b"other")
    with pytest.raises(VisionError, match=r"tiny\.onnx: sha256 is .* of tiny 1 it should be"):
        open_detector(ModelChoice(manifest=path))


def test_a_manifest_error_names_file_line_and_field(tmp_path: Path) -> None:
    """A detector without classes is told at its line."""
    path = manifest(tmp_path)
    path.write_text(path.read_text().replace("  classes: [plate, vehicle]\n", ""))
    with pytest.raises(VisionError, match=r"manifest\.yaml:2: models\.0: .*`classes`"):
        Manifest.load(path)


def test_an_unknown_model_is_answered_with_those_there_are(tmp_path: Path) -> None:
    """The error lists the names that can be chosen; name@version is one of the ways to say it."""
    path = manifest(tmp_path)
    with pytest.raises(VisionError, match=r"no reader called 'best'.*tiny-reader, pp-ocr"):
        open_reader(ModelChoice("best", manifest=path))
    assert open_detector(ModelChoice("tiny@1", manifest=path)).model.version == "1"


def test_without_models_there_is_no_detector_but_a_reader(tmp_path: Path) -> None:
    """An empty manifest has no detector; the general recogniser from its wheel still reads."""
    choice = ModelChoice(manifest=without_models(tmp_path), threads=1)
    with pytest.raises(VisionError, match="none is installed"):
        open_detector(choice)
    assert open_reader(choice).model.name.startswith("PP-OCR")


def test_openvino_and_onnx_runtime_agree(tmp_path: Path) -> None:
    """Both engines give the same numbers and the file's metadata, alone and in a batch."""
    path = tiny_detector(tmp_path / "tiny.onnx")
    backends = [OpenVinoBackend(path, threads=1), OnnxBackend(path, threads=1)]
    batch = np.random.default_rng(0).random((3, 3, 64, 128), np.float32)
    one, other = (backend.run(batch)[0] for backend in backends)
    assert one.shape == (3, 6, 8)
    assert np.allclose(one, other, atol=1e-5)
    assert [backend.metadata for backend in backends] == [{"names": "plate,vehicle"}] * 2


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, engine: str) -> None:
    """The error names the file and the engine."""
    path = manifest(tmp_path)
    (tmp_path / "tiny.onnx").write_bytes(b"no model")
    path.write_text(path.read_text().replace(Manifest.load(path).entries[0].sha256, _sha(b"no model")))
    with pytest.raises(VisionError, match=r"tiny\.onnx: .* cannot load this model"):
        open_detector(ModelChoice(engine=engine, manifest=path))  # type: ignore[arg-type]


def _sha(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_an_engine_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """TensorRT and PaddleOCR are not in the default install; choosing them says so."""
    pytest.importorskip("openvino")
    if not _installed("tensorrt"):
        with pytest.raises(VisionError, match="tensorrt is not installed here"):
            open_detector(ModelChoice(engine="tensorrt", manifest=manifest(tmp_path)))
    if not _installed("paddleocr"):
        with pytest.raises(VisionError, match="paddle is not installed here"):
            PaddleReader("PP-OCRv5_mobile_rec")


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def test_an_engine_can_be_called_from_many_threads(tmp_path: Path) -> None:
    """Calls that overlap wait for each other and do not mix their answers."""
    engine = detector(tmp_path)
    wrong: list[object] = []

    def work(column: int) -> None:
        for _ in range(20):
            (found,) = engine.detect([picture((column, 0))])
            wrong.extend(d for d in found if d.box.x != 32 * column)

    threads = [threading.Thread(target=work, args=(column,)) for column in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_batch_of_different_shapes_keeps_its_order(tmp_path: Path) -> None:
    """Pictures of several sizes are answered in the order they were given, in their own pixels."""
    found = detector(tmp_path).detect([picture((1, 0)), picture((2, 1), scale=4), picture()])
    assert [[(d.object_class, d.box.x, d.box.width) for d in one] for one in found] == [
        [(ObjectClass.PLATE, 32, 32)],
        [(ObjectClass.PLATE, 256, 128)],
        [],
    ]


def test_our_reader_gives_text_posterior_region_and_legibility(tmp_path: Path) -> None:
    """Slots become characters until the first empty one, the last region is the likeliest."""
    (read,) = reader(tmp_path).read([np.full((20, 90, 3), 204, np.uint8)])
    assert read.text == "B123ABC"
    assert len(read.posterior) == 7
    assert read.posterior[0][0].char == "B"
    assert read.confidence == pytest.approx(0.8, abs=0.01)
    assert (read.region, read.lines) == ("ro", 1)
    assert read.region_confidence == pytest.approx(0.8)


def test_our_reader_says_nothing_of_an_empty_plate(tmp_path: Path) -> None:
    """Without a character the text is empty and so is the posterior."""
    (read,) = reader(tmp_path, text="").read([np.zeros((20, 90, 3), np.uint8)])
    assert (read.text, read.posterior, read.confidence) == ("", (), 0.0)


def test_no_crops_are_no_reads(tmp_path: Path) -> None:
    """An empty list is answered with an empty list."""
    assert reader(tmp_path).read([]) == []


def test_pp_ocr_reads_plain_lettering(tmp_path: Path) -> None:
    """The recogniser from the wheel reads a clean line, and both halves of a two-line plate."""
    engine = open_reader(ModelChoice("pp-ocr", threads=1, manifest=without_models(tmp_path)))
    flat, tall = styles_of("de")[:2]
    line = render_plate("de", "KLA4729", np.random.default_rng(1), style=flat).image
    square = render_plate("de", "KLA4729", np.random.default_rng(1), style=tall).image
    one, two = engine.read([line, square])
    assert one.text == "KLA4729"
    assert len(one.posterior) == 7
    assert (two.text, two.lines) == ("KLA4729", 2)


def test_a_text_with_one_score_is_a_read_without_posterior() -> None:
    """What PaddleOCR gives is normalised; nothing readable is confidence 0."""
    assert read_of("ab-12 c", 0.9).text == "AB12C"
    assert read_of("中", 0.9).confidence == 0
