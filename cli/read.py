"""`ovr read`: plates in pictures, in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cli.console import complain, fail, out

if TYPE_CHECKING:
    from vision.pipeline import PictureRead
    from vision.port import Image


def read(
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", metavar="PATH...")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a picture, a line each.")] = False,
    show: Annotated[Path | None, typer.Option(help="Draw the reads into copies in this folder.")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out plates that are less sure.")
    ] = None,
) -> None:
    """Read the plates in pictures; no server is needed.

    Example: ovr read car.jpg holiday-photos/ --json --show /tmp/seen
    """
    from vision.pictures import find_pictures, load_picture
    from vision.pipeline import PipelineSettings, open_picture_reader
    from vision.port import VisionError

    settings = PipelineSettings(min_confidence=min_confidence) if min_confidence is not None else None
    try:
        reader = open_picture_reader(settings=settings)
    except VisionError as error:
        fail(str(error))
    failed = 0
    pictures = find_pictures(images)
    taken = {path.resolve() for path in pictures}
    for path in images:
        if path.is_dir() and not find_pictures([path]):
            complain(f"{path}: the folder holds no picture")
            failed += 1
    for path in pictures:
        started = perf_counter()
        try:
            picture = load_picture(path)
        except VisionError as error:
            complain(str(error))
            failed += 1
            continue
        found = reader.read(picture)
        elapsed_ms = (perf_counter() - started) * 1e3
        if as_json:
            _print_json(path, found, elapsed_ms)
        else:
            _print_lines(path, found, elapsed_ms)
        if show is not None:
            _draw(picture, found, _free_name(show, path, taken))
    if failed:
        raise SystemExit(1)


def _print_json(path: Path, found: Sequence[PictureRead], elapsed_ms: float) -> None:
    import orjson

    line = {
        "image": str(path),
        "plates": [
            {
                "text": item.plate.text,
                "confidence": round(item.plate.confidence, 4),
                "box": [round(value, 1) for value in dataclasses.astuple(item.box)],
                "region": item.plate.region,
                "alternatives": [
                    {"text": other.text, "confidence": round(other.confidence, 4)}
                    for other in item.plate.alternatives
                ],
            }
            for item in found
        ],
        "elapsed_ms": round(elapsed_ms, 1),
    }
    print(orjson.dumps(line).decode(), flush=True)


def _print_lines(path: Path, found: Sequence[PictureRead], elapsed_ms: float) -> None:
    console = out()
    elapsed = (f"  {elapsed_ms:.0f} ms", "dim")
    if not found:
        console.print(Text.assemble(f"{path}: no plate", elapsed))
    for item in found:
        plate = item.plate
        text = (plate.text, "bold") if plate.text else ("unreadable", "dim")
        console.print(Text.assemble(f"{path}: ", text, f" {plate.confidence:.1%} {plate.region}", elapsed))


def _free_name(directory: Path, path: Path, taken: set[Path]) -> Path:
    """A name that no picture of this run has, read or drawn: they may come from several directories."""
    target, number = directory / f"{path.stem}.jpg", 1
    while target.resolve() in taken:
        target, number = directory / f"{path.stem}-{number}.jpg", number + 1
    taken.add(target.resolve())
    return target


def _draw(picture: Image, found: Sequence[PictureRead], target: Path) -> None:
    import cv2

    from vision.draw import draw

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"{target.parent}: cannot be made: {error.strerror}")
    if not cv2.imwrite(str(target), draw(picture, found)):
        fail(f"{target}: cannot be written")
