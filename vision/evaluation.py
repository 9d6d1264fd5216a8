"""How well plates are found and read on labelled pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from plates.event import Box
from plates.matching import edits
from vision.draw import draw_box
from vision.labels import LabelledPicture, LabelledPlate, LabelledSet
from vision.pictures import load_picture
from vision.pipeline import PictureRead
from vision.port import Image

FOUND_IOU = 0.5
TEXT_IOU = 0.1
ZERO = str.maketrans("O", "0")
ZERO_ONE = str.maketrans("OI", "01")
_BINS = 10


@dataclass(frozen=True, slots=True)
class PlateResult:
    """One labelled plate: what it says, what was read at its place ("" for nothing), and how sure."""

    label: str
    text: str
    confidence: float
    found: bool


@dataclass(frozen=True, slots=True)
class PictureResult:
    """One picture: its labelled plates, and what was read.

    `claims`: each read's confidence and whether it stands at a labelled plate (IoU >= 0.5). `strays`: text
    and confidence of the reads that touch none. `seconds` it took, and `busy` seconds of processors.
    """

    path: Path
    plates: tuple[PlateResult, ...]
    claims: tuple[tuple[float, bool], ...]
    strays: tuple[tuple[str, float], ...]
    seconds: float
    busy: float


@dataclass(frozen=True, slots=True)
class SetReport:
    """A set's figures. Shares are 0..1, None where there is nothing to take a share of.

    `recall`: labelled plates found at IoU >= 0.5, however sure. `precision`: reads from `threshold` on that
    stand at a labelled plate (low where not every plate is labelled). `exact`, `exact_o0`, `exact_o0_i1`:
    texts exactly right however sure, O counted as 0, also I as 1; `shown`: of these with O as 0, those from
    `threshold` on. `characters`: 1 - edits / characters of the labels.
    `false_reads`: reads from `threshold` on where no plate is labelled. `calibration_error`: expected, of
    the reads at labelled plates. `ms`: mean per picture; `cpu_ms`: the same of processor time, of all
    threads, which other work on the machine hardly changes.
    """

    name: str
    way: str
    pictures: int
    plates: int
    texts: int
    recall: float | None
    precision: float | None
    exact: float | None
    exact_o0: float | None
    exact_o0_i1: float | None
    shown: float | None
    characters: float | None
    false_reads: int
    calibration_error: float | None
    ms: float
    cpu_ms: float


def evaluate(
    labelled: LabelledSet,
    read: Callable[[Image], Sequence[PictureRead]],
    *,
    failures: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[PictureResult]:
    """Read every picture of a set; those with a mistake are drawn into the folder `failures`, if given.

    `progress` is called after each picture. PictureError for a picture that cannot be read.
    """
    results = []
    for picture in labelled.pictures:
        image = load_picture(picture.path)
        start, busy = time.perf_counter(), time.process_time()
        reads = read(image)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        result = judge(picture, reads, seconds, busy=busy, anywhere=labelled.crops)
        results.append(result)
        if failures is not None and _failed(result):
            _draw_failure(failures / labelled.name, image, picture, reads)
        progress()
    return results


def judge(
    picture: LabelledPicture,
    reads: Sequence[PictureRead],
    seconds: float,
    *,
    busy: float = 0.0,
    anywhere: bool = False,
) -> PictureResult:
    """Hold a picture's reads against its labels; `anywhere`: the surest read counts, wherever it is."""
    plates = tuple(_judge_plate(label, reads, anywhere) for label in picture.plates)
    boxes = [label.box for label in picture.plates]
    claims = tuple((r.plate.confidence, best_iou(r.box, boxes) >= FOUND_IOU) for r in reads)
    strays = [read for read in reads if best_iou(read.box, boxes) < TEXT_IOU]
    return PictureResult(
        picture.path,
        plates,
        claims,
        tuple((read.plate.text, read.plate.confidence) for read in strays if read.plate.text),
        seconds,
        busy,
    )


def _judge_plate(label: LabelledPlate, reads: Sequence[PictureRead], anywhere: bool) -> PlateResult:
    if anywhere:
        chosen = max(reads, key=lambda read: read.plate.confidence, default=None)
        overlap = 1.0 if chosen else 0.0
    else:
        chosen = max(reads, key=lambda read: read.box.iou(label.box), default=None)
        overlap = chosen.box.iou(label.box) if chosen else 0.0
    if chosen is None or overlap < TEXT_IOU:
        return PlateResult(label.text, "", 0.0, False)
    return PlateResult(label.text, chosen.plate.text, chosen.plate.confidence, overlap >= FOUND_IOU)


def best_iou(box: Box, others: Iterable[Box]) -> float:
    """The largest IoU of a box with any of the others; 0 without any."""
    return max((box.iou(other) for other in others), default=0.0)


def _failed(result: PictureResult) -> bool:
    wrong = any(not plate.found or (plate.label and plate.text != plate.label) for plate in result.plates)
    return wrong or (not result.plates and bool(result.strays))


def _draw_failure(folder: Path, image: Image, picture: LabelledPicture, reads: Sequence[PictureRead]) -> None:
    """Labels in green, reads in orange, enlarged if the picture is small."""
    factor = max(1.0, 480 / image.shape[1])
    drawn = np.asarray(cv2.resize(image, None, fx=factor, fy=factor), np.uint8)
    drawn = np.asarray(cv2.copyMakeBorder(drawn, 40, 40, 0, 0, cv2.BORDER_CONSTANT), np.uint8)

    def place(box: Box) -> Box:
        return Box(box.x * factor, box.y * factor + 40, box.width * factor, box.height * factor)

    for label in picture.plates:
        draw_box(drawn, place(label.box), label.text or "?", (80, 200, 60))
    for read in reads:
        words = f"{read.plate.text or '?'} {read.plate.confidence:.2f} d{read.score:.2f}"
        box = place(read.box)
        draw_box(drawn, Box(box.x, box.y, box.width, box.height + 24), words, (40, 170, 250))
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{picture.path.stem}.png"), drawn)


def summarise(name: str, way: str, results: Sequence[PictureResult], threshold: float) -> SetReport:
    """The figures of a set from its pictures' results."""
    plates = [plate for result in results for plate in result.plates]
    texts = [plate for plate in plates if plate.label]
    claims = [matched for result in results for sure, matched in result.claims if sure >= threshold]
    length = sum(len(plate.label) for plate in texts)
    mistakes = sum(min(len(plate.label), _distance(plate.text, plate.label)) for plate in texts)
    return SetReport(
        name=name,
        way=way,
        pictures=len(results),
        plates=len(plates),
        texts=len(texts),
        recall=_share(sum(plate.found for plate in plates), len(plates)),
        precision=_share(sum(claims), len(claims)),
        exact=_share(sum(plate.text == plate.label for plate in texts), len(texts)),
        exact_o0=_share(_equal(texts, ZERO), len(texts)),
        exact_o0_i1=_share(_equal(texts, ZERO_ONE), len(texts)),
        shown=_share(_equal([plate for plate in texts if plate.confidence >= threshold], ZERO), len(texts)),
        characters=_share(length - mistakes, length),
        false_reads=sum(confidence >= threshold for result in results for _, confidence in result.strays),
        calibration_error=expected_calibration_error(
            [(plate.confidence, plate.text == plate.label) for plate in texts if plate.text]
        ),
        ms=1e3 * float(np.mean([result.seconds for result in results])) if results else 0.0,
        cpu_ms=1e3 * float(np.mean([result.busy for result in results])) if results else 0.0,
    )


def _equal(plates: Sequence[PlateResult], folding: dict[int, int]) -> int:
    return sum(plate.text.translate(folding) == plate.label.translate(folding) for plate in plates)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _distance(one: str, other: str) -> int:
    return edits(one, other, limit=max(len(one), len(other)))


def expected_calibration_error(reads: Sequence[tuple[float, bool]]) -> float | None:
    """Mean gap between confidence and share of right reads, over ten bins; None without reads."""
    if not reads:
        return None
    confidences = np.array([confidence for confidence, _ in reads])
    right = np.array([correct for _, correct in reads], float)
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(confidences[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))
