"""The console in a real browser, before a gateway with a small world behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from gateway.auth import Role, new_key
from mesh.testing import Harness
from tests.builders.mesh_world import World, alert_of, gateway_before, small_world
from tests.builders.passes import made_up_pass, scene
from tests.e2e.browser import find_browser, open_browser
from tests.mesh.gateway.conftest import NOW

SEVERE = "SEVERE"
UNLABELLED = """
const labels = (e) => [...(e.labels ?? [])].map((label) => label.innerText).join("");
const words = (e) => e.getAttribute("aria-label") || e.title || e.innerText || e.alt || labels(e) || "";
const named = (e) => words(e).trim() || e.querySelector("img[alt]:not([alt=''])");
const controls = [...document.querySelectorAll("a, button, input, select, summary")];
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
return [
  ...controls.filter((e) => e.checkVisibility() && !named(e)).map((e) => e.outerHTML),
  ...[...document.querySelectorAll("img:not([alt])")].map((e) => e.outerHTML),
  ...ids.filter((id, index) => ids.indexOf(id) !== index),
];
"""
ALL_LOADED = (
    "return [...document.querySelectorAll('.card img')].every((i) => i.complete && i.naturalWidth > 0)"
)
ALL_BLOBS = "return [...document.querySelectorAll('.card img')].every((i) => i.src.startsWith('blob:'))"
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass
class Site:
    """A running gateway: its address, its world, and a way to do things on its loop."""

    url: str
    world: World
    home: Any
    loop: asyncio.AbstractEventLoop

    def do(self, work: Any) -> Any:
        """Run a coroutine on the gateway's loop."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(20)


def serve(require_keys: bool, ready: Callable[[Site], None], stop: threading.Event) -> None:
    """Serve a small world until `stop`, on a loop and a thread of its own: the browser's driver blocks."""

    async def main() -> None:
        world = small_world(NOW)
        world.events[1].camera_id = HOSTILE
        world.events[1].plate.region = ""
        async with Harness() as mesh:
            await world.serve(mesh)
            if require_keys:
                new_key(mesh.home / "gateway.keys", "unused", Role.READ)
            async with gateway_before(mesh, require_keys=require_keys) as client:
                url = str(client.base_url).rstrip("/")
                ready(Site(url, world, mesh.home, asyncio.get_running_loop()))
                await asyncio.to_thread(stop.wait)

    asyncio.run(main())


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A gateway on loopback without keys."""
    yield from _site(False)


@pytest.fixture(scope="module")
def locked_site() -> Iterator[Site]:
    """A gateway that needs keys."""
    yield from _site(True)


def _site(require_keys: bool) -> Iterator[Site]:
    find_browser()
    started: Future[Site] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(require_keys, started.set_result, stop), daemon=True)
    thread.start()
    yield started.result(60)
    stop.set()
    thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """A desktop browser, shared by the tests of this file."""
    with open_browser(1280, 860) as chrome:
        yield chrome


@pytest.fixture
def page(browser: Chrome, site: Site) -> Page:
    """The console, freshly opened."""
    opened = Page(browser, site.url)
    opened.open("#/live")
    return opened


class Page:
    """The console as a person sees it."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self, hash: str) -> None:
        """Open a view from scratch."""
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(f"{self.url}/{hash}")

    def all(self, selector: str) -> list[Any]:
        """The elements now."""
        return list(self.browser.find_elements(By.CSS_SELECTOR, selector))

    def wait(self, condition: Callable[[], Any], seconds: float = 20) -> Any:
        """What `condition` gives, once it gives something."""
        return WebDriverWait(self.browser, seconds, 0.05, [StaleElementReferenceException]).until(
            lambda _: condition()
        )

    def one(self, selector: str) -> Any:
        """The first element, once it is there."""
        return self.wait(lambda: next(iter(self.all(selector)), None))

    def text(self, selector: str) -> str:
        """The text of the first element, once it is there."""
        return str(self.one(selector).text)

    def complaints(self) -> list[str]:
        """What the browser had to say: script errors, refused policies, failed requests."""
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == SEVERE]

    def unlabelled(self) -> list[str]:
        """Controls that a screen reader could not name, pictures without a text, and ids given twice."""
        found: list[str] = self.browser.execute_script(UNLABELLED)
        return found


def test_live_passes_arrive_with_their_crops(page: Page, site: Site) -> None:
    """Passes are listed with pictures, and a new one appears at the top by itself."""
    page.wait(lambda: len(page.all(".card")) >= 4)
    page.wait(lambda: page.text("#connection") == "live")
    page.wait(lambda: page.browser.execute_script(ALL_LOADED))
    made, pictures = made_up_pass(60, NOW, "entrance")
    assert made.plate is not None
    site.do(site.world.publish(made, pictures))
    page.wait(lambda: page.text(".card:first-child .plate .text") == made.plate.text)
    page.wait(
        lambda: (
            made.plate.text
            in page.browser.execute_script("return document.getElementById('announce').textContent")
        )
    )
    assert page.complaints() == []


def test_names_are_text_and_nothing_else(page: Page, site: Site) -> None:
    """A camera called like an element is shown as its name."""
    page.wait(lambda: any(HOSTILE in card.text for card in page.all(".card")))
    assert not page.all("img[src='x']")


def test_search_finds_and_can_be_shared(page: Page, site: Site) -> None:
    """A search by keyboard finds the pass, and its address finds it again."""
    wanted = site.world.events[0].plate.text
    page.one("body").send_keys("/")
    box = page.one("input[type=search]")
    page.wait(lambda: page.browser.switch_to.active_element == box)
    box.send_keys(wanted.lower(), Keys.ENTER)
    page.wait(lambda: wanted in [item.text for item in page.all(".results .plate .text")])
    address = page.browser.current_url
    assert f"text={wanted.lower()}" in address
    page.open("#" + address.partition("#")[2])
    page.wait(lambda: wanted in [item.text for item in page.all(".results .plate .text")])
    box = page.one("input[type=search]")
    box.clear()
    box.send_keys("ZZZZZZZ", Keys.ENTER)
    page.wait(lambda: "Nothing found" in page.text(".results"))
    assert page.complaints() == []


def test_an_event_explains_itself(page: Page, site: Site) -> None:
    """A pass shows each character's possibilities, its reads with their weights, pictures and trace."""
    event = site.world.events[0]
    page.open(f"#/live/{event.event_id}")
    page.wait(lambda: len(page.all(".char")) == len(event.plate.text))
    assert "".join(item.text for item in page.all(".glyph")) == event.plate.text
    assert len(page.all("#detail tbody tr")) == len(event.provenance.reads)
    assert len(page.all("#detail figure img")) == len(event.evidence)
    assert event.trace_id in page.text("#detail .facts")
    shares = page.browser.execute_script(
        "return [...document.querySelectorAll('.char')].map((c) => [...c.querySelectorAll('.bars li')]"
        ".map((l) => Number(l.style.getPropertyValue('--share'))))"
    )
    assert all(bars == sorted(bars, reverse=True) and sum(bars) <= 1.001 for bars in shares)
    page.one("body").send_keys(Keys.ESCAPE)
    page.wait(lambda: not page.one("#detail").is_displayed())
    assert page.complaints() == []


def test_an_unknown_event_says_so(page: Page) -> None:
    """A pass that is not there is told in words, with its trace."""
    page.open("#/live/01928f5e-7a3c-7c41-9b52-0d6f2f6c1aff")
    page.wait(lambda: "there is no event" in page.text("#detail"))


def test_an_alert_is_told_and_acknowledged(page: Page, site: Site) -> None:
    """An alert that fires is told on every view, counted, and acknowledged with a name."""
    page.wait(lambda: page.text("#alert-count") == "1")
    site.do(site.world.fire(alert_of(site.world.events[2], 9)))
    page.wait(lambda: "On the watchlist" in page.text(".toast"))
    page.one(".toast a").click()
    page.wait(lambda: len(page.all(".alert[data-open=true]")) == 2)
    form = page.one(".alert:first-child form")
    form.find_element(By.NAME, "who").send_keys("night shift")
    form.find_element(By.NAME, "note").send_keys("called", Keys.ENTER)
    page.wait(lambda: "Seen by night shift" in page.text(".alert:first-child"))
    page.wait(lambda: page.text("#alert-count") == "1")
    assert site.world.alerts[-1].note == "called"
    assert page.complaints() == []


def test_a_rule_can_be_tried(page: Page, site: Site) -> None:
    """The alerts view tells which rules a plate would fire."""
    page.open("#/alerts")
    box = page.one(".rules input")
    box.send_keys(site.world.rules[0].patterns[0], Keys.ENTER)
    page.wait(lambda: "fires" in page.text(".rules ul[role=status]"))


def test_a_picture_is_read(page: Page, site: Site, tmp_path: Path) -> None:
    """A picture of one's own is shown with its plate marked where it is."""
    path = tmp_path / "street.jpg"
    cv2.imwrite(str(path), scene(1, text="AB12CDE", region="gb")[0])
    page.open("#/read")
    page.one("#picture-file").send_keys(str(path))
    page.wait(lambda: page.text(".canvas .box b") == "AB12CDE")
    expected = scene(1, text="AB12CDE", region="gb")[3]
    left = page.browser.execute_script(
        "const b = document.querySelector('.canvas .box').getBoundingClientRect();"
        "const i = document.querySelector('.canvas img'); const r = i.getBoundingClientRect();"
        "return (b.left - r.left) / r.width * i.naturalWidth"
    )
    assert left == pytest.approx(expected.x, abs=2)
    assert page.complaints() == []


def test_cameras_say_how_they_are(page: Page) -> None:
    """Each camera shows its state, and one without a report is silent."""
    page.open("#/cameras")
    page.wait(lambda: len(page.all(".camera")) == 2)
    assert "31 late" in page.text(".camera")
    assert "silent" in page.text(".camera")


def test_the_reference_is_shown(page: Page) -> None:
    """The reference at /docs lists every path, from this machine alone."""
    page.open("docs")
    page.wait(lambda: len(page.all(".opblock")) >= 16)
    assert page.complaints() == []


@pytest.mark.parametrize("view", ["live", "search", "alerts", "cameras", "read"])
def test_everything_has_a_name(page: Page, view: str) -> None:
    """Every control can be named by a screen reader, every picture has its text."""
    page.open(f"#/{view}")
    page.wait(lambda: page.all("#view h1"))
    page.wait(lambda: page.all("#view li") or view in ("search", "read"))
    assert page.unlabelled() == []


def test_it_fits_a_phone(site: Site) -> None:
    """At phone width nothing is wider than the screen, and a pass takes the whole of it."""
    with open_browser(390, 844, dark=True) as chrome:
        phone = Page(chrome, site.url)
        for view in ("live", "search", "alerts", "cameras", "read", f"live/{site.world.events[0].event_id}"):
            phone.open(f"#/{view}")
            phone.wait(lambda: phone.all("#view h1"))
            phone.wait(lambda view=view: phone.all("#view li") or view in ("search", "read"))
            assert chrome.execute_script("return document.scrollingElement.scrollWidth") <= 390, view
        phone.wait(lambda: phone.all(".char"))
        assert not phone.one("#view").is_displayed()
        dark = "return getComputedStyle(document.body).backgroundColor"
        assert chrome.execute_script(dark) == "rgb(15, 18, 22)"


def test_a_key_is_asked_for(locked_site: Site) -> None:
    """Where keys are needed the console asks for one, says when it is wrong, and shows pictures with it."""
    key = new_key(locked_site.home / "gateway.keys", "desk", Role.READ)
    with open_browser(1280, 860) as chrome:
        page = Page(chrome, locked_site.url)
        page.open("#/live")
        for tried in ("ovr_wrong", key):
            page.wait(lambda: page.one("#key-dialog").get_attribute("open") is not None)
            field = page.one("#key")
            field.send_keys(tried, Keys.ENTER)
        page.wait(lambda: len(page.all(".card")) >= 4)
        page.wait(lambda: chrome.execute_script(ALL_BLOBS))
        assert chrome.execute_script("return localStorage.length") == 0
