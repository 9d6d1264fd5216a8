"""Measuring against labelled pictures."""

import json
from pathlib import Path

import cv2
import pytest

from plates.event import Box, Plate, PlateRead
from tests.builders.vision import detector, picture, reader
from vision.evaluation import evaluate, expected_calibration_error, judge, summarise
from vision.labels import LabelledPicture, LabelledPlate, find_sets, load_set
from vision.pipeline import PictureRead, PictureReader, PipelineSettings
from vision.port import VisionError


def labelled(folder: Path, *lines: object) -> Path:
    """A labels file of these lines."""
    path = folder / "labels.jsonl"
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def read_at(text: str, confidence: float, box: Box) -> PictureRead:
    """A read of a picture."""
    return PictureRead(Plate(text, text, "", "", confidence), box, 0.9, PlateRead(text, confidence, ()))


def test_a_bad_line_is_named_by_file_line_and_field(tmp_path: Path) -> None:
    """Boxes of three numbers are told where they stand."""
    good = {"image": "a.png", "plates": []}
    path = labelled(tmp_path, good, {"image": "b.png", "plates": [{"box": [1, 2, 3]}]})
    with pytest.raises(VisionError, match=r"labels\.jsonl:2: plates\.0\.box"):
        load_set(path)
    with pytest.raises(VisionError, match=r"labels\.jsonl:1: line: Invalid JSON"):
        load_set(labelled(tmp_path, "{nonsense\n"))


def test_a_folder_without_sets_says_so(tmp_path: Path) -> None:
    """The error names the folder and what was looked for."""
    with pytest.raises(VisionError, match=r"no folder here has a labels\.jsonl"):
        find_sets(tmp_path)


def test_reads_are_held_against_the_plate_at_their_place() -> None:
    """A text counts for the plate it overlaps; what stands elsewhere is a stray."""
    picture_labels = LabelledPicture(
        Path("x"), (LabelledPlate(Box(0, 0, 100, 20), "AB12O"), LabelledPlate(Box(200, 0, 100, 20), "XY9"))
    )
    reads = [
        read_at("AB120", 0.9, Box(0, 0, 95, 20)),
        read_at("WRONG1", 0.8, Box(500, 500, 50, 20)),
        read_at("LOW1", 0.2, Box(600, 500, 50, 20)),
    ]
    report = summarise("x", "whole", [judge(picture_labels, reads, 0.01, busy=0.02)], 0.5)
    assert (report.plates, report.recall, report.exact, report.exact_o0) == (2, 0.5, 0.0, 0.5)
    assert report.precision == 0.5
    assert report.false_reads == 1
    assert report.characters == pytest.approx(4 / 8)
    assert (report.ms, report.cpu_ms) == pytest.approx((10, 20))


def test_calibration_error_is_the_gap_between_promise_and_truth() -> None:
    """Half right at 90 % is off by 40 points; right always at 100 % by nothing."""
    assert expected_calibration_error([(0.9, True), (0.9, False)]) == pytest.approx(0.4)
    assert expected_calibration_error([(1.0, True)] * 3) == 0
    assert expected_calibration_error([]) is None


def test_a_set_is_read_end_to_end_and_failures_are_drawn(tmp_path: Path) -> None:
    """A right read counts, a wrong one is drawn into the folder given, nothing else is."""
    folder = tmp_path / "data" / "synthetic"
    folder.mkdir(parents=True)
    rows = []
    for name, text in (("right", "B123ABC"), ("wrong", "B123ABD")):
        cv2.imwrite(str(folder / f"{name}.png"), picture((1, 1), scale=4))
        rows.append({"image": f"{name}.png", "plates": [{"box": [128, 128, 128, 128], "text": text}]})
    labelled(folder, *rows)
    (chosen,) = find_sets(tmp_path / "data")
    engine = PictureReader(detector(tmp_path), reader(tmp_path), PipelineSettings(turns=False, cut_off=1.0))
    results = evaluate(chosen, engine.read, failures=tmp_path / "failures")
    report = summarise(chosen.name, "whole", results, 0.5)
    assert (report.recall, report.exact, report.texts) == (1.0, 0.5, 2)
    assert [path.name for path in (tmp_path / "failures" / "synthetic").iterdir()] == ["wrong.png"]
