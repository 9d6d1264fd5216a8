"""`ovr keys`: API keys of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import err, fail

app = typer.Typer(no_args_is_help=True, help="API keys of the gateway.\n\nExample: ovr keys new console")


def _file() -> Path:
    from gateway.settings import GatewaySettings
    from mesh.settings import load

    settings = load(GatewaySettings)
    return settings.keys_file or settings.home / "gateway.keys"


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    write: Annotated[bool, typer.Option(help="It may also acknowledge alerts.")] = False,
) -> None:
    """Make a key and print it; only its hash is kept.

    Example: ovr keys new barrier-controller
    """
    from gateway.auth import KeyFileError, Role, new_key

    path = _file()
    try:
        key = new_key(path, name, Role.WRITE if write else Role.READ)
    except (KeyFileError, OSError) as error:
        fail(str(error))
    err().print(f"Kept as a hash in {path}; this is the only time the key is shown:")
    print(key)


@app.command("ls")
def list_keys() -> None:
    """List the names of the keys and what they allow.

    Example: ovr keys ls
    """
    from gateway.auth import KeyFileError, read_keys

    try:
        callers = read_keys(_file()).values()
    except KeyFileError as error:
        fail(str(error))
    for caller in callers:
        print(f"{caller.name}\t{caller.role.value}")


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="Whose key.")]) -> None:
    """Take a key out of force; a running gateway notices within a second.

    Example: ovr keys revoke barrier-controller
    """
    from gateway.auth import KeyFileError, revoke_key

    path = _file()
    try:
        found = revoke_key(path, name)
    except (KeyFileError, OSError) as error:
        fail(str(error))
    if not found:
        fail(f"{path}: there is no key named {name!r}")
