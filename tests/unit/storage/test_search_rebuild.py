"""The search index made anew from the event store, on the embedded stores."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from plates.event import PlateEvent
from storage import embedded
from storage.search.port import SearchMode, SearchQuery
from tests.builders.events import START, event

EVENTS = [event(f"P{number:04}", at=START + timedelta(seconds=number)) for number in range(2500)]


async def store(home: Path, stored: list[PlateEvent], indexed: list[PlateEvent]) -> None:
    """Fill the event store and the search index of a data directory."""
    events, index = await embedded.open_events(home), await embedded.open_search(home)
    await events.write(stored)
    await index.index(indexed)
    await events.close()
    await index.close()


async def texts(home: Path, text: str, mode: SearchMode) -> list[str]:
    """What a search finds in that directory."""
    index = await embedded.open_search(home)
    page = await index.search(SearchQuery(text, mode), 5000)
    await index.close()
    return [hit.text for hit in page.hits]


@pytest.fixture
def ovr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A runner whose data directory is the test's."""
    monkeypatch.setenv("OVR_HOME", str(tmp_path))
    return CliRunner()


def test_a_lost_index_comes_back_whole(ovr: CliRunner, tmp_path: Path) -> None:
    """With search.db gone, or parts of it, a rebuild finds every event of the store again, in every mode."""
    asyncio.run(store(tmp_path, EVENTS, EVENTS[:100]))
    with sqlite3.connect(tmp_path / "search.db") as damaged:
        damaged.execute("DELETE FROM deletions")
        damaged.execute("DELETE FROM grams")
    done = ovr.invoke(app, ["search-index", "rebuild"])
    assert done.exit_code == 0, done.output
    assert "2500 events read" in done.output
    assert asyncio.run(texts(tmp_path, "P", SearchMode.PREFIX)) == [e.plate.text for e in reversed(EVENTS)]
    assert "P0007" in asyncio.run(texts(tmp_path, "P0X07", SearchMode.ONE_EDIT))
    assert asyncio.run(texts(tmp_path, "*0007", SearchMode.WILDCARD)) == ["P0007"]


def test_what_the_store_does_not_know_is_kept_until_told(ovr: CliRunner, tmp_path: Path) -> None:
    """A rebuild that finds events in the index alone says so, keeps them and fails; with --forget they go."""
    asyncio.run(store(tmp_path, EVENTS[:10], EVENTS[:15]))
    done = ovr.invoke(app, ["search-index", "rebuild", "--patience", "0"])
    assert done.exit_code == 1
    assert "5 events of the old index" in done.output
    assert len(asyncio.run(texts(tmp_path, "P", SearchMode.PREFIX))) == 15
    done = ovr.invoke(app, ["search-index", "rebuild", "--patience", "0", "--forget"])
    assert done.exit_code == 0, done.output
    assert len(asyncio.run(texts(tmp_path, "P", SearchMode.PREFIX))) == 10
    assert asyncio.run(texts(tmp_path, "*0012", SearchMode.WILDCARD)) == []
