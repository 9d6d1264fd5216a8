"""The questions of the Metabase dashboard on a real PostgreSQL, asked as the role that Metabase has."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from storage.events.postgres import PostgresEventStore
from tests.builders.engines import needs
from tests.builders.events import event
from tests.builders.postgres import NEEDS, database, settings_of

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy" / "metabase" / "dashboard.yaml"
QUESTIONS: list[dict[str, Any]] = yaml.safe_load(DASHBOARD.read_text("utf-8"))["questions"]

pytestmark = [pytest.mark.timeout(120), *needs(*NEEDS)]


async def test_questions_have_answers_without_plates() -> None:
    """Each question parses for ovr_metabase, gives the columns that its axes name, and shows no plate."""
    now = datetime.now(timezone.utc)
    async with database() as dsn:
        store = await PostgresEventStore.open(settings_of(dsn))
        passes = [event(at=now - timedelta(hours=hour)) for hour in range(1, 6)]
        await store.write(passes)
        await store.close()
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute("SELECT plate_events_refresh()")
            await connection.execute("SET ROLE ovr_metabase")
            answers = {question["name"]: await connection.fetch(question["query"]) for question in QUESTIONS}
            for question in QUESTIONS:
                prepared = await connection.prepare(question["query"])
                columns = {attribute.name for attribute in prepared.get_attributes()}
                assert {*question.get("across", ()), *question.get("up", ())} <= columns
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch("SELECT plate FROM plate_events")
        finally:
            await connection.close()
    plates = {item.plate.text for item in passes if item.plate is not None}
    assert plates
    assert not [plate for plate in plates if plate in str(answers)]
    assert answers["Passes by camera, last thirty days"][0]["passes"] == len(passes)
    assert answers["Plates seen most, by pseudonym, last thirty days"]
