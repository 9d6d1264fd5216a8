"""Measure an exported reader, and PP-OCR beside it in the same run, on crops of labelled plates.

    python -m training.reader.evaluate --model models/plate-reader.onnx [--pp-ocr]

Sets of whole photos (no `_crops` in the name) are cut at their labelled boxes grown by 3 %. `O=0` counts the
letter O as the digit, `I=1` the letter I as well. Failures are drawn into a folder outside the
repository.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tqdm import tqdm

from synth.degrade import to_input
from training.reader.contract import ALPHABET, HEIGHT, WIDTH, decode
from training.reader.data import Crop, Image, labelled_crops

SETS = (
    "us_ny_crops",
    "eu_crops",
    "eu_twoline_crops",
    "br_crops",
    "ar_crops",
    "tn_cars",
    "mixed_web_cars",
    "ro_dashcam",
)

PHOTO_MARGIN = 0.03

BINS = 15


@dataclass(frozen=True)
class Read:
    """A text with the probability that it is right, and milliseconds spent on it."""

    text: str
    confidence: float
    ms: float


@dataclass(frozen=True)
class Score:
    """Shares of crops read exactly, of characters right, expected calibration error."""

    crops: int
    exact: float
    exact_o0: float
    exact_o0_i1: float
    characters: float
    calibration_error: float
    ms: float


Reader = Callable[[Sequence[Image]], list[Read]]


def session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def slot_reader(path: Path) -> Reader:
    """The exported reader; its confidence is its legibility output."""
    network = session(path)

    def read(crops: Sequence[Image]) -> list[Read]:
        found = []
        for crop in crops:
            start = time.perf_counter()
            image = to_input(crop, (HEIGHT, WIDTH))[None]
            slots, _, _, legible = network.run(["slots", "region", "lines", "legible"], {"image": image})
            text = decode(slots[0].argmax(axis=1))
            found.append(Read(text, float(legible[0]), (time.perf_counter() - start) * 1000))
        return found

    return read


def pp_ocr_reader(band: tuple[float, float] | None = None) -> Reader:
    """PP-OCR's recogniser out of the `rapidocr` wheel, on the crop or on a middle band of its height."""
    import rapidocr

    network = session(next((Path(rapidocr.__file__).parent / "models").glob("PP-OCRv*_rec_small.onnx")))
    alphabet = ["", *network.get_modelmeta().custom_metadata_map["character"].splitlines(), " "]
    name = network.get_inputs()[0].name

    def read(crops: Sequence[Image]) -> list[Read]:
        found = []
        for crop in crops:
            start = time.perf_counter()
            if band is not None:
                crop = crop[int(len(crop) * band[0]) : max(int(len(crop) * band[1]), 1)]
            width = max(round(48 * crop.shape[1] / crop.shape[0]), 16)
            canvas = np.zeros((48, max(width, 320), 3), np.float32)
            canvas[:, :width] = cv2.resize(crop, (width, 48)).astype(np.float32) / 127.5 - 1
            steps = network.run(None, {name: canvas.transpose(2, 0, 1)[None]})[0][0]
            text, confidence = greedy(steps, alphabet)
            found.append(Read(text, confidence, (time.perf_counter() - start) * 1000))
        return found

    return read


def greedy(steps: NDArray[np.float32], alphabet: Sequence[str]) -> tuple[str, float]:
    """Greedy CTC decoding (class 0 is blank), A-Z and 0-9 only, and the mean probability of what was kept."""
    best = steps.argmax(axis=1)
    kept = [t for t in range(len(best)) if best[t] != 0 and (t == 0 or best[t] != best[t - 1])]
    chars = [(alphabet[best[t]].upper(), float(steps[t, best[t]])) for t in kept]
    chars = [(char, p) for char, p in chars if char in ALPHABET and char]
    return "".join(c for c, _ in chars), float(np.mean([p for _, p in chars])) if chars else 0.0


def edits(a: str, b: str) -> int:
    """Insertions, deletions and substitutions from one text to another."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        before, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            before, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, before + (x != y))
    return row[-1]


def calibration_error(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error over equal-width bins."""
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    total = 0.0
    for index in range(BINS):
        inside = bins == index
        if inside.any():
            total += inside.mean() * abs(confidences[inside].mean() - right[inside].mean())
    return float(total)


def score(labels: Sequence[str], reads: Sequence[Read]) -> Score:
    """The figures of one set."""

    def share(fold: dict[int, str]) -> float:
        pairs = zip(labels, reads, strict=True)
        return float(np.mean([a.translate(fold) == r.text.translate(fold) for a, r in pairs]))

    right = np.array([a == r.text for a, r in zip(labels, reads, strict=True)])
    wrong = sum(edits(a, r.text) for a, r in zip(labels, reads, strict=True))
    return Score(
        crops=len(labels),
        exact=share({}),
        exact_o0=share(str.maketrans("O", "0")),
        exact_o0_i1=share(str.maketrans("OI", "01")),
        characters=1 - wrong / max(sum(map(len, labels)), 1),
        calibration_error=calibration_error(np.array([r.confidence for r in reads]), right),
        ms=float(np.mean([r.ms for r in reads])),
    )


def confusions(labels: Sequence[str], reads: Sequence[Read]) -> Counter[str]:
    """Which character was taken for which, in reads of the right length."""
    pairs = zip(labels, reads, strict=True)
    both = [(a, r.text) for a, r in pairs if len(a) == len(r.text)]
    return Counter(f"{x}>{y}" for a, b in both for x, y in zip(a, b, strict=True) if x != y)


def draw_failures(crops: Sequence[Crop], reads: Sequence[Read], out: Path) -> None:
    """A sheet of the crops that were misread, with label, read and confidence under each."""
    cells = []
    for crop, read in zip(crops, reads, strict=True):
        if crop.text != read.text and len(cells) < 160:
            cell = np.full((100, 160, 3), 40, np.uint8)
            scale = min(160 / crop.image.shape[1], 70 / crop.image.shape[0])
            small = cv2.resize(crop.image, None, fx=scale, fy=scale)[:70, :160]
            cell[: small.shape[0], : small.shape[1]] = small
            cv2.putText(cell, crop.text, (2, 83), 0, 0.42, (90, 255, 90), 1, cv2.LINE_AA)
            line = f"{read.text} {read.confidence:.2f}"
            cv2.putText(cell, line, (2, 97), 0, 0.42, (90, 90, 255), 1, cv2.LINE_AA)
            cells.append(cell)
    while len(cells) % 8:
        cells.append(np.zeros((100, 160, 3), np.uint8))
    if cells:
        cv2.imwrite(str(out), np.vstack([np.hstack(cells[i : i + 8]) for i in range(0, len(cells), 8)]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("models/plate-reader.onnx"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dev"))
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--pp-ocr", action="store_true", help="measure PP-OCR on the same crops too")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--failures", type=Path)
    arguments = parser.parse_args()
    readers: dict[str, Reader] = {"plate-reader": slot_reader(arguments.model)}
    if arguments.pp_ocr:
        readers["PP-OCR"] = pp_ocr_reader()
        readers["PP-OCR band"] = pp_ocr_reader((0.18, 0.85))
    rows: dict[str, dict[str, dict[str, float]]] = {}
    mistakes: Counter[str] = Counter()
    print(f"{'set':18}{'reader':14}crops  exact   O=0   +I=1  chars    ECE     ms")
    for name in arguments.sets:
        grow = 0.0 if name.endswith("_crops") else PHOTO_MARGIN
        crops = list(labelled_crops(arguments.data / name, grow))
        labels = [crop.text for crop in crops]
        for title, reader in readers.items():
            reads = reader([crop.image for crop in tqdm(crops, desc=f"{name} {title}", leave=False)])
            row = score(labels, reads)
            rows.setdefault(name, {})[title] = asdict(row)
            shares = (row.exact, row.exact_o0, row.exact_o0_i1, row.characters)
            figures = "".join(f"{100 * value:7.1f}" for value in shares)
            print(f"{name:18}{title:14}{row.crops:5}{figures}{row.calibration_error:7.3f}{row.ms:7.1f}")
            if title == "plate-reader":
                mistakes += confusions(labels, reads)
                if arguments.failures is not None:
                    arguments.failures.mkdir(parents=True, exist_ok=True)
                    draw_failures(crops, reads, arguments.failures / f"{name}.png")
    print("confusions:", ", ".join(f"{pair} {count}" for pair, count in mistakes.most_common(24)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"sets": rows, "confusions": mistakes}, indent=1))


if __name__ == "__main__":
    main()
