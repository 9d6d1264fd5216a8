"""`ovr bench`: measure on pictures of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from cli.console import err, fail, out

if TYPE_CHECKING:
    from vision.evaluation import SetReport

app = typer.Typer(
    no_args_is_help=True,
    help="Measure on pictures of your own.\n\nExample: ovr bench accuracy --labels photos/labels.jsonl",
)


@app.callback()
def main() -> None:
    """Keeps `accuracy` a command of its own, though it is the only one."""


@app.command()
def accuracy(
    labels: Annotated[Path, typer.Option(help="A JSON line a picture: image, and plates with box and text.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures; default: the labels'.")] = None,
    failures: Annotated[Path | None, typer.Option(help="Draw what was missed or misread in here.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Reads from here on can be false reads; default: what `ovr read` shows."
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="A model's name, or models:/NAME@ALIAS; default: the best installed.")
    ] = "",
    reader: Annotated[
        str, typer.Option(help="The same, or two with a plus between; default: the best installed.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")] = False,
) -> None:
    """Say how well the plates of labelled pictures are found and read.

    A line of the labels: {"image": "a.jpg", "plates": [{"box": [x, y, w, h], "text": "ABC123"}]}

    Example: ovr bench accuracy --images gate/ --labels gate/labels.jsonl --failures /tmp/failures
    """
    from mesh.settings import ConfigError, load
    from vision.evaluation import evaluate, summarise
    from vision.labels import load_set
    from vision.pipeline import PictureReader, PipelineSettings
    from vision.port import VisionError
    from vision.registry.choice import open_named_detector, open_named_reader
    from vision.registry.settings import RegistrySettings

    try:
        labelled = load_set(labels, images)
        settings = load(RegistrySettings)
        engines = open_named_detector(detector, settings), open_named_reader(reader, settings)
        pipeline = PictureReader(*engines, PipelineSettings(min_confidence=0.0))
        with Progress(console=err(), transient=True) as progress:
            task = progress.add_task(labelled.name, total=len(labelled.pictures))
            results = evaluate(
                labelled, pipeline.read, failures=failures, progress=lambda: progress.advance(task)
            )
    except (VisionError, ConfigError) as error:
        fail(str(error))
    shown = PipelineSettings().min_confidence if threshold is None else threshold
    report = summarise(labelled.name, "whole", results, shown)
    if as_json:
        import orjson

        print(orjson.dumps(report).decode())
    else:
        out().print(report_table([report]))


def report_table(reports: Sequence[SetReport]) -> Table:
    """The reports as people read them; shares in percent."""
    view = Table(box=None, pad_edge=False)
    columns = (
        "set",
        "way",
        "pictures",
        "plates",
        "recall",
        "precision",
        "exact",
        "O=0",
        "O=0 I=1",
        "shown",
        "chars",
    )
    for name in (*columns, "false reads", "ECE", "ms", "CPU ms"):
        view.add_column(name, justify="left" if name in ("set", "way") else "right")
    for r in reports:
        shares = (r.recall, r.precision, r.exact, r.exact_o0, r.exact_o0_i1, r.shown, r.characters)
        cells = ["" if share is None else f"{100 * share:.1f}" for share in shares]
        error = "" if r.calibration_error is None else f"{r.calibration_error:.3f}"
        times = (f"{r.ms:.1f}", f"{r.cpu_ms:.1f}")
        view.add_row(r.name, r.way, str(r.pictures), str(r.plates), *cells, str(r.false_reads), error, *times)
    return view
