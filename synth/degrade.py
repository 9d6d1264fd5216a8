"""What a camera does to a plate: perspective, a loose crop, light, dirt, blur, noise, few pixels, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """How hard a picture is made: each number a bound or a chance, lengths in parts of the plate's size."""

    width: tuple[float, float] = (34.0, 260.0)
    """Width in pixels at which the camera sees the crop, drawn log-uniformly."""
    char_height: float = 7.0
    """The crop is kept large enough for characters of at least about this many pixels."""
    rotate: float = 7.0
    """Standard deviation of the rotation in degrees."""
    perspective: float = 0.05
    foreshorten: float = 0.5
    """Most that yaw takes from the width."""
    margin: tuple[float, float] = (-0.035, 0.13)
    clipped: float = 0.15
    blur: float = 0.45
    motion: float = 0.2
    noise: float = 0.5
    jpeg: float = 0.6
    light: float = 0.6
    dirt: float = 0.25
    grey: float = 0.2
    night: float = 0.2


SYNTHETIC = Level()
"""For drawn plates, which are clean."""

CLEAR = Level(width=(80.0, 300.0), blur=0.3, motion=0.08, noise=0.3, light=0.4, dirt=0.15, night=0.1)
"""For drawn plates as most photographs show them."""

REAL = Level(
    width=(60.0, 300.0),
    rotate=3.0,
    perspective=0.03,
    foreshorten=0.15,
    margin=(-0.03, 0.0),
    clipped=0.05,
    blur=0.25,
    motion=0.08,
    noise=0.3,
    jpeg=0.3,
    light=0.5,
    dirt=0.05,
    grey=0.2,
    night=0.1,
)
"""For crops of real plates, which a camera has already degraded."""


def background(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """A patch of bodywork or street: soft colours, edges and at times stripes; uint8 (height, width, 3)."""
    height, width = shape
    base = rng.integers(0, 256) if rng.random() < 0.5 else rng.integers(5, 90)
    coarse = np.clip(
        base + rng.normal(0, rng.uniform(3, 45), (3, 4, 1)) + rng.normal(0, rng.uniform(0, 25), (1, 1, 3)),
        0,
        255,
    )
    image = cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 4))):
        colour = tuple(int(v) for v in np.clip(rng.integers(0, 256) + rng.normal(0, 20, 3), 0, 255))
        y = int(rng.integers(0, height))
        cv2.line(
            image,
            (0, y),
            (width, int(y + rng.normal(0, height * 0.2))),
            colour,
            int(rng.integers(1, max(2, height // 8))),
        )
    return np.asarray(image, np.uint8)


def photograph(
    image: Image,
    boxes: Boxes,
    rng: np.random.Generator,
    level: Level = SYNTHETIC,
    ground: Image | None = None,
) -> tuple[Image, Boxes]:
    """A camera's crop of a flat plate, in the camera's pixels, and the character boxes in it.

    `boxes` is float32 (N, 4) x0, y0, x1, y1 in pixels of `image`; those returned are in pixels of the result
    and may reach outside it. `ground` is what stands around the plate (default: drawn).
    """
    corners, seen = _pose(image.shape[0], image.shape[1], rng, level)
    crop, matrix = _warp(image, corners, seen, rng, ground)
    crop = _light(crop, rng, level)
    crop = _lens(crop, rng, level)
    return crop, _move(boxes, matrix)


def _pose(
    height: int, width: int, rng: np.random.Generator, level: Level
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Where the plate's corners fall in the crop, and the crop's width and height in the camera's pixels."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64) - [
        width / 2,
        height / 2,
    ]
    corners[:, 0] *= 1 - rng.random() ** 2 * level.foreshorten
    corners += rng.normal(0, level.perspective, (4, 2)) * [height, height * 0.8]
    corners[:, 1] += corners[:, 0] * rng.normal(0, level.perspective)
    angle = np.deg2rad(rng.normal(0, level.rotate) if rng.random() < 0.6 else rng.normal(0, level.rotate / 4))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = corners @ turn.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    extent = high - low
    spread = level.margin[1] * (1.0 if rng.random() < 0.85 else 2.2)
    before, after = rng.uniform(level.margin[0], max(spread, 0.0), (2, 2)) * extent
    if rng.random() < level.clipped:
        # A box that misses the plate's edge; on low plates the number reaches nearer to it.
        room = 0.2 if width < 2.3 * height else 0.08
        (before if rng.random() < 0.5 else after)[1] = -rng.uniform(0.0, room) * extent[1]
    low, high = low - before, high + after
    span = high - low
    target = float(np.exp(rng.uniform(np.log(level.width[0]), np.log(level.width[1]))))
    smallest = level.char_height * span[0] / max(height * 0.42, 1.0)
    scale = max(target, min(smallest, level.width[1])) / span[0]
    seen = (max(round(span[0] * scale), 12), max(round(span[1] * scale), 10))
    return (corners - low) * scale, seen


def _warp(
    image: Image,
    corners: NDArray[np.float64],
    seen: tuple[int, int],
    rng: np.random.Generator,
    ground: Image | None,
) -> tuple[Image, NDArray[np.float64]]:
    height, width = image.shape[:2]
    matrix = cv2.getPerspectiveTransform(
        np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32), corners.astype(np.float32)
    )
    shrink = float(np.linalg.norm(corners[1] - corners[0])) / width
    source, adjusted = image, matrix
    if shrink < 0.75:
        source = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).astype(np.uint8)
        adjusted = matrix @ np.diag([width / source.shape[1], height / source.shape[0], 1.0])
    crop = (
        background((seen[1], seen[0]), rng) if ground is None else cv2.resize(ground, seen).astype(np.uint8)
    )
    warped = cv2.warpPerspective(
        source, adjusted, seen, crop, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    return np.asarray(warped, np.uint8), np.asarray(matrix, np.float64)


def _move(boxes: Boxes, matrix: NDArray[np.float64]) -> Boxes:
    if len(boxes) == 0:
        return boxes.reshape(0, 4)
    x0, y0, x1, y1 = boxes.astype(np.float64).T
    points = np.stack([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]).transpose(2, 0, 1)
    moved = cv2.perspectiveTransform(points, matrix)
    return np.asarray(np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1), np.float32)


def _light(crop: Image, rng: np.random.Generator, level: Level) -> Image:
    """Dirt, shadow, glare, exposure, night, colour cast and grey cameras."""
    height, width = crop.shape[:2]
    picture = crop.astype(np.float32)
    if rng.random() < level.dirt:
        grain = cv2.resize(
            rng.random((int(rng.integers(3, 9)), int(rng.integers(5, 20)))).astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        cover = np.clip((grain - rng.uniform(0.5, 0.85)) * 4, 0, 1)[:, :, None] * rng.uniform(0.2, 0.8)
        picture += (rng.uniform(30, 150, 3).astype(np.float32) - picture) * cover
    if rng.random() < level.light * 0.5:
        picture *= _ramp(height, width, rng)[:, :, None]
    if rng.random() < level.light * 0.25:
        x, y, r = rng.uniform(0, width), rng.uniform(-0.2, 1.2) * height, rng.uniform(0.1, 0.6) * width
        grid_y, grid_x = np.ogrid[:height, :width]
        spot = np.exp(-((grid_x - x) ** 2 + (grid_y - y) ** 2) / (r * r)).astype(np.float32)
        picture += spot[:, :, None] * rng.uniform(40, 170)
    if rng.random() < level.light:
        middle, contrast = rng.uniform(60, 190), rng.uniform(0.25, 1.25)
        picture = (picture - picture.mean()) * np.float32(contrast) + np.float32(middle)
        cast = 1 + rng.normal(0, 0.16, 3)
        picture *= cast.astype(np.float32)
    elif rng.random() < level.night:
        picture = picture * np.float32(rng.uniform(0.18, 0.6)) + np.float32(rng.uniform(0, 25))
        picture *= rng.uniform(0.45, 1.4, 3).astype(np.float32)
    if rng.random() < level.light * 0.3:
        gamma = np.float32(rng.uniform(0.5, 2.0))
        picture = np.asarray(255 * (np.clip(picture, 0, 255) / 255) ** gamma, np.float32)
    result = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < level.grey:
        weights = rng.dirichlet((2, 2, 2)).astype(np.float32)
        grey = np.clip(result.astype(np.float32) @ weights, 0, 255).astype(np.uint8)
        result = np.repeat(grey[:, :, None], 3, axis=2)
    return result


def _ramp(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A shadow's edge across the picture: factors from about 0.3 to 1."""
    angle = rng.uniform(0, 2 * np.pi)
    grid_y, grid_x = np.ogrid[:height, :width]
    along = (grid_x / width - rng.uniform(0.2, 0.8)) * np.cos(angle) + (
        grid_y / height - rng.uniform(0.2, 0.8)
    ) * np.sin(angle)
    edge = 1 / (1 + np.exp(np.clip(-along * rng.choice([2.0, 6.0, 40.0]), -30, 30)))
    depth = rng.uniform(0.2, 0.7)
    return np.asarray(1 - depth * edge, np.float32)


def _lens(crop: Image, rng: np.random.Generator, level: Level) -> Image:
    """Blur, motion, noise, sharpening and JPEG, in the camera's own pixels."""
    detail = max(crop.shape[0] / 40, 0.6)
    if rng.random() < level.blur:
        crop = cv2.GaussianBlur(crop, (0, 0), max(rng.random() ** 1.5 * 1.3 * detail, 0.2)).astype(np.uint8)
    if rng.random() < level.motion:
        crop = cv2.filter2D(crop, -1, _motion_kernel(rng.uniform(1.5, 5.5) * detail, rng)).astype(np.uint8)
    if rng.random() < level.noise:
        sigma = rng.random() ** 2 * 17 + 1
        channels = 3 if rng.random() < 0.5 else 1
        noise = rng.standard_normal((crop.shape[0], crop.shape[1], channels), dtype=np.float32) * sigma
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        soft = cv2.GaussianBlur(crop, (0, 0), 1.2)
        amount = rng.uniform(0.3, 1.5)
        crop = cv2.addWeighted(crop, 1 + amount, soft, -amount, 0).astype(np.uint8)
    if rng.random() < level.jpeg:
        quality = int(rng.integers(18, 92))
        _, coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
        crop = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return crop


def _motion_kernel(length: float, rng: np.random.Generator) -> NDArray[np.float32]:
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side, side), np.float32)
    angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else rng.normal(0, 0.15)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (side - 1) / 2
    centre = np.array([(side - 1) / 2] * 2)
    a, b = np.round(centre - reach).astype(int), np.round(centre + reach).astype(int)
    cv2.line(kernel, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), (1.0,))
    return np.asarray(kernel / max(float(kernel.sum()), 1.0), np.float32)
