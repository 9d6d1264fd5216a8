"""Drawn vehicles in metres, from the front or the rear: what street scenes and the demo clip are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Points = list[tuple[float, float]]
Colour = tuple[int, int, int]

PIXELS_PER_METRE = 360
DARK: Colour = (26, 24, 24)
CHROME: Colour = (196, 194, 190)
PAINTS: tuple[Colour, ...] = (
    (235, 235, 238),
    (200, 203, 205),
    (120, 122, 124),
    (58, 56, 54),
    (30, 28, 28),
    (36, 34, 150),
    (120, 62, 24),
    (70, 36, 16),
    (44, 84, 40),
    (30, 120, 190),
    (30, 190, 225),
    (150, 175, 190),
)
LETTERING = (
    "GLX",
    "TDI",
    "HYBRID",
    "1.6",
    "4x4",
    "TURBO",
    "SPORT",
    "V6",
    "STADT",
    "MARKT",
    "TAXI",
    "24",
    "EXPRESS",
    "LUNA",
)
ROUTES = ("42", "N7", "101", "X90", "5A", "CENTRAL", "AIRPORT", "12")


@dataclass(frozen=True)
class Shape:
    """A kind of vehicle in metres; `label` is the class it counts as in common data sets."""

    label: str
    width: float
    height: float
    belt: float  # where the glass begins
    roof: float  # half width of the roof over half width of the body
    clearance: float
    plate_y: float  # height of the plate's middle


SHAPES: dict[str, Shape] = {
    "hatchback": Shape("car", 1.72, 1.48, 0.98, 0.70, 0.20, 0.50),
    "sedan": Shape("car", 1.80, 1.42, 0.95, 0.68, 0.18, 0.48),
    "suv": Shape("car", 1.90, 1.74, 1.15, 0.78, 0.26, 0.62),
    "van": Shape("truck", 1.98, 2.25, 1.25, 0.88, 0.24, 0.58),
    "pickup": Shape("truck", 1.95, 1.80, 1.20, 0.76, 0.32, 0.66),
    "truck": Shape("truck", 2.45, 3.10, 1.70, 0.98, 0.42, 0.62),
    "bus": Shape("bus", 2.50, 3.00, 1.25, 0.96, 0.32, 0.60),
    "motorcycle": Shape("motorcycle", 0.80, 1.55, 0.95, 0.5, 0.1, 0.62),
}


@dataclass(frozen=True)
class Vehicle:
    """A drawn vehicle: `image` uint8 BGR and `alpha` uint8, both with `PIXELS_PER_METRE`; the ground is the
    bottom edge.

    `body` is x1, y1, x2, y2 of the vehicle in the picture, `plate` the four corners (tl, tr, br, bl) of its
    plate.
    """

    kind: str
    label: str
    rear: bool
    image: Image
    alpha: Image
    body: tuple[int, int, int, int]
    plate: NDArray[np.float32]


class Sketch:
    """A transparent sheet addressed in metres: x to the right of the middle, y above the ground."""

    def __init__(self, width: float, height: float) -> None:
        self.w, self.h = int(width * PIXELS_PER_METRE), int(height * PIXELS_PER_METRE)
        self.image: Image = np.zeros((self.h, self.w, 3), np.uint8)
        self.alpha: Image = np.zeros((self.h, self.w), np.uint8)

    def pixel(self, x: float, y: float) -> tuple[int, int]:
        """Where a point in metres lies."""
        return round(self.w / 2 + x * PIXELS_PER_METRE), round(self.h - 1 - y * PIXELS_PER_METRE)

    def polygon(self, points: Points, colour: Colour, shade: float = 0.0) -> None:
        """A filled polygon; `shade` lightens its top and darkens its bottom by that share."""
        corners = np.array([self.pixel(*p) for p in points], np.int32)
        mask = np.zeros_like(self.alpha)
        cv2.fillPoly(mask, [corners], (255,), cv2.LINE_AA)
        x, y, w, h = cv2.boundingRect(corners)
        x, y, x2, y2 = max(x - 1, 0), max(y - 1, 0), min(x + w + 1, self.w), min(y + h + 1, self.h)
        ramp = 1 + shade * np.linspace(1, -1, y2 - y, dtype=np.float32)[:, None, None]
        fill = (np.asarray(colour, np.float32) * ramp + 10 * shade * (ramp > 1)).clip(0, 255)
        cover = mask[y:y2, x:x2, None].astype(np.float32) / 255
        region = self.image[y:y2, x:x2]
        region[:] = (region * (1 - cover) + fill * cover).astype(np.uint8)
        np.maximum(self.alpha[y:y2, x:x2], mask[y:y2, x:x2], out=self.alpha[y:y2, x:x2])

    def box(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        colour: Colour,
        shade: float = 0.0,
        round_by: float = 0.0,
    ) -> None:
        """A filled rectangle with cut corners."""
        r = min(round_by, (x2 - x1) / 2, (y2 - y1) / 2)
        outline = [
            (x1 + r, y1),
            (x2 - r, y1),
            (x2, y1 + r),
            (x2, y2 - r),
            (x2 - r, y2),
            (x1 + r, y2),
            (x1, y2 - r),
            (x1, y1 + r),
        ]
        self.polygon(outline, colour, shade)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, shade: float = 0.0) -> None:
        """A filled ellipse."""
        angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        self.polygon([(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles], colour, shade)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """An open line over what is drawn already."""
        corners = np.array([self.pixel(*p) for p in points], np.int32)
        cv2.polylines(
            self.image, [corners], False, colour, max(1, round(width * PIXELS_PER_METRE)), cv2.LINE_AA
        )

    def text(self, x: float, y: float, height: float, text: str, colour: Colour) -> None:
        """Lettering whose middle lies at (x, y)."""
        scale = height * PIXELS_PER_METRE / 22
        size, _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 2)
        px, py = self.pixel(x, y)
        cv2.putText(
            self.image,
            text,
            (px - size[0] // 2, py + size[1] // 2),
            cv2.FONT_HERSHEY_DUPLEX,
            scale,
            colour,
            2,
            cv2.LINE_AA,
        )


def draw_vehicle(
    kind: str, rear: bool, rng: np.random.Generator, paint: Colour | None = None, plate_aspect: float = 4.7
) -> Vehicle:
    """Draw one vehicle with an empty place of `plate_aspect` (width over height) for its plate."""
    base = SHAPES[kind]
    shape = replace(
        base, width=base.width * rng.uniform(0.95, 1.05), height=base.height * rng.uniform(0.96, 1.06)
    )
    colour = paint or PAINTS[int(rng.integers(len(PAINTS)))]
    sketch = Sketch(shape.width + 0.5, shape.height + 0.15)
    if kind == "motorcycle":
        draw_motorcycle(sketch, shape, colour, rear)
    else:
        draw_wheels(sketch, shape, kind)
        draw_body(sketch, shape, colour)
        if kind in ("truck", "bus"):
            draw_tall(sketch, shape, colour, kind, rear, rng)
        else:
            draw_glass(sketch, shape, rear)
            (draw_car_rear if rear else draw_car_front)(sketch, shape, colour, rng)
    plate = plate_corners(sketch, shape, kind, rear, plate_aspect, rng)
    ys, xs = np.nonzero(sketch.alpha > 127)
    body = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
    return Vehicle(kind, shape.label, rear, sketch.image, sketch.alpha, body, plate)


def plate_corners(
    sketch: Sketch, shape: Shape, kind: str, rear: bool, aspect: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Corners of the plate's place on a dark holder: 52 cm wide when long, 30 cm when not."""
    width = 0.52 if aspect > 3.2 else 0.40 if aspect > 2.4 else 0.31
    if kind == "motorcycle":
        width = min(width, 0.26) if aspect < 3.2 else 0.34
    height = width / aspect
    raised = rear and kind in ("hatchback", "suv", "van") and rng.random() < 0.6
    y = shape.plate_y + (0.22 if raised else 0.0)
    sketch.box(
        -width / 2 - 0.02, y - height / 2 - 0.02, width / 2 + 0.02, y + height / 2 + 0.02, DARK, 0, 0.01
    )
    w, h = width / 2, height / 2
    return np.array(
        [sketch.pixel(*p) for p in ((-w, y + h), (w, y + h), (w, y - h), (-w, y - h))], np.float32
    )


def draw_wheels(sketch: Sketch, shape: Shape, kind: str) -> None:
    """Two tyres below the body."""
    tyre = 0.24 if kind in ("truck", "bus") else 0.2
    for side in (-1, 1):
        middle = side * (shape.width / 2 - tyre / 2 - 0.05)
        sketch.box(middle - tyre / 2, 0.0, middle + tyre / 2, 0.62, (34, 33, 33), 0.2, 0.05)


def draw_body(sketch: Sketch, shape: Shape, colour: Colour) -> None:
    """The painted silhouette: lower body and cabin."""
    w, c, belt, top = shape.width / 2, shape.clearance, shape.belt, shape.height
    r = w * shape.roof
    lower = [
        (-w * 0.94, c),
        (w * 0.94, c),
        (w, c + 0.2),
        (w, belt - 0.12),
        (w * 0.95, belt),
        (-w * 0.95, belt),
        (-w, belt - 0.12),
        (-w, c + 0.2),
    ]
    sketch.polygon(
        [
            (-w * 0.93, belt - 0.05),
            (-r, top - 0.06),
            (-r * 0.9, top),
            (r * 0.9, top),
            (r, top - 0.06),
            (w * 0.93, belt - 0.05),
        ],
        colour,
        0.12,
    )
    sketch.polygon(lower, colour, 0.22)
    sketch.box(-w * 0.8, c - 0.04, w * 0.8, c + 0.05, DARK)


def draw_glass(sketch: Sketch, shape: Shape, rear: bool) -> None:
    """Windscreen or rear window with a reflection, and mirrors."""
    w, belt, top = shape.width / 2, shape.belt, shape.height
    r = w * shape.roof
    glass: Colour = (62, 54, 46) if rear else (84, 74, 64)
    sketch.polygon(
        [(-w * 0.84, belt + 0.02), (-r * 0.9, top - 0.1), (r * 0.9, top - 0.1), (w * 0.84, belt + 0.02)],
        glass,
        0.35,
    )
    sketch.polygon(
        [(-w * 0.5, belt + 0.03), (-r * 0.25, top - 0.11), (0.02, top - 0.11), (-w * 0.15, belt + 0.03)],
        (120, 112, 104),
        0.2,
    )
    if not rear:
        for side in (-1, 1):
            sketch.ellipse(side * w * 0.35, belt + 0.13, 0.1, 0.14, (40, 38, 40))
            sketch.ellipse(side * (w + 0.03), belt + 0.06, 0.11, 0.07, DARK)
            sketch.line([(side * 0.1, belt + 0.03), (side * 0.55, belt + 0.06)], DARK, 0.012)


def draw_car_front(sketch: Sketch, shape: Shape, colour: Colour, rng: np.random.Generator) -> None:
    """Bonnet, lamps, grille with badge, bumper with air intake."""
    w, belt, c = shape.width / 2, shape.belt, shape.clearance
    nose = c + (belt - c) * rng.uniform(0.58, 0.7)
    dim = tuple(int(v * 0.75) for v in colour)
    sketch.line(
        [(-w * 0.9, belt - 0.06), (-w * 0.62, nose + 0.1), (w * 0.62, nose + 0.1), (w * 0.9, belt - 0.06)],
        (dim[0], dim[1], dim[2]),
        0.01,
    )
    lamp_h, slant = rng.uniform(0.07, 0.12), rng.uniform(0, 0.08)
    for side in (-1, 1):
        outline = [
            (side * w * 0.52, nose - lamp_h),
            (side * w * 0.55, nose + lamp_h * 0.5),
            (side * w * 0.97, nose + lamp_h + slant),
            (side * w * 0.96, nose - lamp_h * 0.6 + slant),
        ]
        sketch.polygon(outline, (150, 150, 150), 0.3)
        sketch.ellipse(side * w * 0.74, nose + slant * 0.4, lamp_h * 0.6, lamp_h * 0.55, (245, 245, 245), 0.1)
    draw_grille(
        sketch, w * rng.uniform(0.36, 0.5), nose - rng.uniform(0.1, 0.17), nose + rng.uniform(0.03, 0.1), rng
    )
    sketch.ellipse(0, nose + 0.0, 0.06, 0.055, CHROME, 0.2)
    low = rng.uniform(0.08, 0.16)
    draw_grille(sketch, w * rng.uniform(0.55, 0.8), c + 0.05, c + 0.05 + low, rng)


def draw_grille(sketch: Sketch, half: float, y1: float, y2: float, rng: np.random.Generator) -> None:
    """A dark opening with bars or mesh: what a plate detector must not take for a plate."""
    flare = rng.uniform(0.85, 1.1)
    sketch.polygon([(-half * flare, y1), (half * flare, y1), (half, y2), (-half, y2)], DARK)
    style = int(rng.integers(3))
    if style != 1:
        for y in np.arange(y1 + 0.02, y2 - 0.01, 0.03):
            sketch.line(
                [(-half * 0.93, float(y)), (half * 0.93, float(y))],
                CHROME if style == 0 else (70, 70, 70),
                0.008,
            )
    if style != 0:
        for x in np.arange(-half * 0.9, half * 0.9, 0.045):
            sketch.line([(float(x), y1 + 0.015), (float(x), y2 - 0.015)], (110, 110, 110), 0.007)


def draw_car_rear(sketch: Sketch, shape: Shape, colour: Colour, rng: np.random.Generator) -> None:
    """Lamps, lid line, badge, lettering, bumper, exhaust."""
    w, belt, c = shape.width / 2, shape.belt, shape.clearance
    lamp = c + (belt - c) * rng.uniform(0.66, 0.8)
    lamp_h, lamp_w = rng.uniform(0.07, 0.16), rng.uniform(0.16, 0.32)
    for side in (-1, 1):
        x1, x2 = sorted((side * w * 0.98, side * (w * 0.98 - lamp_w)))
        sketch.box(x1, lamp - lamp_h, x2, lamp + lamp_h, (28, 24, 170), 0.25, 0.03)
        sketch.box(x1 + 0.03, lamp - lamp_h * 0.2, x2 - 0.03, lamp + lamp_h * 0.3, (90, 90, 235), 0.1, 0.02)
    dim = tuple(int(v * 0.6) for v in colour)
    seam = (dim[0], dim[1], dim[2])
    sketch.line(
        [(-w * 0.86, belt - 0.02), (-w * 0.72, c + 0.22), (w * 0.72, c + 0.22), (w * 0.86, belt - 0.02)],
        seam,
        0.01,
    )
    sketch.ellipse(0, lamp + lamp_h * 0.9, 0.055, 0.05, CHROME, 0.2)
    ink = CHROME if sum(colour) < 380 else (40, 40, 40)
    for side in (-1, 1):
        if rng.random() < 0.7:
            word = LETTERING[int(rng.integers(len(LETTERING)))]
            sketch.text(side * w * 0.5, lamp - lamp_h - 0.05, 0.05, word, ink)
    sketch.box(-w * 0.9, c + 0.02, w * 0.9, c + 0.17, (48, 46, 46), 0.2, 0.03)
    sketch.ellipse(w * 0.55, c + 0.02, 0.05, 0.03, (120, 120, 120))


def draw_tall(
    sketch: Sketch, shape: Shape, colour: Colour, kind: str, rear: bool, rng: np.random.Generator
) -> None:
    """Buses and lorries: large panes or box doors, lettering, route numbers, lamps in the bumper."""
    w, belt, c, top = shape.width / 2, shape.belt, shape.clearance, shape.height
    if kind == "truck" and rear:
        sketch.box(-w * 0.95, belt - 0.5, w * 0.95, top - 0.08, (205, 205, 205), 0.1, 0.02)
        sketch.line([(0, belt - 0.5), (0, top - 0.08)], (90, 90, 90), 0.015)
        sketch.text(0, (belt + top) / 2, 0.22, LETTERING[int(rng.integers(len(LETTERING)))], (150, 60, 30))
    else:
        sketch.box(-w * 0.92, belt + 0.05, w * 0.92, top - 0.42, (70, 62, 54), 0.35, 0.06)
        sketch.polygon(
            [(-w * 0.6, belt + 0.06), (-w * 0.3, top - 0.43), (0, top - 0.43), (-w * 0.25, belt + 0.06)],
            (112, 104, 96),
            0.2,
        )
        sketch.box(-w * 0.6, top - 0.36, w * 0.6, top - 0.12, DARK, 0, 0.02)
        words = ROUTES if kind == "bus" else LETTERING
        sketch.text(0, top - 0.24, 0.14, words[int(rng.integers(len(words)))], (60, 190, 250))
    lamp: Colour = (30, 26, 175) if rear else (235, 235, 235)
    for side in (-1, 1):
        sketch.box(side * w * 0.78 - 0.16, c + 0.18, side * w * 0.78 + 0.16, c + 0.36, lamp, 0.2, 0.04)
        if not rear:
            sketch.box(
                side * (w + 0.08) - 0.07, belt + 0.2, side * (w + 0.08) + 0.07, belt + 0.6, DARK, 0, 0.03
            )
    if not rear:
        draw_grille(sketch, w * 0.55, c + 0.5, belt - 0.1, rng)
    sketch.box(-w * 0.98, c - 0.02, w * 0.98, c + 0.14, (60, 58, 56), 0.2, 0.03)


def draw_motorcycle(sketch: Sketch, shape: Shape, colour: Colour, rear: bool) -> None:
    """A motorcycle with its rider."""
    sketch.box(-0.07, 0.0, 0.07, 0.66, (30, 30, 30), 0.2, 0.05)
    sketch.polygon(
        [(-0.2, 0.45), (0.2, 0.45), (0.24, 0.85), (0.1, 0.98), (-0.1, 0.98), (-0.24, 0.85)], colour, 0.25
    )
    sketch.polygon(
        [(-0.22, 0.85), (0.22, 0.85), (0.3, 1.28), (0.12, 1.38), (-0.12, 1.38), (-0.3, 1.28)],
        (60, 52, 48),
        0.2,
    )
    sketch.ellipse(0, shape.height - 0.13, 0.13, 0.15, (40, 40, 46), 0.3)
    for side in (-1, 1):
        sketch.polygon(
            [(side * 0.22, 0.4), (side * 0.34, 0.42), (side * 0.32, 0.86), (side * 0.2, 0.9)],
            (52, 46, 44),
            0.15,
        )
        sketch.line([(side * 0.12, 1.0), (side * 0.38, 1.04)], (70, 70, 70), 0.03)
    lamp: Colour = (34, 28, 190) if rear else (240, 240, 240)
    sketch.box(-0.1, 0.8, 0.1, 0.9, lamp, 0.2, 0.03)
