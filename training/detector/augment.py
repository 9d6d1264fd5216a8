"""Random training views: an affine warp, plates pasted over the labelled ones, mosaic, light and noise.

Everything happens at output resolution, so that a 320 px photo enlarged three times still carries a sharp
plate. Boxes are float arrays [n, 5]: class, x1, y1, x2, y2 in pixels of the view.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.detector.data import PLATE, VEHICLE

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Rng = np.random.Generator


@dataclass
class View:
    """A picture ready for the network with what to learn from it."""

    image: Image
    boxes: Boxes
    ignore: Boxes


class Library:
    """The prepared data set, pictures held in memory once read."""

    def __init__(self, root: Path, synthetic_plate_share: float) -> None:
        self.root = root
        self.records = [json.loads(line) for line in (root / "records.jsonl").open(encoding="utf-8")]
        crops = [json.loads(line) for line in (root / "crops.jsonl").open(encoding="utf-8")]
        self.synthetic = [c["image"] for c in crops if c["source"] == "synthetic"]
        real = [c for c in crops if c["source"] != "synthetic"]
        self.real = [c["image"] for c in real]
        self.real_weights = _normalised([c["weight"] for c in real])
        self.weights = _normalised([r["weight"] for r in self.records])
        self.synthetic_share = synthetic_plate_share if self.synthetic else 0.0
        self._cache: dict[str, Image] = {}

    def image(self, name: str) -> Image:
        """The picture, uint8 [h, w, 3] BGR."""
        if name not in self._cache:
            self._cache[name] = np.asarray(cv2.imread(str(self.root / name)), dtype=np.uint8)
        return self._cache[name]

    def record(self, rng: Rng) -> dict[str, Any]:
        """A random record, by weight."""
        row: dict[str, Any] = self.records[int(rng.choice(len(self.records), p=self.weights))]
        return row

    def plate(self, rng: Rng) -> Image:
        """A random plate picture, real or synthetic, now and then as a negative: light on dark."""
        if rng.random() < self.synthetic_share:
            name = self.synthetic[int(rng.integers(len(self.synthetic)))]
        else:
            name = self.real[int(rng.choice(len(self.real), p=self.real_weights))]
        picture = self.image(name)
        return np.asarray(255 - picture, np.uint8) if rng.random() < 0.35 else picture


def _normalised(weights: list[float]) -> NDArray[np.float64]:
    values = np.asarray(weights, dtype=np.float64)
    return values / values.sum()


def sample(library: Library, width: int, height: int, rng: Rng) -> View:
    """A training view of `width` x `height` pixels: one picture, or a mosaic of four."""
    turned = rng.random() < 0.05
    if turned:
        width, height = height, width
    view = mosaic(library, width, height, rng) if rng.random() < 0.2 else single(library, width, height, rng)
    if rng.random() < 0.1:
        view, _ = paste_anywhere(library, view, rng)
    if rng.random() < 0.06:
        lettering(view, rng)
    if turned:
        view = quarter_turn(view, 1 if rng.random() < 0.5 else 3)
    if rng.random() < 0.05:
        caption(view, rng)
    return View(photometric(view.image, rng), view.boxes, view.ignore)


def caption(view: View, rng: Rng) -> None:
    """Write a camera's overlay (clock, lane, even a plate number) into the picture, in place: no plate."""
    height, width = view.image.shape[:2]
    day = f"20{rng.integers(10, 30)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    stamp = f"{day} {rng.integers(24):02d}:{rng.integers(60):02d}"
    number = "".join(rng.choice(list("0123456789ABCDEHKLMNPRSTX"), int(rng.integers(4, 10))))
    words = [stamp, number, f"CAM {rng.integers(1, 20)}", "ENTRY", "LANE 2"]
    text = " ".join(rng.permutation(words)[: int(rng.integers(1, 4))])
    face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN]))
    scale = float(rng.uniform(0.25, 0.75)) * (1.8 if face == cv2.FONT_HERSHEY_PLAIN else 1.0)
    (w, h), below = cv2.getTextSize(text, face, scale, 1)
    x = int(rng.choice([2, max(2, width - w - 3), rng.integers(2, max(3, width - w))]))
    y = int(rng.choice([h + 3, height - below - 3]))
    x1, y1, x2, y2 = x - 2, y - h - 3, x + w + 2, y + below + 2
    if touches_plate(view, x1, y1, x2, y2):
        return
    if rng.random() < 0.7:
        cv2.rectangle(
            view.image, (x1, y1), (x2, y2), (0, 0, 0) if rng.random() < 0.8 else (255, 255, 255), -1
        )
    ink = 255 if view.image[max(y1 + 1, 0) : y2, max(x1 + 1, 0) : x2].mean() < 140 else 0
    cv2.putText(view.image, text, (x, y), face, scale, (ink,) * 3, 1, cv2.LINE_AA)


def touches_plate(view: View, x1: int, y1: int, x2: int, y2: int) -> bool:
    """Whether a rectangle would cover part of a plate."""
    plates = view.boxes[view.boxes[:, 0] == PLATE]
    return bool((np.minimum(plates[:, 3:], [x2, y2]) > np.maximum(plates[:, 1:3], [x1, y1])).all(1).any())


def lettering(view: View, rng: Rng) -> None:
    """Write what shops, badges and dialogs write into the picture, in place: lower-case words, no plate."""
    height, width = view.image.shape[:2]
    face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX]))
    face += cv2.FONT_ITALIC * int(rng.random() < 0.2)
    scale = float(np.exp(rng.uniform(np.log(0.25), np.log(2.0)))) * width / 320
    thickness = max(1, round(scale * rng.uniform(1, 3)))
    letters = list("aaabcdeeefghiiiklmnooprrssttuuvz")
    rows = ["".join(rng.choice(letters, int(rng.integers(3, 14)))) for _ in range(int(rng.integers(1, 5)))]
    rows = [row.title() if rng.random() < 0.6 else row for row in rows]
    sides = [cv2.getTextSize(row, face, scale, thickness)[0] for row in rows]
    w, h = max(side[0] for side in sides), round(sides[0][1] * 1.8)
    x, y = int(rng.integers(-w // 4, width)), int(rng.integers(0, height))
    x2, y2 = x + w + h // 2, y + h * len(rows) + h // 2
    if touches_plate(view, x, y, x2, y2):
        return
    paper, ink = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    if rng.random() < 0.5:
        cv2.rectangle(view.image, (x, y), (x2, y2), tuple(map(int, paper)), -1)
    for line, row in enumerate(rows):
        origin = (x + h // 4, y + h * (line + 1))
        cv2.putText(view.image, row, origin, face, scale, tuple(map(int, ink)), thickness, cv2.LINE_AA)


def mosaic(library: Library, width: int, height: int, rng: Rng) -> View:
    """Four pictures meeting at a random point."""
    cx, cy = (int(side * rng.uniform(0.3, 0.7)) for side in (width, height))
    canvas = np.empty((height, width, 3), np.uint8)
    boxes, ignore = [], []
    for x0, y0, x1, y1 in ((0, 0, cx, cy), (cx, 0, width, cy), (0, cy, cx, height), (cx, cy, width, height)):
        tile = single(library, x1 - x0, y1 - y0, rng)
        canvas[y0:y1, x0:x1] = tile.image
        shift = np.array([0, x0, y0, x0, y0], np.float32)
        boxes.append(tile.boxes + shift)
        ignore.append(tile.ignore + shift)
    return View(canvas, np.concatenate(boxes), np.concatenate(ignore))


def single(library: Library, width: int, height: int, rng: Rng) -> View:
    """One picture through a random affine map, its plates partly replaced."""
    view, angle = warped(library, width, height, rng)
    boxes = view.boxes
    if rng.random() < 0.7 or abs(angle) > 10:  # the box of a plate turned with its photo would be loose
        boxes, _ = replace_plates(library, view.image, boxes, angle, rng)
    kept, dropped = clip(boxes, width, height)
    return View(view.image, kept, np.concatenate([dropped, view.ignore]))


def warped(library: Library, width: int, height: int, rng: Rng) -> tuple[View, float]:
    """A random picture through a random affine map, boxes not clipped yet; and the map's angle, degrees."""
    record = library.record(rng)
    image = library.image(record["image"])
    boxes = np.asarray(record["boxes"], np.float32).reshape(-1, 5)
    ignore = np.asarray(record["ignore"], np.float32).reshape(-1, 5)
    matrix, angle = random_affine(image.shape[1], image.shape[0], boxes, width, height, rng)
    shrinks = abs(np.linalg.det(matrix[:, :2])) < 0.25
    if shrinks:  # a plain warp of a large photo would alias
        image, matrix = (
            cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
            matrix * [[2, 2, 1]],
        )
    border = int(rng.integers(30, 200))
    canvas = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(border,) * 3)
    base = matrix * [[0.5, 0.5, 1]] if shrinks else matrix
    moved, move_ignore = transform(boxes, base), transform(ignore, base)
    return View(canvas, moved, clip(move_ignore, width, height, everything=True)[0]), angle


def random_affine(
    w: int, h: int, boxes: Boxes, width: int, height: int, rng: Rng
) -> tuple[NDArray[np.float64], float]:
    """A 2x3 map from the picture to the view and its angle in degrees.

    Zooms towards a plate more often than not.
    """
    fit = min(width / w, height / h)
    angle = rng.uniform(-32, 32) if rng.random() < 0.25 else rng.normal(0, 4)
    plates = boxes[boxes[:, 0] == PLATE]
    zoom = float(np.exp(rng.uniform(np.log(0.85), np.log(1.7))))
    target = np.array([w, h]) * rng.uniform(0.35, 0.65, 2)
    if (
        len(plates) and rng.random() < 0.65
    ):  # choose how wide this plate shall be, from 7 % to 75 % of the view
        plate = plates[int(rng.integers(len(plates)))]
        wanted = float(np.exp(rng.uniform(np.log(0.07), np.log(0.75)))) * width
        zoom = float(np.clip(wanted / (plate[3] - plate[1]) / fit, 0.8, 8))
        target = (plate[1:3] + plate[3:5]) / 2 + rng.uniform(-0.35, 0.35, 2) * [width, height] / (zoom * fit)
    elif rng.random() < 0.3:
        zoom = rng.uniform(1.5, 3.5)
        target = np.array([w, h]) * rng.uniform(0.1, 0.9, 2)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    rad, scale, squeeze = np.deg2rad(angle), zoom * fit, float(np.exp(rng.normal(0, 0.08)))
    rotation = np.array([[np.cos(rad), -np.sin(rad)], [np.sin(rad), np.cos(rad)]])
    shear = np.array([[1, rng.normal(0, 0.05)], [rng.normal(0, 0.03), 1]])
    linear = rotation @ shear @ np.diag([flip * scale * squeeze, scale / squeeze])
    offset = np.array([width / 2, height / 2]) - linear @ target
    return np.column_stack([linear, offset]), float(angle)


def transform(boxes: Boxes, matrix: NDArray[np.float64]) -> Boxes:
    """Boxes after an affine map.

    A vehicle does not fill its corners, so its box grows less under rotation.
    """
    if not len(boxes):
        return boxes
    x1, y1, x2, y2 = boxes[:, 1:].T
    cut = np.where(boxes[:, 0] == VEHICLE, 0.2, 0.0)
    dx, dy = (x2 - x1) * cut, (y2 - y1) * cut
    xs = np.stack([x1 + dx, x2 - dx, x1, x2, x1, x2, x1 + dx, x2 - dx], 1)
    ys = np.stack([y1, y1, y1 + dy, y1 + dy, y2 - dy, y2 - dy, y2, y2], 1)
    px = matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2]
    py = matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2]
    return np.column_stack([boxes[:, 0], px.min(1), py.min(1), px.max(1), py.max(1)]).astype(np.float32)


def clip(boxes: Boxes, width: int, height: int, everything: bool = False) -> tuple[Boxes, Boxes]:
    """Boxes cut to the view: (to learn from, to ignore because little of them is left or they are specks)."""
    if not len(boxes):
        return boxes, boxes
    area = np.prod(boxes[:, 3:] - boxes[:, 1:3], axis=1)
    cut = boxes.copy()
    cut[:, [1, 3]] = cut[:, [1, 3]].clip(0, width)
    cut[:, [2, 4]] = cut[:, [2, 4]].clip(0, height)
    sides = cut[:, 3:] - cut[:, 1:3]
    inside = sides.min(1) > 1
    if everything:
        return cut[inside], cut[:0]
    visible = np.prod(sides, axis=1) / np.maximum(area, 1)
    plate = boxes[:, 0] == PLATE
    good = np.where(
        plate,
        (visible > 0.7) & (sides[:, 0] >= 7) & (sides[:, 1] >= 3),
        (visible > 0.25) & (sides.min(1) >= 9),
    )
    return cut[inside & good], cut[inside & ~good]


def replace_plates(
    library: Library, canvas: Image, boxes: Boxes, angle: float, rng: Rng
) -> tuple[Boxes, list[NDArray[np.float32]]]:
    """Paste other plates, of any country and shape, over the labelled ones of `canvas`, in place.

    Returns the boxes as they are now, and the corners of the pasted plates.
    """
    boxes, quads = boxes.copy(), []
    height, width = canvas.shape[:2]
    for row in boxes:
        x1, y1, x2, y2 = row[1:]
        w, h = x2 - x1, y2 - y1
        if (
            row[0] != PLATE
            or w < 9
            or rng.random() < (0.25 if abs(angle) < 10 else 0.0)
            or x1 < 1
            or y1 < 1
            or x2 > width - 1
            or y2 > height - 1
        ):
            continue
        erase(canvas, x1, y1, x2, y2)
        crop = library.plate(rng)
        aspect = crop.shape[1] / crop.shape[0]
        wide = float(np.clip(np.sqrt(w * h * 1.25 * aspect), w * 0.55, w * 1.15))
        quad = tilted_quad((x1 + x2) / 2, (y1 + y2) / 2, wide, wide / aspect, angle, rng)
        paste(canvas, crop, quad, rng)
        row[1:] = *quad.min(0), *quad.max(0)
        quads.append(quad)
    return boxes, quads


def erase(canvas: Image, x1: float, y1: float, x2: float, y2: float) -> None:
    """Fill a plate's place with a blend of the rows just above and below it."""
    a, b = int(max(x1 - 1, 0)), int(min(x2 + 2, canvas.shape[1]))
    top, bottom = int(max(y1 - 2, 0)), int(min(y2 + 2, canvas.shape[0] - 1))
    upper, lower = canvas[top, a:b].astype(np.float32), canvas[bottom, a:b].astype(np.float32)
    mix = np.linspace(0, 1, bottom - top + 1, dtype=np.float32)[:, None, None]
    fill = cv2.blur(upper[None] * (1 - mix) + lower[None] * mix, (5, 3))
    canvas[top : bottom + 1, a:b] = fill.reshape(bottom - top + 1, b - a, 3).astype(np.uint8)


def tilted_quad(cx: float, cy: float, w: float, h: float, angle: float, rng: Rng) -> NDArray[np.float32]:
    """Corners (tl, tr, br, bl) of a plate seen a little from the side."""
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
    corners[:, 0] *= rng.uniform(0.75, 1.0)
    corners[:, 1] += corners[:, 0] * rng.normal(0, 0.08)
    side = rng.normal(0, 0.12 if rng.random() < 0.2 else 0.05)
    corners[:, 1] *= 1 + side * np.sign(corners[:, 0])
    rad = np.deg2rad(angle + rng.normal(0, 1.5))
    rotation = np.array([[np.cos(rad), -np.sin(rad)], [np.sin(rad), np.cos(rad)]])
    return np.asarray(corners @ rotation.T + [cx, cy], np.float32)


def paste(canvas: Image, crop: Image, quad: NDArray[np.float32], rng: Rng) -> None:
    """Warp a plate picture onto `quad` of the canvas, in place, lit roughly like its surroundings."""
    x0, y0 = np.maximum(np.floor(quad.min(0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(quad.max(0)).astype(int) + 2, canvas.shape[1::-1])
    if x1 - x0 < 3 or y1 - y0 < 2:
        return
    w = max(float(np.ptp(quad[:, 0])), 4.0)
    while crop.shape[1] > 2.2 * w and crop.shape[0] > 8:
        crop = np.asarray(cv2.resize(crop, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    ch, cw = crop.shape[:2]
    source = np.array([[0, 0], [cw, 0], [cw, ch], [0, ch]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, quad - np.array([x0, y0], np.float32))
    shape = (int(x1 - x0), int(y1 - y0))
    plate = cv2.warpPerspective(crop, matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = (
        cv2.warpPerspective(np.full((ch, cw), 255, np.uint8), matrix, shape).astype(np.float32)[..., None]
        / 255
    )
    region = canvas[y0:y1, x0:x1].astype(np.float32)
    paper = max(float(plate.mean()), 110.0)  # a dark plate stays dark, whatever is round it
    light = float(np.clip((region.mean() + 40) / paper, 0.25, 1.6)) ** rng.uniform(0.0, 0.9)
    lit = np.clip(plate.astype(np.float32) * light + rng.normal(0, 6), 0, 255)
    canvas[y0:y1, x0:x1] = (region * (1 - mask) + lit * mask).astype(np.uint8)


def paste_anywhere(library: Library, view: View, rng: Rng) -> tuple[View, NDArray[np.float32]]:
    """A plate where no vehicle need be, up to nearly the whole view, covering what is below; its corners."""
    height, width = view.image.shape[:2]
    crop = library.plate(rng)
    w = float(np.exp(rng.uniform(np.log(0.12), np.log(0.9)))) * width
    w *= min(1.0, height * 0.8 / (w * crop.shape[0] / crop.shape[1]))
    h = w * crop.shape[0] / crop.shape[1]
    centre = rng.uniform(w / 2, width - w / 2), rng.uniform(h / 2, height - h / 2)
    quad = tilted_quad(centre[0], centre[1], w, h, rng.normal(0, 7), rng)
    quad = quad.clip(0, [width - 1, height - 1]).astype(np.float32)
    paste(view.image, crop, quad, rng)
    box = np.array([[PLATE, *quad.min(0), *quad.max(0)]], np.float32)
    plates = view.boxes[:, 0] == PLATE
    low = np.maximum(view.boxes[:, 1:3], box[:, 1:3])
    high = np.minimum(view.boxes[:, 3:], box[:, 3:])
    covered = plates & (np.prod(np.maximum(high - low, 0), axis=1) > 0)
    return View(view.image, np.concatenate([view.boxes[~covered], box]), view.ignore), quad


def quarter_turn(view: View, turns: int) -> View:
    """The view turned by 90 degrees counter-clockwise, once (`turns` 1) or three times (3)."""
    height, width = view.image.shape[:2]

    def turn(boxes: Boxes) -> Boxes:
        kind, x1, y1, x2, y2 = boxes.T
        if turns == 1:
            return np.column_stack([kind, y1, width - x2, y2, width - x1]).astype(np.float32)
        return np.column_stack([kind, height - y2, x1, height - y1, x2]).astype(np.float32)

    return View(np.ascontiguousarray(np.rot90(view.image, turns)), turn(view.boxes), turn(view.ignore))


def photometric(image: Image, rng: Rng) -> Image:
    """Light, colour, blur, noise and compression of cheap cameras."""
    out = image
    if rng.random() < 0.25:  # as from an infrared camera
        out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < 0.8 and image.mean() > 30:  # nothing would be left to see of a darkened night
        out = cv2.LUT(out, tone_curves(rng))
    if rng.random() < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.5))
    elif rng.random() < 0.12:
        out = motion_blur(out, int(rng.integers(3, 8)), rng.uniform(0, 180))
    if rng.random() < 0.2:
        noise = np.empty(out.shape, np.int16)
        cv2.randn(noise, 0, float(rng.uniform(2, 15)))
        out = cv2.add(out, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.2:
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
        out = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.asarray(out, np.uint8)


def tone_curves(rng: Rng) -> Image:
    """Random gain, contrast, brightness and gamma for each colour, as a lookup table [1, 256, 3]."""
    levels = np.arange(256, dtype=np.float32)[:, None] * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    levels = (levels - 128) * rng.uniform(0.7, 1.3) + 128 + rng.normal(0, 18)
    if rng.random() < 0.35:
        levels = 255 * (levels.clip(0, 255) / 255) ** np.exp(rng.uniform(-0.6, 0.6))
    return levels.clip(0, 255).astype(np.uint8)[None]


def motion_blur(image: Image, length: int, angle: float) -> Image:
    """Blur along a line of `length` pixels."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    matrix = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), angle, 1)
    kernel = cv2.warpAffine(kernel, matrix, (length, length))
    return np.asarray(cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1e-3)), np.uint8)
