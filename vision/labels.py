"""Labelled pictures: a `labels.jsonl` beside its images, one object a line.

    {"image": "images/x.jpg", "plates": [{"box": [x, y, w, h], "text": "ABC123" or null, "illegible": false}]}

Boxes are in pixels. Other keys are ignored. A set whose folder's name ends in `_crops` holds pictures of
one plate each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from plates.event import Box
from plates.text import normalise
from vision.port import VisionError

FILE_NAME = "labels.jsonl"
CROPS_SUFFIX = "_crops"


@dataclass(frozen=True, slots=True)
class LabelledPlate:
    """Where a plate is and what it says; no `text` where nobody could tell."""

    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture's file and its plates."""

    path: Path
    plates: tuple[LabelledPlate, ...]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Pictures labelled together. `crops`: each picture is of one plate alone."""

    name: str
    pictures: tuple[LabelledPicture, ...]
    crops: bool


class _Plate(BaseModel):
    box: tuple[float, float, float, float]
    text: str | None = None
    illegible: bool = False


class _Line(BaseModel):
    image: str = Field(min_length=1)
    plates: tuple[_Plate, ...]


def load_set(labels: Path, images: Path | None = None) -> LabelledSet:
    """The set of a labels file; paths of images are relative to `images`, by default the labels' folder.

    VisionError with `FILE:LINE: field: what is wrong` for a line that is not as it should be.
    """
    try:
        text = labels.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VisionError(f"{labels}: cannot be read: {error}") from error
    root = images or labels.parent
    pictures = tuple(_pictures(labels, text, root))
    if not pictures:
        raise VisionError(f"{labels}: labels no picture")
    return LabelledSet(labels.parent.name, pictures, labels.parent.name.endswith(CROPS_SUFFIX))


def _pictures(labels: Path, text: str, root: Path) -> Iterator[LabelledPicture]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = _Line.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "line"
            raise VisionError(f"{labels}:{number}: {field}: {first['msg']}") from error
        plates = tuple(
            LabelledPlate(Box(*plate.box), "" if plate.illegible else normalise(plate.text or ""))
            for plate in row.plates
        )
        path = root / row.image
        # Labels often say "images/x.jpg" beside the folder that the caller names.
        yield LabelledPicture(path if path.exists() else root / path.name, plates)


def find_sets(data: Path, names: Sequence[str] = ()) -> list[LabelledSet]:
    """Every set in the folders of `data`, by name, or those of these names; VisionError for one that is not
    there, or if there is none."""
    paths = {path.parent.name: path for path in sorted(data.glob(f"*/{FILE_NAME}"))}
    if not paths:
        raise VisionError(f"{data}: no folder here has a {FILE_NAME}")
    if missing := sorted(set(names) - paths.keys()):
        raise VisionError(f"{data}: no set called {', '.join(missing)}; there are: {', '.join(paths)}")
    return [load_set(path) for name, path in paths.items() if not names or name in names]
