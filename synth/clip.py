"""The demo clip: vehicles drive past a fixed camera, with the truth about every pass.

One vehicle's plate is spoilt in most frames, one is on the demo's watchlist, one drives in and parks for the
rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from synth.plate import styles_of
from synth.scene import Actor, PlacedPlate, cast, glare, place, shadow, stand
from synth.street import paint_street
from synth.vehicle import SHAPES, Colour, Image

WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 15, 18
FRAMES = FPS * SECONDS
WATCHLIST_TEXT = "OV24RLP"

FOCAL = 1800.0  # pixels
CAMERA_HEIGHT = 2.6  # metres
HORIZON = 0.17  # share of the height
NEAR, FAR = 7.2, 42.0  # metres from the camera at which vehicles leave and enter
PARK_DISTANCE, PARK_OFFSET = 15.0, -4.3
CODEC_THREADS = 1  # more would make the file depend on the machine


@dataclass(frozen=True)
class GroundTruthPass:
    """What a perfect reader would report: `first_frame` to `last_frame` hold some of the vehicle."""

    text: str
    region: str
    vehicle: str
    direction: str
    first_frame: int
    last_frame: int
    watchlisted: bool = False
    spoilt: bool = False
    parks: bool = False


@dataclass(frozen=True)
class Role:
    """One vehicle of the clip.

    It comes at `start` seconds with `speed` metres a second, `offset` metres beside the axis.
    """

    kind: str
    region: str
    text: str
    paint: Colour
    start: float
    speed: float
    offset: float
    rear: bool = False
    spoilt: bool = False
    parks: bool = False
    style: int = 0  # which of the region's plate styles

    def distance(self, seconds: float) -> float | None:
        """Metres from the camera at a time of the clip; None before it comes and after it has left."""
        driven = (seconds - self.start) * self.speed
        if driven < 0:
            return None
        if self.rear:
            metres = NEAR + driven
        elif self.parks:  # brake evenly over the last 16 m
            brake = FAR - 16.0 - PARK_DISTANCE
            late = (driven - brake) / 32.0
            metres = FAR - driven if late < 0 else FAR - brake - 16.0 * (1 - max(0.0, 1 - late) ** 2)
        else:
            metres = FAR - driven
        return metres if NEAR * 0.8 <= metres <= FAR else None

    def cast(self, rng: np.random.Generator) -> Actor:
        """The vehicle wearing its plate."""
        style = styles_of(self.region)[self.style]
        return cast(self.kind, self.rear, self.region, self.text, rng, paint=self.paint, style=style)

    def side(self, metres: float) -> float:
        """Metres beside the axis; the one that parks pulls over on its last metres."""
        if not self.parks:
            return self.offset
        share = float(np.clip((24.0 - metres) / (24.0 - PARK_DISTANCE), 0, 1))
        return self.offset + (PARK_OFFSET - self.offset) * share * share * (3 - 2 * share)


ROLES = (
    Role("hatchback", "de", "BOV2024", (36, 34, 150), 0.2, 9.0, -1.2),
    Role("suv", "us", "7OVR123", (58, 56, 54), 1.6, 8.0, 1.9, rear=True),
    Role("sedan", "es", "4821KLM", (200, 203, 205), 2.6, 9.0, -1.2, parks=True),
    Role("van", "br", "OVR1A23", (235, 235, 238), 6.4, 9.0, -1.2, style=2),
    Role("sedan", "gb", WATCHLIST_TEXT, (120, 62, 24), 7.2, 7.5, 1.9, rear=True, style=1),
    Role("hatchback", "ro", "B123OVR", (44, 84, 40), 9.8, 8.0, -1.2, spoilt=True),
    Role("motorcycle", "vn", "59X123456", (30, 120, 190), 11.4, 6.0, 1.9, rear=True, style=1),
    Role("bus", "fr", "OV204RL", (150, 175, 190), 13.2, 9.0, -1.2),
)


def render_demo_clip(path: Path | str, seed: int = 7) -> list[GroundTruthPass]:
    """Write the clip (H.264 in the container of the path's suffix) and return its passes, by first frame.

    Raises OSError when the path cannot be written.
    """
    rng = np.random.default_rng(seed)
    street, _ = paint_street(
        WIDTH, HEIGHT, rng, HORIZON, (WIDTH / 2, WIDTH / 2 - 770, WIDTH / 2 + 770), signs=False
    )
    street = np.asarray(cv2.GaussianBlur(street, (0, 0), 1.0), np.uint8)
    actors = [role.cast(rng) for role in ROLES]
    grain = [np.asarray(rng.normal(0, 1.2, (HEIGHT, WIDTH, 3)), np.int16) for _ in range(4)]
    seen: dict[int, list[int]] = {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "21", "preset": "superfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.codec_context.thread_count = CODEC_THREADS
        for index in range(FRAMES):
            clean = render_frame(street, actors, index, seen, rng)
            picture = np.asarray(cv2.add(clean, grain[index % 4], dtype=cv2.CV_8U), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return ground_truth(seen)


def ground_truth(seen: dict[int, list[int]]) -> list[GroundTruthPass]:
    """The passes, from the frames each role was seen in."""
    passes = [
        GroundTruthPass(
            text=role.text,
            region=role.region,
            vehicle=SHAPES[role.kind].label,
            direction="receding" if role.rear else "approaching",
            first_frame=frames[0],
            last_frame=frames[-1],
            watchlisted=role.text == WATCHLIST_TEXT,
            spoilt=role.spoilt,
            parks=role.parks,
        )
        for role, frames in ((ROLES[number], frames) for number, frames in seen.items())
    ]
    return sorted(passes, key=lambda p: p.first_frame)


def render_frame(
    street: Image, actors: list[Actor], index: int, seen: dict[int, list[int]], rng: np.random.Generator
) -> Image:
    """One picture of the clip; notes in `seen` which roles are in it."""
    canvas = street.copy()
    distances = {number: role.distance(index / FPS) for number, role in enumerate(ROLES)}
    present = sorted(((d, n) for n, d in distances.items() if d is not None), reverse=True)
    for metres, number in present:
        role, scale = ROLES[number], FOCAL / metres
        x, y = WIDTH / 2 + role.side(metres) * scale, HEIGHT * HORIZON + CAMERA_HEIGHT * scale
        shadow(canvas, x, y, scale * SHAPES[role.kind].width / 2)
        placed = place(canvas, actors[number], stand(actors[number].vehicle, x, y, scale))
        if placed is None:
            continue
        seen.setdefault(number, []).append(index)
        if role.spoilt and index % 5:
            canvas = spoil(canvas, placed[1], index, rng)
    return np.asarray(canvas, np.uint8)


def spoil(canvas: Image, plate: PlacedPlate, index: int, rng: np.random.Generator) -> Image:
    """Glare over part of the plate, or blur over all of it."""
    x1, y1, x2, y2 = plate.box
    if index % 2:
        x = x1 + (x2 - x1) * rng.uniform(0.1, 0.9)
        return glare(canvas, x, (y1 + y2) / 2, (x2 - x1) * 0.3 / WIDTH, 260)
    left, top = int(max(x1 - 4, 0)), int(max(y1 - 4, 0))
    region = canvas[top : int(y2) + 5, left : int(x2) + 5]
    if region.size:
        region[:] = cv2.GaussianBlur(region, (0, 0), max(1.0, (y2 - y1) * 0.16))
    return canvas
