"""The console while its gateway goes away and comes back."""

from __future__ import annotations

import asyncio
from typing import Any

from mesh.testing import Harness
from tests.builders.mesh_world import free_port, gateway_before, small_world
from tests.builders.passes import made_up_pass
from tests.e2e.browser import open_browser
from tests.mesh.gateway.conftest import NOW

STATE = "return document.getElementById('connection').textContent"
TEXTS = "return [...document.querySelectorAll('.card .text')].map((element) => element.textContent)"


async def test_nothing_is_missed_while_the_gateway_restarts() -> None:
    """The console says that it is cut off, and what happened meanwhile is there once the gateway is back."""
    world, listen = small_world(NOW), f"127.0.0.1:{free_port()}"
    made, pictures = made_up_pass(70, NOW, "entrance")
    assert made.plate is not None
    async with Harness() as mesh:
        await world.serve(mesh)
        with open_browser(1280, 800) as browser:

            async def until(script: str, wanted: Any) -> None:
                """Wait until the page says what is wanted."""
                for _ in range(300):
                    said = await asyncio.to_thread(browser.execute_script, script)
                    if said == wanted or (isinstance(said, list) and wanted in said):
                        return
                    await asyncio.sleep(0.1)
                raise AssertionError(f"{wanted!r} never came: {said!r}")

            async with gateway_before(mesh, listen=listen):
                await asyncio.to_thread(browser.get, f"http://{listen}/#/live")
                await until(STATE, "live")
                await until(TEXTS, world.events[0].plate.text)
                # the stream has a cursor from its first sign of life
                await asyncio.sleep(0.6)
            await until(STATE, "connecting")
            await world.publish(made, pictures)
            async with gateway_before(mesh, listen=listen):
                await until(STATE, "live")
                await until(TEXTS, made.plate.text)
