"""What an engine, its threads, the input's size and the batch cost: `python bench/engines.py [--json FILE]`.

The detector is timed on pictures of noise, prepared beforehand, and the reader on crops of noise. Each row
is a ratio against the first row of its model and size in the same run (OpenVINO, one thread, batch of one):
times of a busy machine mean little, ratios taken in turns do. Engines that are not installed are named and
left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from vision.models import EngineName, ModelChoice, open_detector, open_reader
from vision.port import VisionError

ENGINES: tuple[EngineName, ...] = ("openvino", "onnxruntime", "tensorrt")
PICTURE = (720, 1280, 3)
CROP = (40, 160, 3)


@dataclass(frozen=True)
class Row:
    """Time of one picture or crop, milliseconds, and its ratio to the model's first row."""

    model: str
    engine: str
    size: int
    threads: int
    batch: int
    ms: float
    ratio: float


@dataclass(frozen=True)
class Case:
    """One way to run a model; `run` does one batch."""

    model: str
    engine: str
    size: int
    threads: int
    batch: int
    run: Callable[[], object]


def main() -> int:
    """Time every case in turns, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="*", type=int, default=(320, 416, 640))
    parser.add_argument("--threads", nargs="*", type=int, default=(1, 2))
    parser.add_argument("--batches", nargs="*", type=int, default=(1, 4))
    parser.add_argument(
        "--rounds", type=int, default=9, help="each case is timed once a round; the median counts"
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    cases: list[Case] = []
    for engine in ENGINES:
        try:
            for threads in args.threads:
                cases += detector_cases(engine, threads, args.sizes, args.batches)
                cases += reader_cases(engine, threads, args.batches)
        except VisionError as error:
            print(f"engines: {error}", file=sys.stderr)
    rows = measure(cases, args.rounds)
    Console(width=None if sys.stdout.isatty() else 120).print(table(rows))
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 0


def detector_cases(engine: EngineName, threads: int, sizes: list[int], batches: list[int]) -> list[Case]:
    """The detector at each size and batch."""
    detector = open_detector(ModelChoice(engine=engine, threads=threads))
    picture = np.random.default_rng(0).integers(0, 255, PICTURE, dtype=np.uint8)
    cases = []
    for size, batch in itertools.product(sizes, batches):
        prepared = [detector.prepare(picture, size=size)] * batch
        cases.append(
            Case(
                detector.model.name,
                engine,
                size,
                threads,
                batch,
                lambda p=prepared: detector.detect_prepared(p),
            )
        )
    return cases


def reader_cases(engine: EngineName, threads: int, batches: list[int]) -> list[Case]:
    """`plate-reader` at each batch."""
    reader = open_reader(ModelChoice("plate-reader", engine, threads))
    crop = np.random.default_rng(0).integers(0, 255, CROP, dtype=np.uint8)
    return [
        Case(reader.model.name, engine, CROP[1], threads, batch, lambda n=batch: reader.read([crop] * n))
        for batch in batches
    ]


def measure(cases: list[Case], rounds: int) -> list[Row]:
    """The median of each case over rounds in which the cases take turns, after one that is not counted."""
    times: list[list[float]] = [[] for _ in cases]
    for turn in range(rounds + 1):
        for case, seconds in zip(cases, times, strict=True):
            start = time.perf_counter()
            case.run()
            if turn:
                seconds.append(time.perf_counter() - start)
    firsts: dict[tuple[str, int], float] = {}
    rows = []
    for case, seconds in zip(cases, times, strict=True):
        ms = 1e3 * float(np.median(seconds)) / case.batch
        first = firsts.setdefault((case.model, case.size), ms)
        rows.append(
            Row(
                case.model,
                case.engine,
                case.size,
                case.threads,
                case.batch,
                round(ms, 3),
                round(ms / first, 3),
            )
        )
    return rows


def table(rows: list[Row]) -> Table:
    """The rows as people read them."""
    view = Table(title="engines: time of one picture, against the first row of its model and size")
    for name in ("model", "engine", "size", "threads", "batch", "ms", "ratio"):
        view.add_column(name, justify="left" if name in ("model", "engine") else "right")
    for row in sorted(rows, key=lambda r: (r.model, r.size, r.engine != "openvino", r.threads, r.batch)):
        ms, ratio = f"{row.ms:.1f}", f"{row.ratio:.2f}"
        view.add_row(row.model, row.engine, str(row.size), str(row.threads), str(row.batch), ms, ratio)
    return view


if __name__ == "__main__":
    sys.exit(main())
