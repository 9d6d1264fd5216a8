"""Frames as they travel, opened as pixels."""

import cv2
import numpy as np
import pytest

from mesh.errors import Kind, MeshError
from mesh.frames import FrameReader, FrameRing
from mesh.payload import FramePayload, PixelFormat
from vision.frames import FrameOpener
from wire.frame import payload_from_wire, payload_to_wire

IMAGE = np.random.default_rng(3).integers(0, 255, (30, 50, 3), dtype=np.uint8)
OPENER = FrameOpener(FrameReader(), 1_000_000)


def opened(payload: FramePayload) -> np.ndarray:
    """The pixels, copied, after a trip over the wire."""
    with OPENER.open(payload_from_wire(payload_to_wire(payload))) as pixels:
        return pixels.copy()


def test_shared_memory_inline_and_png_give_the_same_pixels() -> None:
    """However a frame travels, it arrives unchanged."""
    png = cv2.imencode(".png", IMAGE)[1].tobytes()
    with FrameRing(2, IMAGE.nbytes) as ring:
        lease = ring.put(IMAGE)
        assert lease is not None
        shared = FramePayload("cam", PixelFormat.BGR24, lease.ref, 30, 50)
        inline = FramePayload("cam", PixelFormat.BGR24, IMAGE.tobytes(), 30, 50)
        for payload in (shared, inline, FramePayload("cam", PixelFormat.PNG, png)):
            assert np.array_equal(opened(payload), IMAGE)


def test_rows_may_be_padded_and_grey_becomes_colour() -> None:
    """A stride beyond the row is skipped; a grey frame has three equal channels."""
    padded = np.zeros((30, 160), np.uint8)
    padded[:, :150] = IMAGE.reshape(30, 150)
    assert np.array_equal(
        opened(FramePayload("cam", PixelFormat.BGR24, padded.tobytes(), 30, 50, 160)), IMAGE
    )
    grey = opened(FramePayload("cam", PixelFormat.GRAY8, IMAGE[..., 0].tobytes(), 30, 50))
    assert np.array_equal(grey, np.repeat(IMAGE[..., :1], 3, axis=2))


def test_a_slot_that_is_used_anew_is_seen() -> None:
    """A reference to a frame that was overwritten is stale, not wrong pixels."""
    with FrameRing(1, IMAGE.nbytes) as ring:
        lease = ring.put(IMAGE)
        assert lease is not None
        lease.release()
        ring.put(IMAGE)
        with pytest.raises(MeshError) as raised:
            opened(FramePayload("cam", PixelFormat.BGR24, lease.ref, 30, 50))
    assert (raised.value.kind, raised.value.reason) == (Kind.STALE, "FRAME_REF_STALE")


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (FramePayload("cam", PixelFormat.BGR24, b"short", 30, 50), "frame.inline_data"),
        (FramePayload("cam", PixelFormat.BGR24, IMAGE.tobytes() + b"x", 30, 50), "frame.inline_data"),
        (FramePayload("cam", PixelFormat.BGR24, IMAGE.tobytes()), "frame.height"),
        (FramePayload("cam", PixelFormat.BGR24, IMAGE.tobytes(), 30), "frame.width"),
        (FramePayload("cam", PixelFormat.BGR24, IMAGE.tobytes(), 30, 50, 100), "frame.stride"),
        (FramePayload("cam", PixelFormat.GRAY8, b"x", 16384, 16384), "frame"),
        (FramePayload("cam", PixelFormat.JPEG, b"no jpeg"), "frame.inline_data"),
    ],
)
def test_what_is_no_frame_is_invalid_and_the_field_named(payload: FramePayload, field: str) -> None:
    """Sizes that do not fit, missing sides and broken pictures are the caller's error, by field."""
    with pytest.raises(MeshError) as raised:
        opened(payload)
    assert raised.value.kind is Kind.INVALID
    assert [violation.field for violation in raised.value.fields] == [field]
