"""GStreamer pipelines are put together for the machine's own elements; where it is installed it decodes."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_media import picture, write_video

from edge.capture.gst import GstSource, available, pipeline
from edge.capture.port import SourceError

NOTHING: frozenset[str] = frozenset()
JETSON = frozenset({"nvv4l2decoder", "nvvidconv"})


def test_software_pipeline_for_rtsp() -> None:
    """Without hardware elements decodebin decodes, and only the newest frames are kept."""
    text = pipeline("rtsp://cam/a", NOTHING.__contains__)
    assert text.startswith(
        'rtspsrc location="rtsp://cam/a" latency=200 protocols=tcp ! decodebin ! videoconvert'
    )
    assert text.endswith("appsink name=sink max-buffers=2 drop=true sync=false")


def test_jetson_pipeline_uses_its_decoder() -> None:
    """On a Jetson NVDEC decodes, for the codec asked for."""
    text = pipeline("rtsp://cam/a", JETSON.__contains__, codec="h265")
    assert "rtph265depay ! h265parse ! nvv4l2decoder ! nvvidconv" in text


def test_file_pipeline_drops_nothing() -> None:
    """A recording keeps every frame."""
    text = pipeline("/videos/a.mp4", JETSON.__contains__)
    assert text.startswith('filesrc location="/videos/a.mp4" ! qtdemux ! h264parse ! nvv4l2decoder')
    assert "drop=false" in text


def test_address_cannot_add_elements() -> None:
    """Quotes in an address stay within it."""
    assert 'location="rtsp://a\\" ! filesink location=\\"x"' in pipeline(
        'rtsp://a" ! filesink location="x', NOTHING.__contains__
    )


def test_unknown_codec_is_refused() -> None:
    """A codec that has no parser is named."""
    with pytest.raises(ValueError, match="vp9"):
        pipeline("rtsp://cam/a", NOTHING.__contains__, codec="vp9")


@pytest.mark.skipif(not available(), reason="GStreamer is installed")
def test_missing_gstreamer_is_told(tmp_path: Path) -> None:
    """Without GStreamer its source fails for good and says why."""
    with pytest.raises(SourceError, match="not usable") as failure:
        next(iter(GstSource(str(tmp_path / "a.mp4")).pictures()))
    assert failure.value.permanent


@pytest.mark.skipif(bool(available()), reason=available() or "usable")
def test_gstreamer_decodes_a_recording(tmp_path: Path) -> None:
    """Where GStreamer is installed it gives every frame of a recording."""
    path = write_video(tmp_path / "clip.mp4", [picture(mark=4 * i) for i in range(10)])
    pictures = list(GstSource(str(path)).pictures())
    assert [p.pixels.shape for p in pictures] == [(96, 160, 3)] * 10
