"""How well plates are found and read: `python bench/accuracy.py [--data DIR] [--json FILE] [--failures DIR]`.

Every set below --data is measured (a folder with a labels.jsonl; see vision/labels.py), and the videos in
its folder `videos`. Sets of crops are read twice: the crop as it is (way `crop`), and end to end like any
picture (way `whole`). Milliseconds are those of this machine in this run, with --threads threads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from cli.bench import report_table
from vision.evaluation import SetReport, evaluate, summarise
from vision.labels import LabelledSet, find_sets
from vision.models import ModelChoice
from vision.pipeline import PictureReader, PipelineSettings, open_picture_reader
from vision.port import VisionError

DEFAULT_DATA = Path("../shared/data/dev")
STEADY_FRAMES = 3


def main() -> int:
    """Measure, print, write; 1 if something could not be read."""
    args = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        sets = find_sets(args.data, args.sets)
        reader = open_picture_reader(
            ModelChoice(args.detector, args.engine, args.threads),
            ModelChoice(args.reader, args.engine, args.threads),
            PipelineSettings(min_confidence=0.0),
        )
    except VisionError as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 1
    cv2.setNumThreads(args.threads)
    reports = measure(reader, sets, args)
    videos = [] if args.no_videos else measure_videos(reader, args)
    console.print(report_table(reports))
    for video in videos:
        console.print(video)
    if args.json:
        models = [dataclasses.asdict(model) for model in reader.models]
        report = {"models": models, "sets": [dataclasses.asdict(r) for r in reports], "videos": videos}
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA if DEFAULT_DATA.is_dir() else None)
    parser.add_argument("--sets", nargs="*", default=(), help="only these")
    parser.add_argument("--ways", nargs="*", default=("crop", "whole"), choices=("crop", "whole"))
    parser.add_argument("--detector", default="", help="name[@version]; empty: the best installed")
    parser.add_argument("--reader", default="", help="name[@version] or pp-ocr; empty: the best installed")
    parser.add_argument("--engine", default="openvino", choices=("openvino", "onnxruntime", "tensorrt"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--threshold",
        type=float,
        default=PipelineSettings().min_confidence,
        help="reads from here on are believed: they can be false reads, and precision is theirs",
    )
    parser.add_argument("--every", type=int, default=1, help="only every n-th picture and frame")
    parser.add_argument("--no-videos", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--failures", type=Path, help="folder for drawn failures; outside the repository")
    args = parser.parse_args()
    if args.data is None:
        parser.error(f"--data: give a folder of labelled sets ({DEFAULT_DATA} is not there)")
    if args.failures and Path(__file__).resolve().parent.parent in args.failures.resolve().parents:
        parser.error("--failures: pictures of real plates do not belong into the repository")
    return args


def measure(reader: PictureReader, sets: list[LabelledSet], args: argparse.Namespace) -> list[SetReport]:
    """A report for each set and way."""
    reports = []
    with Progress(transient=True) as progress:
        for labelled in sets:
            chosen = dataclasses.replace(labelled, pictures=labelled.pictures[:: args.every])
            for way in ("crop", "whole") if labelled.crops else ("whole",):
                if way not in args.ways:
                    continue
                task = progress.add_task(f"{labelled.name} ({way})", total=len(chosen.pictures))
                results = evaluate(
                    chosen,
                    reader.read_crop if way == "crop" else reader.read,
                    failures=args.failures / way if args.failures else None,
                    progress=lambda task=task: progress.advance(task),
                )
                reports.append(summarise(labelled.name, way, results, args.threshold))
    return reports


def video_truth(data: Path, name: str) -> set[str]:
    """The texts a video's row of the data's README names; plates are personal data and stand nowhere else."""
    readme = data.parent / "README.md"
    rows = readme.read_text("utf-8").splitlines() if readme.is_file() else []
    row = next((row for row in rows if row.startswith("|") and name in row), "")
    return set(re.findall(r"\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{5,10}\b", row))


def measure_videos(reader: PictureReader, args: argparse.Namespace) -> list[dict[str, Any]]:
    """For each video the texts that are read surely in several frames, frame by frame, without tracking."""
    found = []
    for path in sorted((args.data / "videos").glob("*.mp4")):
        sure: Counter[str] = Counter()
        seconds: list[float] = []
        with av.open(str(path)) as container, Progress(transient=True) as progress:
            stream = container.streams.video[0]
            task = progress.add_task(path.stem, total=stream.frames or None)
            for index, frame in enumerate(container.decode(stream)):
                progress.advance(task)
                if index % args.every:
                    continue
                image = frame.to_ndarray(format="bgr24")
                start = time.perf_counter()
                reads = reader.read(image)
                seconds.append(time.perf_counter() - start)
                sure.update(read.plate.text for read in reads if read.plate.confidence >= args.threshold)
        expected = video_truth(args.data, path.name)
        steady = {text: count for text, count in sure.items() if count >= STEADY_FRAMES}
        found.append(
            {
                "video": path.stem,
                "frames": len(seconds),
                "expected": len(expected),
                "expected_read": len(expected & set(steady)),
                "false_texts": len(set(steady) - expected),
                "false_frames": sum(count for text, count in sure.items() if text not in expected),
                "ms": 1e3 * float(np.mean(seconds)),
            }
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
