"""Backgrounds for synthetic scenes, no plate in them: sky, houses with shop lettering, trees, road, signs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.vehicle import LETTERING, ROUTES, Colour, Image

SIGN_WORDS = (
    LETTERING
    + ROUTES
    + ("P", "STOP", "50", "BAR", "CAFE", "HOTEL 24H", "SALE", "A4", "E40", "ZONE 30", "OPEN", "No 7")
)
WALLS: tuple[Colour, ...] = (
    (150, 175, 195),
    (120, 140, 165),
    (165, 165, 165),
    (95, 115, 160),
    (185, 200, 205),
    (110, 105, 100),
)


def gradient(height: int, width: int, top: Colour, bottom: Colour) -> Image:
    """A vertical blend of two colours."""
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rows = np.asarray(top, np.float32) * (1 - ramp) + np.asarray(bottom, np.float32) * ramp
    return np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)), np.uint8)


def texture(image: Image, strength: float, rng: np.random.Generator, grain: int = 4) -> None:
    """Add coarse and fine grain to a region, in place."""
    h, w = image.shape[:2]
    coarse = rng.normal(0, strength, (h // grain + 1, w // grain + 1)).astype(np.float32)
    fine = rng.normal(0, strength / 2, (h, w)).astype(np.float32)
    noise = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) + fine
    image[:] = (image + noise[..., None]).clip(0, 255).astype(np.uint8)


def paint_street(
    width: int,
    height: int,
    rng: np.random.Generator,
    horizon: float | None = None,
    road: tuple[float, float, float] | None = None,
    signs: bool = True,
) -> tuple[Image, int]:
    """A street seen along its length; returns the picture and the row of the horizon.

    `horizon` is a share of the height; `road` the columns of its vanishing point and of its edges in the
    bottom row.
    """
    level = int(height * (horizon if horizon is not None else rng.uniform(0.18, 0.5)))
    sky_top = tuple(int(v) for v in rng.integers(120, 235, 3))
    image = np.concatenate(
        [
            gradient(level, width, (sky_top[0], sky_top[1], sky_top[2]), (225, 220, 215)),
            gradient(height - level, width, (128, 126, 124), (96, 94, 92)),
        ]
    )
    paint_houses(image, level, rng, signs)
    paint_trees(image, level, rng)
    paint_road(image, level, road or random_road(width, rng), rng)
    if signs:
        for _ in range(int(rng.integers(0, 4))):
            paint_sign(image, level, rng)
    return image, level


def paint_houses(image: Image, level: int, rng: np.random.Generator, signs: bool) -> None:
    """A row of houses on the horizon, some with lettering above a window."""
    height, width = image.shape[:2]
    x = int(-width * 0.05)
    while x < width:
        w = int(width * rng.uniform(0.08, 0.25))
        top = max(0, int(level - height * rng.uniform(0.08, 0.45)))
        foot = level + int(height * 0.03)
        wall = WALLS[int(rng.integers(len(WALLS)))]
        left, right = max(x, 0), min(x + w, width)
        if rng.random() < 0.8 and right - left > 8 and foot - top > 8:
            image[top:foot, left:right] = wall
            texture(image[top:foot, left:right], 7, rng)
            step = max(8, int(height * rng.uniform(0.035, 0.07)))
            pane = tuple(int(v) for v in rng.integers(40, 120, 3))
            for wy in range(top + step // 2, foot - step, step):
                for wx in range(left + step // 2, right - step, step):
                    cv2.rectangle(image, (wx, wy), (wx + step // 2, wy + step // 2), pane, -1)
            if signs and rng.random() < 0.5:
                board = (
                    left,
                    max(top, foot - int(height * 0.1)),
                    right,
                    max(top, foot - int(height * 0.1)) + max(8, int(height * 0.04)),
                )
                paint_board(image, board, rng)
        x += w


def paint_board(image: Image, box: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """A lettered board."""
    x1, y1, x2, y2 = box
    back = tuple(int(v) for v in rng.integers(20, 240, 3))
    ink = (250, 250, 250) if sum(back) < 380 else (20, 20, 20)
    cv2.rectangle(image, (x1, y1), (x2, y2), back, -1)
    word = " ".join(SIGN_WORDS[int(i)] for i in rng.integers(len(SIGN_WORDS), size=int(rng.integers(1, 3))))
    scale = max(0.2, (y2 - y1) / 34)
    cv2.putText(
        image,
        word,
        (x1 + 3, y2 - int((y2 - y1) * 0.25)),
        cv2.FONT_HERSHEY_DUPLEX,
        scale,
        ink,
        max(1, int(scale * 1.5)),
        cv2.LINE_AA,
    )


def paint_trees(image: Image, level: int, rng: np.random.Generator) -> None:
    """Bushes and trees along the horizon."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(0, 6))):
        x, radius = int(rng.integers(width)), int(height * rng.uniform(0.04, 0.14))
        green = np.array([40, 90, 60]) * rng.uniform(0.5, 1.3)
        for _ in range(25):
            dx, dy = rng.normal(0, radius * 0.5, 2)
            colour = tuple(float(v) for v in green * rng.uniform(0.7, 1.25))
            cv2.circle(
                image,
                (int(x + dx), int(level - radius * 0.8 + dy)),
                max(2, radius // 3),
                colour,
                -1,
                cv2.LINE_AA,
            )


def random_road(width: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Columns of a road's vanishing point and of its edges in the bottom row."""
    vanish = width * rng.uniform(0.3, 0.7)
    return vanish, vanish - width * rng.uniform(0.5, 1.1), vanish + width * rng.uniform(0.5, 1.1)


def paint_road(image: Image, level: int, road: tuple[float, float, float], rng: np.random.Generator) -> None:
    """Asphalt with verge, edge lines and dashes running to a vanishing point."""
    height, width = image.shape[:2]
    vanish, left, right = road
    verge = tuple(int(v) for v in np.array([80, 120, 110]) * rng.uniform(0.6, 1.4))
    image[level:] = (image[level:] * 0.4 + np.array(verge) * 0.6).astype(np.uint8)
    grey = int(rng.integers(70, 140))
    asphalt = np.array(
        [[vanish - 12, level], [vanish + 12, level], [right, height], [left, height]], np.int32
    )
    cv2.fillPoly(image, [asphalt], (grey, grey, grey - 4), cv2.LINE_AA)
    texture(image[level:], 6, rng, 3)
    for share in (0.04, 0.96):
        cv2.line(
            image,
            (int(vanish), level),
            (int(left + (right - left) * share), height),
            (215, 215, 215),
            max(1, width // 240),
            cv2.LINE_AA,
        )
    for near in np.arange(0.05, 1.0, 0.12):
        far = near + 0.05
        x1, x2 = (vanish + ((left + right) / 2 - vanish) * v * v for v in (near, far))
        y1, y2 = (level + (height - level) * v * v for v in (near, far))
        cv2.line(
            image,
            (int(x1), int(y1)),
            (int(x2), int(y2)),
            (225, 225, 225),
            max(1, int(width / 160 * near)),
            cv2.LINE_AA,
        )


def paint_sign(image: Image, level: int, rng: np.random.Generator) -> None:
    """A traffic sign or advertisement on a pole: letters that are no plate."""
    height, width = image.shape[:2]
    w, h = int(width * rng.uniform(0.03, 0.16)), int(height * rng.uniform(0.03, 0.12))
    x, y = int(rng.integers(0, max(1, width - w))), int(rng.uniform(0.1, 0.9) * level)
    cv2.line(
        image, (x + w // 2, y + h), (x + w // 2, int(level * 1.15)), (120, 120, 120), max(1, width // 200)
    )
    if rng.random() < 0.3:
        cv2.circle(image, (x + w // 2, y + h // 2), h // 2 + 2, (40, 40, 200), -1, cv2.LINE_AA)
        cv2.circle(image, (x + w // 2, y + h // 2), max(2, h // 2 - 2), (240, 240, 240), -1, cv2.LINE_AA)
        cv2.putText(
            image,
            str(int(rng.integers(2, 13) * 10)),
            (x + w // 2 - h // 4, y + int(h * 0.65)),
            cv2.FONT_HERSHEY_DUPLEX,
            h / 60,
            (20, 20, 20),
            1,
            cv2.LINE_AA,
        )
        return
    paint_board(image, (x, y, x + w, y + h), rng)


def rain(image: Image, rng: np.random.Generator, amount: float) -> Image:
    """Slanted streaks and a veil."""
    h, w = image.shape[:2]
    layer: NDArray[np.uint8] = np.zeros((h, w), np.uint8)
    slant = rng.uniform(-0.3, 0.3)
    for _ in range(int(amount * w * h / 900)):
        x, y, length = int(rng.integers(w)), int(rng.integers(h)), int(h * rng.uniform(0.015, 0.05))
        cv2.line(
            layer,
            (x, y),
            (int(x + slant * length), y + length),
            (int(rng.integers(60, 190)),),
            1,
            cv2.LINE_AA,
        )
    veil = image.astype(np.float32) * 0.85 + 22
    return np.asarray((veil + cv2.GaussianBlur(layer, (0, 0), 0.7)[..., None] * 0.55).clip(0, 255), np.uint8)
