"""`ovr dlq` on the mesh of one machine, with ingest at work."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from cli.main import app as ovr
from mesh.testing import Harness
from ovr.alpr.v1 import ingest_pb2
from services.ingest import app
from services.ingest.settings import IngestSettings
from storage import embedded
from storage.images.port import ImageStore
from storage.log.codec import decode_event
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ, NewRecord
from tests.builders.events import event, picture
from tests.builders.published import TRACEPARENT, publish, published


@pytest.fixture
async def mesh(monkeypatch: pytest.MonkeyPatch):
    """A mesh with ingest, which the commands find, too."""
    async with Harness() as harness:
        monkeypatch.setenv("OVR_HOME", str(harness.home))
        await harness.run("ingest", app.main, harness.settings(IngestSettings))
        yield harness


async def invoke(*words: str):
    """What a command says, run beside the mesh."""
    return await asyncio.to_thread(CliRunner().invoke, ovr, ["dlq", *words])


async def refused(mesh) -> bytes:
    """An event that ingest refused because it has no id; as it was sent."""
    broken = published(event(), 1, traceparent=TRACEPARENT)
    broken.event.event.event_id = "none"
    (ack,) = await publish(mesh.stub("ovr.alpr.v1.IngestService"), broken)
    assert ack.result == ingest_pb2.ACK_RESULT_DEAD_LETTERED
    return broken.event.SerializeToString()


async def test_what_ingest_refused_is_listed_and_shown(mesh):
    """The list has reason, kind and trace; `show` has the JSON and the bytes, `--raw` just these."""
    original = await refused(mesh)
    listed = await invoke("ls", "--json")
    row = json.loads(listed.stdout)
    assert (row["letter"], row["origin"], row["kind"]) == ("0/0", "ingest", "invalid")
    assert row["trace_id"] == TRACEPARENT.split("-")[1]
    assert row["reason"] in (await invoke("ls")).stdout
    shown = (await invoke("show", "0/0")).stdout
    assert '"event_id":"none"' in shown.replace(" ", "")
    assert original[:16].hex(" ") in shown
    assert (await invoke("show", "0/0", "--raw")).stdout_bytes == original
    assert (await invoke("show", "0/9")).exit_code == 1


async def test_what_ingest_still_refuses_stays_a_dead_letter(mesh):
    """A replay that is refused again says why, fails, and marks nothing."""
    await refused(mesh)
    done = await invoke("replay", "0/0")
    assert done.exit_code == 1
    assert "ingest refused it again" in done.stderr
    assert json.loads((await invoke("ls", "--json")).stdout)["replayed"] is False


async def test_a_replay_through_ingest_stores_the_event_once(mesh):
    """What ingest refused for a fault mended since gets onto the log, by a second replay not again."""
    item, data = picture(b"crop")
    sent = event(evidence=(item,))
    whole = published(sent, 1, [data], TRACEPARENT)
    letter = NewRecord(b"cam-1", whole.event.SerializeToString(), {"reason": "R", "origin": "ingest"}, id="x")
    log = await embedded.open_log(mesh.home)
    await log.append(PLATE_EVENTS_DLQ, [letter])
    first, again = await invoke("replay", "--all"), await invoke("replay", "0/0")
    assert (first.exit_code, first.stdout) == (0, "1 replayed, 0 were before\n")
    assert again.stdout == "0 replayed, 1 were before\n"
    (found,) = await (await log.tail(PLATE_EVENTS, "0")).poll(10, 1)
    assert decode_event(found.record).event_id == sent.event_id
    images: ImageStore = await embedded.open_images(mesh.home)
    assert await images.exists(item.key)
    await images.close()
    await log.close()
    assert (await invoke("ls")).stdout.count("0/0") == 0
    assert "0/0 (replayed)" in (await invoke("ls", "--all")).stdout


@pytest.mark.parametrize("words", [["replay"], ["replay", "0/0", "--all"], ["replay", "5/5"], ["show", "x"]])
async def test_what_cannot_be_meant_is_refused(mesh, words):
    """Nothing named, both, or a letter that is not there: exit code 1 and a sentence."""
    done = await invoke(*words)
    assert done.exit_code == 1
    assert "error:" in done.stderr
