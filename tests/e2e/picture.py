"""The README's picture of the console, plates made up: `python -m tests.e2e.picture docs/console.png`."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import PIL.Image

from mesh.testing import Harness
from tests.builders.mesh_world import gateway_before, small_world
from tests.e2e.browser import open_browser

WIDTH, HEIGHT = 1280, 800
SETTLE_SECONDS = 4.0
COLOURS = 256


def shoot(url: str, event_id: str, out: Path) -> None:
    """Open a pass beside the live ones and keep what is seen."""
    with open_browser(WIDTH, HEIGHT) as browser:
        browser.get(f"{url}/#/live/{event_id}")
        time.sleep(SETTLE_SECONDS)
        seen = PIL.Image.open(io.BytesIO(browser.get_screenshot_as_png()))
    seen.convert("RGB").quantize(COLOURS).save(out, optimize=True)


async def main(out: Path) -> None:
    """Serve a small world of now and take its picture."""
    world = small_world(datetime.now(timezone.utc), passes=12)
    async with Harness() as mesh:
        await world.serve(mesh)
        async with gateway_before(mesh) as client:
            url = str(client.base_url).rstrip("/")
            await asyncio.to_thread(shoot, url, world.events[-1].event_id, out)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
