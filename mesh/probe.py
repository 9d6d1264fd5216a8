"""`python -m mesh.probe ADDRESS`: exit code 0 if what is there does its work, for a container's health check.

ADDRESS is HOST:PORT or unix:PATH of a gRPC service, which is asked for its readiness, or an http:// address,
which has to answer with a status below 400.
"""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request

TIMEOUT = 5.0


def main(arguments: list[str]) -> int:
    """The exit code for the addresses given: 0 if each does its work, 1 if not, 2 without one."""
    if not arguments:
        print("usage: python -m mesh.probe HOST:PORT|unix:PATH|http://...", file=sys.stderr)
        return 2
    return int(
        not all(_answers(address) if "://" in address else _is_ready(address) for address in arguments)
    )


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT):
            return True
    except (urllib.error.URLError, OSError) as error:
        print(f"{address}: {error}", file=sys.stderr)
        return False


def _is_ready(address: str) -> bool:
    from mesh.client import connect
    from mesh.health import READINESS, ask
    from mesh.settings import MeshSettings, load

    async def run() -> bool:
        async with connect(address, peer="probe", settings=load(MeshSettings)) as channel:
            return await ask(channel, READINESS, TIMEOUT)

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
