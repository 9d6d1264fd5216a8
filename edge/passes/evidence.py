"""The pictures that prove a pass, as they are stored: JPEG files named by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from edge.frame import Pixels
from edge.passes.views import View
from plates.event import Evidence, EvidenceKind


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture's bytes and what the event says of them."""

    item: Evidence
    data: bytes


def encode(pixels: Pixels, kind: EvidenceKind, quality: int) -> StoredPicture:
    """A picture as a JPEG file of `quality` 0..100, named by its SHA-256."""
    written, buffer = cv2.imencode(".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not written:
        raise ValueError(f"a picture of shape {pixels.shape} cannot be encoded as JPEG")
    data = buffer.tobytes()
    digest = hashlib.sha256(data).hexdigest()
    height, width = pixels.shape[:2]
    key = f"sha256/{digest[:2]}/{digest}.jpg"
    return StoredPicture(Evidence(key, digest, kind, "image/jpeg", width, height), data)


def pictures(view: View | None, quality: int) -> tuple[StoredPicture, ...]:
    """The pictures of a view, best first: the plate, the vehicle, the scene; empty without a view."""
    if view is None:
        return ()
    wanted = (
        (view.plate, EvidenceKind.PLATE),
        (view.vehicle, EvidenceKind.VEHICLE),
        (view.scene, EvidenceKind.SCENE),
    )
    return tuple(encode(pixels, kind, quality) for pixels, kind in wanted if pixels is not None)
