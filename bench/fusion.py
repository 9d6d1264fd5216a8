"""What the frames of a pass say together, against the best of them alone.

    python -m bench.fusion [--passes 300] [--clear 0.2]

Each pass is a drawn plate of any region, seen in some frames as a camera would see it: clear in few of them,
in the others blurred, small, in glare or partly hidden. Every frame is read by the default reader. Printed is
the share of passes whose text is exactly right (O counted as 0) by each way to decide: the first frame, the
one read with most confidence, the text that most frames say, and the fusion that the edge uses.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from edge.passes.verdict import FusionJudge
from plates.event import PlateRead
from synth.degrade import Image, Level, photograph
from synth.plate import render_plate
from vision.crops import stretch
from vision.models import ModelChoice, open_reader

ZERO = str.maketrans("O", "0")
CLEAR = Level(width=(90.0, 200.0), blur=0.2, motion=0.05, noise=0.3, dirt=0.0, clipped=0.0, night=0.1)
POOR = Level(width=(34.0, 80.0), blur=0.9, motion=0.4, noise=0.8, dirt=0.3, clipped=0.2, night=0.4)
WIDE, LINE, TWO_LINES = 240, 64, 128


def frame(image: Image, boxes: np.ndarray, lines: int, clear: bool, rng: np.random.Generator) -> Image:
    """One view of the plate; one that is not clear may have glare or something before it."""
    height = LINE if lines == 1 else TWO_LINES
    crop, _ = photograph(image, boxes, rng, CLEAR if clear else POOR)
    seen = stretch(crop, WIDE, height)
    if clear or rng.random() < 0.4:
        return seen
    centre = (int(rng.integers(WIDE)), int(rng.integers(height)))
    axes = (int(rng.integers(20, 60)), int(rng.integers(15, 40)))
    veil = cv2.ellipse(seen.copy(), centre, axes, 0, 0, 360, int(rng.choice([30, 255])) * np.ones(3), -1)
    soft = cv2.GaussianBlur(veil, (0, 0), 6)
    return np.asarray(cv2.addWeighted(seen, 0.15, soft, 0.85, 0), np.uint8)


def first(reads: Sequence[PlateRead]) -> str:
    """The first frame's text."""
    return reads[0].text


def surest(reads: Sequence[PlateRead]) -> str:
    """The text of the frame read with most confidence."""
    return max(reads, key=lambda read: read.confidence).text


def commonest(reads: Sequence[PlateRead]) -> str:
    """The text that most frames say."""
    texts = Counter(read.text for read in reads if read.text)
    return max(texts, key=texts.__getitem__, default="")


def fused(reads: Sequence[PlateRead]) -> str:
    """What the edge makes of them."""
    plate = FusionJudge()([(read, 1.0) for read in reads]).plate
    return plate.text if plate is not None else ""


WAYS: dict[str, Callable[[Sequence[PlateRead]], str]] = {
    "first frame": first,
    "surest frame": surest,
    "commonest text": commonest,
    "fusion": fused,
}


def main() -> None:
    """Read the passes and print a line for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passes", type=int, default=300)
    parser.add_argument("--frames", type=int, default=8, help="of each pass")
    parser.add_argument("--clear", type=float, default=0.2, help="share of the frames that are clear")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    reader, rng = open_reader(ModelChoice(threads=1)), np.random.default_rng(given.seed)
    right: Counter[str] = Counter()
    for _ in range(given.passes):
        plate = render_plate(None, None, rng)
        crops = [
            frame(plate.image, plate.chars, plate.lines, bool(rng.random() < given.clear), rng)
            for _ in range(given.frames)
        ]
        reads = reader.read(crops)
        for name, way in WAYS.items():
            right[name] += way(reads).translate(ZERO) == plate.text.translate(ZERO)
    for name in WAYS:
        print(f"{name}: {100 * right[name] / given.passes:.1f} % of {given.passes} passes")


if __name__ == "__main__":
    main()
