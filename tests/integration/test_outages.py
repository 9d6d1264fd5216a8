"""The back of the mesh through outages of every engine and every service: nothing lost, nothing double, and
readiness tells the truth."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.builders.engines import needs
from tests.builders.world import CONTROL, NEEDS, engines
from tests.faults.audit import Ledger
from tests.faults.outages import Control, Outage, endure, quiet

pytestmark = [*needs(*NEEDS, CONTROL), pytest.mark.timeout(600)]

OUTAGES = (
    Outage("kafka", "kill", 3),
    Outage("ingest", "kill", 1),
    Outage("postgres", "pause", 8),
    Outage("event-writer", "kill", 1),
    Outage("minio", "kill", 6),
    Outage("registry", "kill", 1),
    Outage("search-indexer", "pause", 5),
    Outage("opensearch", "kill", 3),
    Outage("query", "kill", 1),
    Outage("postgres", "kill", 6),
    Outage("alert", "kill", 1),
    Outage("kafka", "pause", 8),
)
# Whose readiness must tell of it, for engines that are away long enough to be noticed.
TELLS = {"kafka": "ingest", "minio": "ingest", "postgres": "query", "opensearch": "query"}
CAUGHT_UP_SECONDS = 60.0


async def test_nothing_is_lost_or_doubled_while_engines_and_services_die(tmp_path: Path) -> None:
    """Every event that the edge's disk took while engines and services were killed and paused in turn is in
    store, search, watch, alerts and pictures exactly once, within a minute of the last outage; and while an
    engine was away, the service that needs it said that it was not ready."""
    ledger = Ledger()

    async def in_turn() -> AsyncIterator[Outage]:
        for outage in OUTAGES:
            await quiet(ledger, 60.0)
            yield outage

    async with engines() as env:
        verdict = await endure(
            tmp_path, env, in_turn(), rate=20.0, control=Control(os.environ[CONTROL]), ledger=ledger
        )
    assert verdict.clean, f"{verdict}\n" + "\n".join(what for _, what in ledger.log)
    assert verdict.drained_s + verdict.caught_up_s < CAUGHT_UP_SECONDS
    for engine, service in TELLS.items():
        assert not all(ready for _, ready in ledger.ready[service]), f"{service} did not tell of {engine}"
    assert all(changes[-1][1] for changes in ledger.ready.values()), "not ready again at the end"
