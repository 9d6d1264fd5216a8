"""Picture files: good ones upright, others refused in words."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from vision.pictures import Limits, PictureError, decode_picture, find_pictures, load_picture


def encoded(image: PIL.Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises far more than its few bytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def test_exif_orientation_is_honoured() -> None:
    """A photo that says it lies on its side is stood up."""
    image = PIL.Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    assert decode_picture(encoded(image, "JPEG", exif=exif)).shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["L", "1", "RGBA", "P", "I;16"])
def test_every_kind_of_pixel_becomes_bgr(mode: str) -> None:
    """Grey, bilevel, transparent, palette and 16-bit pictures are three channels of 8 bits."""
    image = decode_picture(encoded(PIL.Image.new(mode, (8, 6))))
    assert image.shape == (6, 8, 3)
    assert image.dtype == np.uint8


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    """A small file that unpacks to 4 gigapixels costs nothing and is named."""
    with pytest.raises(PictureError, match=r"60000 x 60000|header"):
        decode_picture(bomb(60_000, 60_000), name="bomb.png")
    with pytest.raises(PictureError, match=r"^big\.png: 9000 x 9000 pixels are more than 64000000 allowed"):
        decode_picture(bomb(9000, 9000), name="big.png")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", bomb(5, 5)[:40]])
def test_what_is_no_picture_is_named(data: bytes) -> None:
    """Empty, foreign and broken files give an error that begins with the name."""
    with pytest.raises(PictureError, match=r"^x\.png: "):
        decode_picture(data, name="x.png")


def test_only_the_formats_asked_for_are_decoded() -> None:
    """Where JPEG is expected, a PNG is no picture."""
    with pytest.raises(PictureError, match="is no picture"):
        decode_picture(encoded(PIL.Image.new("RGB", (4, 4))), limits=Limits(formats=("JPEG",)))


def test_folders_give_their_pictures_sorted_and_files_are_taken_as_given(tmp_path: Path) -> None:
    """Folders are searched below too; a file that was named is kept even if it looks like no picture."""
    (tmp_path / "sub").mkdir()
    for name in ("b.JPG", "sub/a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    found = find_pictures([tmp_path, tmp_path / "notes.txt"])
    assert [path.name for path in found] == ["b.JPG", "a.png", "notes.txt"]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """The error says which file and why."""
    with pytest.raises(PictureError, match=r"gone\.png: cannot be read: No such file"):
        load_picture(tmp_path / "gone.png")
