"""Measure installed readers by name on crops of labelled plates, with a table of what they confuse.

    python -m training.reader.line_evaluate --readers plate-reader-ctc plate-reader+plate-reader-ctc

Crops are those of `training.reader.evaluate`. `--every 4` measures every fourth picture of `us_ny_crops`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
from tqdm import tqdm

from training.reader.data import Image, labelled_crops
from training.reader.evaluate import PHOTO_MARGIN, SETS, Read, confusions, draw_failures, score
from vision.models import ModelChoice, open_reader
from vision.port import ReaderEngine

PAIRS = ("O0", "I1", "B8", "D0", "S5", "Z2", "G6", "Q0")
"""What issue and documentation call look-alikes."""

LARGE_SET = "us_ny_crops"


def read_all(reader: ReaderEngine, crops: Sequence[Image]) -> list[Read]:
    """Each crop read by itself."""
    found = []
    for crop in crops:
        start = time.perf_counter()
        (read,) = reader.read([crop])
        found.append(Read(read.text, read.confidence, (time.perf_counter() - start) * 1000))
    return found


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
