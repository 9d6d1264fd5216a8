"""Synthetic street scenes with exact labels: drawn vehicles, rendered plates, weather, light, camera.

Everything is seeded: the same generator state gives the same picture, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.layouts.style import Style
from synth.plate import REGIONS, render_plate
from synth.street import paint_street, rain
from synth.vehicle import PIXELS_PER_METRE, SHAPES, Colour, Image, Vehicle, draw_vehicle

Rng = np.random.Generator
Matrix = NDArray[np.float64]
Box = tuple[float, float, float, float]

KIND_WEIGHTS = {
    "hatchback": 5,
    "sedan": 5,
    "suv": 4,
    "van": 3,
    "pickup": 2,
    "truck": 2,
    "bus": 2,
    "motorcycle": 2,
}


@dataclass(frozen=True)
class PlacedPlate:
    """A plate in a scene.

    `box` is x1, y1, x2, y2 in pixels; `corners` [4, 2] are the plate's own: tl, tr, br, bl.
    """

    text: str
    region: str
    box: Box
    corners: NDArray[np.float32]


@dataclass(frozen=True)
class PlacedVehicle:
    """A vehicle in a scene; `label` is car, motorcycle, bus or truck."""

    label: str
    box: Box


@dataclass(frozen=True)
class Scene:
    """A picture, uint8 [h, w, 3] BGR, and everything labelled in it."""

    image: Image
    plates: tuple[PlacedPlate, ...]
    vehicles: tuple[PlacedVehicle, ...]


@dataclass(frozen=True)
class Actor:
    """A drawn vehicle wearing its plate, ready to be placed."""

    vehicle: Vehicle
    text: str
    region: str


def cast(
    kind: str,
    rear: bool,
    region: str | None,
    text: str | None,
    rng: Rng,
    *,
    dirt: float = 0.0,
    paint: Colour | None = None,
    style: Style | None = None,
) -> Actor:
    """A vehicle of `kind` wearing a plate of `region`; what is None is chosen at random."""
    region = region or REGIONS[int(rng.integers(len(REGIONS)))]
    plate = render_plate(region, text, rng, style=style)
    aspect = plate.image.shape[1] / plate.image.shape[0]
    vehicle = draw_vehicle(kind, rear, rng, paint, plate_aspect=aspect)
    face = soil(plate.image, dirt, rng) if dirt else plate.image
    wear(vehicle, face)
    return Actor(vehicle, plate.text, region)


def wear(vehicle: Vehicle, face: Image) -> None:
    """Put a plate's picture into the vehicle's plate place, in place."""
    corners = vehicle.plate
    wide = float(np.linalg.norm(corners[1] - corners[0]))
    shrink = wide / face.shape[1]
    if shrink < 0.8:
        face = np.asarray(
            cv2.resize(face, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8
        )
    h, w = face.shape[:2]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    cover(
        vehicle.image,
        face,
        np.full((h, w), 255, np.uint8),
        np.asarray(cv2.getPerspectiveTransform(source, corners)),
    )


def soil(face: Image, amount: float, rng: Rng) -> Image:
    """Smears of dirt over a plate; `amount` from 0 to 1 is roughly the share covered."""
    h, w = face.shape[:2]
    blotches = cv2.resize(rng.random((5, 12)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    mask = ((blotches - (1 - amount)) * 3).clip(0, 0.9)[..., None]
    return np.asarray(face * (1 - mask) + np.array([62, 84, 104]) * mask, np.uint8)


def cover(canvas: Image, sprite: Image, alpha: Image, matrix: Matrix) -> NDArray[np.float32] | None:
    """Warp a sprite onto the canvas, in place.

    Returns where it lies, 0..1 [h, w], or None when it misses the canvas.
    """
    h, w = sprite.shape[:2]
    outline = cv2.perspectiveTransform(np.array([[[0, 0], [w, 0], [w, h], [0, h]]], np.float32), matrix)[0]
    x1, y1 = np.maximum(np.floor(outline.min(0)).astype(int), 0)
    x2, y2 = np.minimum(np.ceil(outline.max(0)).astype(int) + 1, canvas.shape[1::-1])
    if x2 <= x1 or y2 <= y1:
        return None
    scale = float(np.sqrt(max(1e-9, cv2.contourArea(outline) / (w * h))))
    halvings = max(0, int(np.floor(np.log2(1 / scale)))) if scale < 1 else 0
    for _ in range(halvings):  # a warp alone would alias
        sprite = np.asarray(cv2.resize(sprite, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        alpha = np.asarray(cv2.resize(alpha, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    grow = np.diag([w / sprite.shape[1], h / sprite.shape[0], 1.0])
    move = np.array([[1, 0, -x1], [0, 1, -y1], [0, 0, 1]], np.float64) @ matrix @ grow
    size = (int(x2 - x1), int(y2 - y1))
    colour = cv2.warpPerspective(sprite, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(alpha, move, size, flags=cv2.INTER_LINEAR).astype(np.float32)[..., None] / 255
    region = canvas[y1:y2, x1:x2]
    region[:] = (region * (1 - mask) + colour * mask).astype(np.uint8)
    placed = np.zeros(canvas.shape[:2], np.float32)
    placed[y1:y2, x1:x2] = mask[..., 0]
    return placed


def stand(vehicle: Vehicle, x: float, y: float, scale: float, yaw: float = 0.0) -> Matrix:
    """The 3x3 map from drawing to picture: foot at (x, y), `scale` pixels a metre, turned by `yaw`."""
    h, w = vehicle.image.shape[:2]
    s = scale / PIXELS_PER_METRE
    to_foot = np.array([[1, 0, -w / 2], [0, 1, -h], [0, 0, 1]], np.float64)
    turn = np.array([[np.cos(yaw), 0, 0], [0.18 * np.sin(yaw), 1, 0], [0.35 * np.sin(yaw) / w, 0, 1]])
    return np.asarray(np.array([[s, 0, x], [0, s, y], [0, 0, 1]]) @ turn @ to_foot)


def shadow(canvas: Image, x: float, y: float, half: float) -> None:
    """A soft dark ellipse below a vehicle, in place."""
    h = max(3, int(half * 0.16))
    x1, x2, y1, y2 = (int(v) for v in (x - half * 1.15, x + half * 1.15, y - h, y + h))
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, canvas.shape[1]), min(y2, canvas.shape[0])
    if x2 <= x1 or y2 <= y1:
        return
    yy, xx = np.mgrid[y1:y2, x1:x2]
    inside = np.clip(1.2 - ((xx - x) / (half * 1.1)) ** 2 - ((yy - y) / h) ** 2, 0, 0.75)[..., None]
    canvas[y1:y2, x1:x2] = (canvas[y1:y2, x1:x2] * (1 - inside)).astype(np.uint8)


def place(
    canvas: Image, actor: Actor, matrix: Matrix, light: float = 1.0
) -> tuple[PlacedVehicle, PlacedPlate, NDArray[np.float32]] | None:
    """Draw an actor, in place.

    Its labels (not clipped to the picture) and where it lies, or None when it is outside.
    """
    vehicle = actor.vehicle
    sprite = vehicle.image if light == 1.0 else (vehicle.image * light).clip(0, 255).astype(np.uint8)
    placed = cover(canvas, sprite, vehicle.alpha, matrix)
    if placed is None:
        return None
    x1, y1, x2, y2 = vehicle.body
    body = cv2.perspectiveTransform(np.array([[[x1, y1], [x2, y1], [x2, y2], [x1, y2]]], np.float32), matrix)[
        0
    ]
    corners = np.asarray(cv2.perspectiveTransform(vehicle.plate[None], matrix)[0], np.float32)
    return (
        PlacedVehicle(vehicle.label, bounds(body)),
        PlacedPlate(actor.text, actor.region, bounds(corners), corners),
        placed,
    )


def bounds(points: NDArray[np.float32]) -> Box:
    """x1, y1, x2, y2 round some points."""
    low, high = points.min(0), points.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass
class _Draft:
    """Labels collected while vehicles are drawn from far to near."""

    plates: list[PlacedPlate] = field(default_factory=list)
    vehicles: list[PlacedVehicle] = field(default_factory=list)

    def hide(self, placed: NDArray[np.float32]) -> None:
        """Drop what the newly drawn vehicle covers."""
        self.plates = [p for p in self.plates if _covered(placed, p.box) < 0.25]
        self.vehicles = [v for v in self.vehicles if _covered(placed, v.box) < 0.8]


def _covered(placed: NDArray[np.float32], box: Box) -> float:
    x1, y1, x2, y2 = (int(max(v, 0)) for v in box)
    region = placed[y1 : y2 + 1, x1 : x2 + 1]
    return float(region.mean()) if region.size else 0.0


def render_scene(rng: Rng, size: tuple[int, int] | None = None, background: Image | None = None) -> Scene:
    """A random street scene of `size` (width, height), on a painted street or on a given picture."""
    width, height = size or ((640, 480), (640, 360), (480, 640), (560, 560))[int(rng.integers(4))]
    if background is None:
        canvas, level = paint_street(width, height, rng)
    else:
        canvas = np.asarray(
            cv2.resize(background, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        ).copy()
        level = int(height * rng.uniform(0.2, 0.5))
    draft = _Draft()
    depths = np.sort(rng.uniform(0, 1, int(rng.choice([1, 1, 2, 2, 3, 4, 6]))))
    for depth in depths:
        _populate(canvas, draft, level, float(depth), rng)
    vehicles = tuple(PlacedVehicle(v.label, _clipped(v.box, width, height)) for v in draft.vehicles)
    clear = [p for p in draft.plates if _inside(p.box, (0, 0, width, height))]
    clear = [p for p in clear if any(_inside(p.box, v.box) for v in draft.vehicles)]
    return Scene(camera(canvas, clear, rng), tuple(clear), vehicles)


def _populate(canvas: Image, draft: _Draft, level: int, depth: float, rng: Rng) -> None:
    """Add one vehicle; `depth` 0 is far, 1 so near that it may fill the picture."""
    height, width = canvas.shape[:2]
    kinds = list(KIND_WEIGHTS)
    weights = np.array(list(KIND_WEIGHTS.values()), np.float64)
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    dirt = rng.uniform(0.1, 0.5) if rng.random() < 0.25 else 0.0
    actor = cast(kind, bool(rng.random() < 0.5), None, None, rng, dirt=dirt)
    wide = width * float(np.exp(np.log(0.06) + (np.log(1.25) - np.log(0.06)) * depth))
    x = rng.uniform(0.05, 0.95) * width
    y = level + (height - level) * float(np.clip(depth * 1.1 + rng.normal(0, 0.05), 0.06, 1.25))
    scale = wide / 1.8
    shadow(canvas, x, y, scale * SHAPES[kind].width / 2)
    done = place(canvas, actor, stand(actor.vehicle, x, y, scale, rng.normal(0, 0.35)), rng.uniform(0.6, 1.1))
    if done is None:
        return
    vehicle, plate, placed = done
    draft.hide(placed)
    clipped = _clipped(vehicle.box, width, height)
    if min(clipped[2] - clipped[0], clipped[3] - clipped[1]) > 6:
        draft.vehicles.append(vehicle)
    draft.plates.append(plate)


def _clipped(box: Box, width: int, height: int) -> Box:
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))


def _inside(inner: Box, outer: Box) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def camera(image: Image, plates: list[PlacedPlate], rng: Rng) -> Image:
    """What light, weather and a cheap camera make of a clean picture."""
    style = rng.random()
    if style < 0.2:
        image = night(image, plates, rng, infrared=style < 0.08)
    if rng.random() < 0.12:
        image = rain(image, rng, rng.uniform(0.3, 1.5))
    if rng.random() < 0.12:
        fog = rng.uniform(0.2, 0.6)
        image = np.asarray(image * (1 - fog) + 200 * fog, np.uint8)
    if rng.random() < 0.25:
        image = glare(
            image,
            rng.uniform(0, image.shape[1]),
            rng.uniform(0, image.shape[0]),
            rng.uniform(0.05, 0.3),
            rng.uniform(60, 220),
        )
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2)), np.uint8)
    noise = rng.normal(0, rng.uniform(1, 9), image.shape).astype(np.float32)
    return (image + noise).clip(0, 255).astype(np.uint8)


def night(image: Image, plates: list[PlacedPlate], rng: Rng, infrared: bool) -> Image:
    """Darkness in which plates, lit by headlamps or infrared, stand out."""
    light = np.full(image.shape[:2], rng.uniform(0.2, 0.5), np.float32)
    for plate in plates:
        spread = max(4.0, (plate.box[2] - plate.box[0]) * rng.uniform(0.4, 1.2))
        patch = np.zeros_like(light)
        cv2.fillConvexPoly(patch, plate.corners.astype(np.int32), (1.0,))
        light += cv2.GaussianBlur(patch, (0, 0), spread) * 1.0 + patch * rng.uniform(0.2, 0.9)
    dark = image.astype(np.float32) * light[..., None]
    if infrared:
        dark[:] = (dark @ np.array([0.114, 0.587, 0.299], np.float32))[..., None]
    return dark.clip(0, 255).astype(np.uint8)


def glare(image: Image, x: float, y: float, radius: float, strength: float) -> Image:
    """A bloom of light round (x, y); `radius` is a share of the picture's width."""
    h, w = image.shape[:2]
    across = np.exp(-(((np.arange(w, dtype=np.float32) - x) / (radius * w)) ** 2))
    down = np.exp(-(((np.arange(h, dtype=np.float32) - y) / (radius * w)) ** 2))
    bloom = (down[:, None] * across[None] * strength).astype(np.int16)
    return np.asarray(cv2.add(image, cv2.merge([bloom] * 3), dtype=cv2.CV_8U), np.uint8)
