"""Ours beside others on the same pictures in the same run.

    python -m bench.peers --data DIR --sample 50 --peer "PYTHON bench/peer_readers/rapidocr_lines.py"

A peer is a command that speaks as `bench.peer_readers` says, and ours is one of them. The readers take turns
picture by picture, so that each sees the same machine. A plate counts as read if any text of the answer is
exactly its text (letters and digits alone, upper case). Milliseconds are medians from the path to the answer;
the last column is their ratio to ours.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from plates.text import normalise
from vision.labels import LabelledPicture, LabelledSet, find_sets
from vision.port import VisionError

OURS = f"{shlex.quote(sys.executable)} -m bench.peer_readers.ours"
ZERO = str.maketrans("O", "0")


class PeerError(Exception):
    """A peer did not start or broke off; the message says which and what it printed last."""


class Peer:
    """A reader as a process of its own."""

    def __init__(self, command: str) -> None:
        self.command = command
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "gen"]), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        hello = self._answer()
        self.name = f"{hello['name']} {hello['version']}"

    def read(self, path: Path) -> tuple[list[str], float]:
        """The texts of a picture, normalised, and how long the answer took, seconds."""
        assert self._process.stdin is not None
        started = time.perf_counter()
        try:
            print(path.resolve(), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise PeerError(f"{self.command}: ended") from error
        answer = self._answer()
        return [normalise(text) for text in answer["texts"]], time.perf_counter() - started

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = ""
        while not line.startswith("{"):  # what libraries print at their start is no answer
            line = self._process.stdout.readline()
            if not line:
                raise PeerError(f"{self.command}: ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


@dataclass
class Score:
    """What a reader did on a set."""

    plates: int = 0
    exact: int = 0
    exact_o0: int = 0
    stray: int = 0  # pictures without any plate where it read something
    seconds: list[float] = field(default_factory=list)

    def take(self, picture: LabelledPicture, texts: Iterable[str], seconds: float) -> None:
        """Count one picture."""
        said = {text for text in texts if text}
        folded = {text.translate(ZERO) for text in said}
        wanted = [plate.text for plate in picture.plates if plate.text]
        self.plates += len(wanted)
        self.exact += sum(text in said for text in wanted)
        self.exact_o0 += sum(text.translate(ZERO) in folded for text in wanted)
        self.stray += bool(said and not picture.plates)
        self.seconds.append(seconds)


def sample(labelled: LabelledSet, count: int) -> list[LabelledPicture]:
    """At most `count` pictures that can be judged, the same ones every time."""
    usable = [p for p in labelled.pictures if not p.plates or any(plate.text for plate in p.plates)]
    return random.Random(1).sample(usable, min(count, len(usable)))


def main() -> int:
    """Measure and print; 1 if a peer or a set cannot be had."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/dev"))
    parser.add_argument("--sets", nargs="*", default=(), help="only these")
    parser.add_argument("--sample", type=int, default=100, help="pictures of each set, at most")
    parser.add_argument("--peer", action="append", default=[], metavar="COMMAND")
    args = parser.parse_args()
    peers: list[Peer] = []
    try:
        sets = find_sets(args.data, args.sets)
        for command in (OURS, *args.peer):
            peers.append(Peer(command))
        scores = measure(sets, peers, args.sample)
    except (VisionError, PeerError, OSError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 1
    finally:
        for peer in peers:
            peer.close()
    Console(width=None if sys.stdout.isatty() else 150).print(_table(scores))
    return 0


def measure(sets: list[LabelledSet], peers: list[Peer], count: int) -> dict[tuple[str, str], Score]:
    """The scores by set and reader."""
    scores: dict[tuple[str, str], Score] = defaultdict(Score)
    for labelled in sets:
        for picture in track(sample(labelled, count), labelled.name, console=Console(stderr=True)):
            for peer in peers:
                scores[labelled.name, peer.name].take(picture, *peer.read(picture.path))
    return scores


def _table(scores: dict[tuple[str, str], Score]) -> Table:
    columns = ("set", "reader", "plates", "exact", "O = 0", "read where no plate is", "ms", "of ours")
    table = Table(*columns, box=None)
    ours: dict[str, float] = {}
    for (name, reader), score in scores.items():
        median = statistics.median(score.seconds)
        ratio = median / ours.setdefault(name, median)
        exact, folded = (_percent(count, score.plates) for count in (score.exact, score.exact_o0))
        row = (exact, folded, str(score.stray), f"{1e3 * median:.0f}", f"{ratio:.2f}")
        table.add_row(name, reader, str(score.plates), *row)
    return table


def _percent(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f}" if whole else ""


if __name__ == "__main__":
    raise SystemExit(main())
