"""Measure installed readers by name on crops of labelled plates, with a table of what they confuse.

    python -m training.reader.evaluate --readers plate-reader plate-reader+plate-reader-ctc pp-ocr

Sets of whole photos (no `_crops` in the name) are cut at their labelled boxes grown by 3 %. `O=0` counts the
letter O as the digit, `I=1` the letter I as well. `--every 4` measures every fourth picture of `us_ny_crops`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from plates.matching import edits
from training.reader.data import Crop, Image, labelled_crops
from vision.evaluation import expected_calibration_error
from vision.models import ModelChoice, open_reader
from vision.port import ReaderEngine

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

LARGE_SET = "us_ny_crops"

PHOTO_MARGIN = 0.03

PAIRS = ("O0", "I1", "B8", "D0", "S5", "Z2", "G6", "Q0")
"""What issue and documentation call look-alikes."""


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


def read_all(reader: ReaderEngine, crops: Sequence[Image]) -> list[Read]:
    """Each crop read by itself."""
    found = []
    for crop in crops:
        start = time.perf_counter()
        (read,) = reader.read([crop])
        found.append(Read(read.text, read.confidence, (time.perf_counter() - start) * 1000))
    return found


def score(labels: Sequence[str], reads: Sequence[Read]) -> Score:
    """The figures of one set."""

    def share(fold: dict[int, str]) -> float:
        pairs = zip(labels, reads, strict=True)
        return float(np.mean([a.translate(fold) == r.text.translate(fold) for a, r in pairs]))

    pairs = list(zip(labels, reads, strict=True))
    wrong = sum(edits(a, r.text, limit=max(len(a), len(r.text))) for a, r in pairs)
    return Score(
        crops=len(labels),
        exact=share({}),
        exact_o0=share(str.maketrans("O", "0")),
        exact_o0_i1=share(str.maketrans("OI", "01")),
        characters=1 - wrong / max(sum(map(len, labels)), 1),
        calibration_error=expected_calibration_error([(r.confidence, a == r.text) for a, r in pairs]) or 0.0,
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
    parser.add_argument("--readers", nargs="+", required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dev"))
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--failures", type=Path, help="folder outside the repository")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    readers = {
        name: open_reader(ModelChoice(name, threads=1, manifest=arguments.manifest))
        for name in arguments.readers
    }
    rows: dict[str, dict[str, dict[str, float]]] = {}
    mistakes: dict[str, Counter[str]] = {name: Counter() for name in readers}
    print(f"{'set':18}{'reader':34}crops  exact   O=0   +I=1  chars    ECE     ms")
    for name in arguments.sets:
        crops = list(labelled_crops(arguments.data / name, 0.0 if name.endswith("_crops") else PHOTO_MARGIN))
        crops = crops[:: arguments.every] if name == LARGE_SET else crops
        labels = [crop.text for crop in crops]
        for title, reader in readers.items():
            reads = read_all(reader, [c.image for c in tqdm(crops, desc=f"{name} {title}", leave=False)])
            row = score(labels, reads)
            rows.setdefault(name, {})[title] = asdict(row)
            mistakes[title] += confusions(labels, reads)
            shares = (row.exact, row.exact_o0, row.exact_o0_i1, row.characters)
            figures = "".join(f"{100 * value:7.1f}" for value in shares)
            print(
                f"{name:18}{title:34}{row.crops:5}{figures}{row.calibration_error:7.3f}{row.ms:7.1f}",
                flush=True,
            )
            if arguments.failures is not None:
                arguments.failures.mkdir(parents=True, exist_ok=True)
                draw_failures(crops, reads, arguments.failures / f"{name}-{title}.png")
    for title, counts in mistakes.items():
        pairs = [f"{a}>{b} {counts[f'{a}>{b}']}, {b}>{a} {counts[f'{b}>{a}']}" for a, b in PAIRS]
        print(f"{title}: {'; '.join(pairs)}")
        print(f"{title}, most: {', '.join(f'{pair} {count}' for pair, count in counts.most_common(16))}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"sets": rows, "confusions": mistakes}, indent=1))


if __name__ == "__main__":
    main()
