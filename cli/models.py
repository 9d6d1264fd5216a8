"""`ovr models`: what is installed or registered, whether it is what it should be, and what serves."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli import registry
from cli.console import err, fail, out

app = typer.Typer(
    no_args_is_help=True, help="Models: list, verify, export, register, promote.\n\nExample: ovr models ls"
)


class ExportFormat(str, Enum):
    """What a model can be exported as."""

    ENGINE = "engine"


@app.command("ls")
def list_models() -> None:
    """List the installed models; the first of each kind is the default.

    Example: ovr models ls
    """
    from vision.manifest import Manifest
    from vision.port import VisionError

    try:
        manifest = Manifest.load()
    except VisionError as error:
        fail(str(error))
    table = Table("model", "version", "kind", "file", "licence", box=None, pad_edge=False)
    for entry in manifest.entries:
        table.add_row(entry.name, entry.version, entry.kind, entry.file, entry.licence)
    out().print(table)


@app.command()
def verify() -> None:
    """Check every model's file against its SHA-256 in the manifest.

    Example: ovr models verify
    """
    from vision.manifest import Manifest
    from vision.port import VisionError

    failed = False
    try:
        manifest = Manifest.load()
    except VisionError as error:
        fail(str(error))
    for entry in manifest.entries:
        try:
            manifest.weights(entry)
        except VisionError as error:
            err().print(f"error: {error}")
            failed = True
        else:
            print(f"{entry.name} {entry.version}: ok")
    if failed:
        raise SystemExit(1)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Model, as `ovr models ls` names it.")],
    to: Annotated[
        ExportFormat, typer.Option("--format", help="engine: TensorRT, FP16.")
    ] = ExportFormat.ENGINE,
    out_file: Annotated[Path | None, typer.Option("--out", help="Default: beside the model.")] = None,
) -> None:
    """Build a model for another engine; for TensorRT this needs its GPU and takes minutes.

    Example: ovr models export yolo11n-plate --format engine
    """
    from vision.manifest import Manifest
    from vision.port import VisionError

    try:
        from vision.backends.tensorrt import export_engine
    except ImportError as error:
        fail(f"TensorRT is not installed here ({error}); it comes with JetPack or the CUDA image")
    try:
        manifest = Manifest.load()
        entry = manifest.find(None, name)
        if entry is None:
            fail(f"there is no model {name!r}; `ovr models ls` lists them")
        print(export_engine(manifest.weights(entry), out_file))
    except VisionError as error:
        fail(str(error))


for command in (
    registry.register,
    registry.registered,
    registry.promote,
    registry.rollback,
    registry.shadow,
):
    app.command()(command)
