"""`ovr config`: is the configuration right, what is in force, what can be set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.processes import PARTS, PILOT

if TYPE_CHECKING:
    from mesh.settings import MeshSettings

app = typer.Typer(
    no_args_is_help=True,
    help="Configuration: check it, show it, list what can be set.\n\nExample: ovr config check",
)


@app.command()
def check() -> None:
    """Check every process's environment and every configuration file it names.

    Example: OVR_EDGE_CAMERAS=cameras.yaml ovr config check
    """
    from mesh.settings import load

    failed = False
    for part in (*PARTS, PILOT):
        try:
            load(part.settings_class())
        except SystemExit:
            failed = True
        else:
            print(f"{part.name}: ok")
    if failed:
        raise SystemExit(1)


@app.command()
def show() -> None:
    """Show the settings in force of every process; secrets are masked.

    Example: ovr config show
    """
    from mesh.settings import load, table

    for part in (*PARTS, PILOT):
        print(f"# {part.name}")
        for variable, value in table(load(part.settings_class())).items():
            print(f"{variable}={value}")


@app.command()
def reference() -> None:
    """Write the reference of all settings as Markdown; docs/configuration.md is made by this.

    Example: ovr config reference > docs/configuration.md
    """
    from mesh.settings import MeshSettings

    print("# Configuration\n")
    print("Made by `ovr config reference` from the settings classes; each is an environment variable.")
    print("The files in `config/` say in themselves what stands in them.\n")
    print("## Every process\n")
    own = {name for name, info in MeshSettings.model_fields.items() if not info.validation_alias}
    _print_table(MeshSettings, own)
    for part in (*PARTS, PILOT):
        print(f"\n## {part.name}: `python -m {part.module}`\n")
        _print_table(
            part.settings_class(), {n for n, f in MeshSettings.model_fields.items() if f.validation_alias}
        )


def _print_table(cls: type[MeshSettings], known: set[str]) -> None:
    from mesh.settings import variable

    print("| variable | default | meaning |\n|---|---|---|")
    for name, info in cls.model_fields.items():
        if name not in known:
            shown = str(_shipped(info.default))
            default = "" if shown in ("None", "", "()") else f"`{shown}`"
            print(f"| `{variable(cls, name)}` | {default} | {info.description or ''} |")


def _shipped(default: object) -> object:
    """A default as the reference shows it: files that are shipped, from the checkout's root."""
    root = Path(__file__).resolve().parent.parent
    if isinstance(default, Path) and default.is_relative_to(root):
        return default.relative_to(root)
    return default
