"""The alert service as it runs: events on a real log, rules in a file, real receivers, real gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace

from mesh.errors import Kind, MeshError
from mesh.testing import Harness, RunningProcess, watch_loop
from ovr.alpr.v1 import alert_pb2
from plates.event import PlateEvent
from services.alert import app
from services.alert.rules import alert_id
from services.alert.servicer import AlertServicer
from services.alert.settings import AlertSettings
from storage import embedded
from storage.log.codec import encode_event
from storage.log.port import ALERTS, PLATE_EVENTS, PLATE_EVENTS_DLQ, NewRecord
from storage.log.sqlite import SqliteLog
from storage.log.sqlite_readers import SqliteLogTail
from tests.builders.events import START, event, picture
from tests.builders.receivers import HttpReceiver, http_receiver, mail_receiver
from wire.event import event_to_wire

ALERT = "ovr.alpr.v1.AlertService"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
RULES = """\
rules:
  - {id: list, name: Wanted, severity: critical, match: one_edit, patterns: [AB12 CDE], channels: CHANNELS,
     cooldown: 0}
  - {id: night, match: prefix, patterns: [XY], schedule: [daily 22:00-06:00], cameras: [yard]}
"""
HOOK = """\
channels:
  hook: {type: webhook, url: URL/hook, secret_env: OVR_TEST_SECRET, timeout: 0.3, attempts: 3}
"""


class World:
    """A data directory with a rules' file, a log to append events to, and the running service."""

    def __init__(self, mesh: Harness) -> None:
        self.mesh = mesh
        self.rules = mesh.home / "rules.yaml"
        self.running: RunningProcess | None = None
        self.log: Any = None

    async def start(self, **fields: object) -> Any:
        """Run the service; its stub."""
        given = {"reload_seconds": 0.02, "delivery_retry_seconds": 0.02, "rules": self.rules, **fields}
        settings = self.mesh.settings(AlertSettings, **given)
        self.running = await self.mesh.run("alert", app.main, settings)
        return self.mesh.stub(ALERT)

    async def stop(self) -> None:
        """What SIGTERM does."""
        assert self.running is not None
        assert await self.running.stop() == 0

    async def append(self, *events: PlateEvent, id_prefix: str = "") -> None:
        """Put events on the log; a prefix makes the log take one that it has already."""
        records = [encode_event(e, TRACEPARENT) for e in events]
        await self.log.append(
            PLATE_EVENTS, [NewRecord(r.key, r.value, r.headers, id=id_prefix + r.id) for r in records]
        )

    async def handled(self, count: int) -> None:
        """Wait until the service has handled so many records."""
        assert self.running is not None
        registry = self.running.process.telemetry.registry
        labels = {"group": "alert", "topic": PLATE_EVENTS}

        async def done() -> bool:
            seen = registry.get_sample_value("ovr_consumer_delay_seconds_count", labels)
            return (seen or 0) >= count

        await eventually(done)

    def metric(self, name: str, **labels: str) -> float | None:
        """A sample of the service's metrics."""
        assert self.running is not None
        return self.running.process.telemetry.registry.get_sample_value(name, labels)


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 5.0) -> Any:
    """The condition's first true answer."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not (found := await condition()):
        assert loop.time() < until, "did not come to pass"
        await asyncio.sleep(0.02)
    return found


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A mesh with an alert service that tells nobody."""
    monkeypatch.setenv("OVR_TEST_SECRET", "s3cret")
    async with Harness() as mesh:
        found = World(mesh)
        found.rules.write_text(RULES.replace("CHANNELS", "[]"))
        found.log = await embedded.open_log(mesh.home)
        yield found
        await found.log.close()


@pytest.fixture
def hook(world: World) -> Iterator[HttpReceiver]:
    """A real web server that the watchlist's rule tells."""
    with http_receiver() as receiver:
        world.rules.write_text(RULES.replace("CHANNELS", "[hook]") + HOOK.replace("URL", receiver.url))
        yield receiver


async def alerts(stub: Any, **fields: object) -> list[alert_pb2.Alert]:
    """The alerts there are."""
    return list((await stub.ListAlerts(alert_pb2.ListAlertsRequest(**fields))).alerts)


async def first(stub: Any) -> alert_pb2.Alert:
    """The first alert, as soon as there is one."""
    return (await eventually(lambda: alerts(stub)))[0]


async def settled(stub: Any, state: int) -> alert_pb2.Delivery:
    """The first alert's only delivery, once it is in that state."""

    async def found() -> alert_pb2.Delivery | None:
        for alert in await alerts(stub):
            if alert.deliveries and alert.deliveries[0].state == state:
                return alert.deliveries[0]
        return None

    return await eventually(found)


async def test_a_watchlist_hit_fires(world: World) -> None:
    """An event on the log becomes an alert with the event, the entry that matched, and a derived id; others
    make none."""
    stub = await world.start()
    hit = event("AB12CDF")
    await world.append(event("ZZ99ZZZ"), event(None), hit)
    alert = await first(stub)
    await world.handled(3)
    assert len(await alerts(stub)) == 1
    assert alert.alert_id == alert_id("list", hit.event_id)
    assert (alert.rule_name, alert.matched) == ("Wanted", "AB12CDE")
    assert alert.match_kind == alert_pb2.MATCH_KIND_ONE_EDIT
    assert alert.event == event_to_wire(hit)
    assert world.metric("ovr_alerts_total", rule="list", severity="critical") == 1


async def test_a_replay_makes_no_second_alert(world: World, hook: HttpReceiver) -> None:
    """The same event again, in this run and after a restart, fires nothing and tells nobody anew."""
    stub = await world.start()
    hit = event()
    await world.append(hit)
    await settled(stub, alert_pb2.DELIVERY_STATE_DELIVERED)
    await world.append(hit, id_prefix="again ")
    await world.handled(2)
    await world.stop()
    await world.append(hit, id_prefix="later ")
    stub = await world.start()
    await world.handled(1)
    assert len(await alerts(stub)) == 1
    assert len(hook.posts) == 1
    assert world.metric("ovr_alerts_held_back_total", rule="list", reason="known") == 1


async def test_cooldown(world: World) -> None:
    """The same plate within the cooldown is held back and counted; afterwards it fires again."""
    world.rules.write_text(RULES.replace("CHANNELS", "[]").replace("cooldown: 0", "cooldown: 60"))
    stub = await world.start()
    times = [START + timedelta(seconds=s) for s in (0, 30, 59, 61)]
    await world.append(*(event("AB12CDE" if n != 1 else "AB12CDF", at=at) for n, at in enumerate(times)))
    await world.handled(4)
    seen = sorted(a.event.best_seen_at.seconds - int(START.timestamp()) for a in await alerts(stub))
    assert seen == [0, 61]
    assert world.metric("ovr_alerts_held_back_total", rule="list", reason="cooldown") == 2


async def test_the_picture_is_mailed(world: World) -> None:
    """The plate's crop is fetched from the image store and attached; without it the mail goes all the
    same."""
    item, data = picture(b"\xff\xd8crop")
    images = await embedded.open_images(world.mesh.home)
    await images.put(item.key, data, item.media_type)
    async with mail_receiver() as receiver:
        where = f"host: 127.0.0.1, port: {receiver.port}, security: none, from: a@b.c, to: [d@e.f]"
        text = RULES.replace("CHANNELS", "[mail]") + f"channels:\n  mail: {{type: smtp, {where}}}\n"
        world.rules.write_text(text)
        await world.start()
        gone, _ = picture(b"never stored")
        await world.append(event(evidence=(item,)), event(evidence=(gone,)))

        async def both() -> bool:
            return len(receiver.mails) == 2

        await eventually(both)
    attached = [[part.get_content() for part in mail.iter_attachments()] for mail in receiver.mails]
    assert sorted(attached) == [[], [data]]
    await images.close()


async def test_a_receiver_that_fails_is_tried_again(world: World, hook: HttpReceiver) -> None:
    """500 and too slow are tried again with the same alert id until it is taken; every try is counted."""
    stub = await world.start()
    hook.answer(500, b"oops")
    await world.append(event())
    delivery = await settled(stub, alert_pb2.DELIVERY_STATE_DELIVERED)
    assert delivery.attempts == 2
    assert len({post.headers["x-ovr-alert-id"] for post in hook.posts}) == 1
    assert json.loads(hook.posts[0].body)["alert"]["ruleId"] == "list"
    assert world.metric("ovr_alert_deliveries_total", channel="hook", result="retried") == 1
    assert world.metric("ovr_alert_deliveries_total", channel="hook", result="delivered") == 1


async def test_a_receiver_that_never_takes_it_is_given_up(world: World, hook: HttpReceiver) -> None:
    """After the last try the delivery is failed, with what went wrong and without the secret."""
    stub = await world.start()
    for _ in range(3):
        hook.answer(503, b"your s3cret is wrong")
    await world.append(event())
    delivery = await settled(stub, alert_pb2.DELIVERY_STATE_FAILED)
    assert delivery.attempts == 3
    assert "HTTP 503" in delivery.last_error
    assert "s3cret" not in delivery.last_error
    assert delivery.HasField("last_attempt_at")


async def test_a_refusal_is_final(world: World, hook: HttpReceiver) -> None:
    """A 404 is not tried again."""
    stub = await world.start()
    hook.answer(404)
    await world.append(event())
    assert (await settled(stub, alert_pb2.DELIVERY_STATE_FAILED)).attempts == 1
    assert len(hook.posts) == 1


async def test_deliveries_outlive_the_process(world: World, hook: HttpReceiver) -> None:
    """What could not be delivered before a restart is delivered after it."""
    stub = await world.start(delivery_retry_seconds=0.3)
    hook.answer(500)
    await world.append(event())

    async def tried() -> bool:
        return (await first(stub)).deliveries[0].attempts == 1

    await eventually(tried)
    await world.stop()
    stub = await world.start()
    assert (await settled(stub, alert_pb2.DELIVERY_STATE_DELIVERED)).attempts == 2


async def test_a_slow_receiver_holds_up_nothing(world: World, hook: HttpReceiver) -> None:
    """While a receiver hangs, events are evaluated and questions answered; the loop is never blocked."""
    hook.gate.clear()
    stub = await world.start()
    async with watch_loop(0.5):
        await world.append(event())
        await first(stub)
        await world.append(event(), event())
        await world.handled(3)
        assert len(await alerts(stub)) == 3
    hook.gate.set()
    await settled(stub, alert_pb2.DELIVERY_STATE_DELIVERED)


async def test_a_channel_that_is_gone_fails_its_deliveries(world: World, hook: HttpReceiver) -> None:
    """A delivery whose channel left the file is given up with that reason."""
    stub = await world.start(delivery_retry_seconds=0.3)
    hook.answer(500)
    await world.append(event())
    await first(stub)
    world.rules.write_text(RULES.replace("CHANNELS", "[]"))
    delivery = await settled(stub, alert_pb2.DELIVERY_STATE_FAILED)
    assert "no longer in the rules' file" in delivery.last_error


async def test_rules_reload_and_a_broken_file_says_so(world: World) -> None:
    """A changed file comes into force; a broken one leaves the old rules and is told by ListRules."""
    stub = await world.start()

    async def listed() -> alert_pb2.ListRulesResponse:
        return await stub.ListRules(alert_pb2.ListRulesRequest())

    before = await listed()
    assert [rule.rule_id for rule in before.rules] == ["list", "night"]
    assert before.rules[1].schedule == "daily 22:00-06:00 UTC"
    good = world.rules.read_text()
    world.rules.write_text(good.replace("severity: critical", "severity: dire"))

    async def faulty() -> list[str]:
        return list((await listed()).errors)

    errors = await eventually(faulty)
    assert "rules.yaml:2: rules.0.severity" in errors[0]
    await world.append(event())
    assert (await first(stub)).severity == alert_pb2.SEVERITY_CRITICAL
    world.rules.write_text(good.replace("AB12 CDE", "ZZ99 ZZZ"))

    async def replaced() -> bool:
        rules = await listed()
        return not rules.errors and rules.rules[0].patterns == ["ZZ99ZZZ"]

    await eventually(replaced)
    assert (await listed()).loaded_at.ToDatetime() > before.loaded_at.ToDatetime()


async def test_what_is_no_event_goes_to_the_dead_letters(world: World) -> None:
    """A record that cannot be read is put aside with its reason, and the next event still fires."""
    stub = await world.start()
    await world.log.append(PLATE_EVENTS, [NewRecord(b"k", b"\xff\xff", {})])
    await world.append(event())
    await first(stub)
    (letter,) = await (await world.log.tail(PLATE_EVENTS_DLQ, "0")).poll(10, 1)
    assert letter.record.headers["origin"].startswith("alert plate-events")


async def test_watchers_see_every_change_and_can_go_on(world: World, hook: HttpReceiver) -> None:
    """A watch gets a sign of life, the alert, its delivery, its acknowledgement; a second one goes on from a
    cursor without a gap; "0" begins at the oldest."""
    stub = await world.start()
    live = stub.WatchAlerts(alert_pb2.WatchAlertsRequest())
    hello = await live.read()
    assert not hello.HasField("alert")
    await world.append(event())
    fired = await live.read()
    await settled(stub, alert_pb2.DELIVERY_STATE_DELIVERED)
    await stub.Acknowledge(alert_pb2.AcknowledgeRequest(alert_id=fired.alert.alert_id, acknowledged_by="ann"))
    seen = fired
    while not seen.alert.acknowledged_by:
        seen = await live.read()
    live.cancel()
    again = stub.WatchAlerts(alert_pb2.WatchAlertsRequest(cursor=fired.cursor))
    states = []
    async for message in again:
        if message.HasField("alert"):
            states.append((message.alert.deliveries[0].state, message.alert.acknowledged_by))
        if states and states[-1][1]:
            break
    assert states[-1] == (alert_pb2.DELIVERY_STATE_DELIVERED, "ann")
    oldest = stub.WatchAlerts(alert_pb2.WatchAlertsRequest(cursor="0"))
    await oldest.read()
    assert (await oldest.read()).alert.alert_id == fired.alert.alert_id
    with pytest.raises(MeshError) as refused:
        await stub.WatchAlerts(alert_pb2.WatchAlertsRequest(cursor="nonsense")).read()
    assert refused.value.kind is Kind.INVALID


async def test_acknowledging_twice_is_harmless(world: World) -> None:
    """The first acknowledgement stays; an alert that does not exist is NOT_FOUND."""
    stub = await world.start()
    await world.append(event())
    wanted = (await first(stub)).alert_id
    for who in ("ann", "bob"):
        request = alert_pb2.AcknowledgeRequest(alert_id=wanted, acknowledged_by=who, note="seen")
        answer = await stub.Acknowledge(request)
        assert answer.alert.acknowledged_by == "ann"
    assert await alerts(stub, unacknowledged_only=True) == []
    missing = alert_pb2.AcknowledgeRequest(alert_id=alert_id("x", "y"), acknowledged_by="ann")
    with pytest.raises(MeshError) as refused:
        await stub.Acknowledge(missing)
    assert refused.value.kind is Kind.NOT_FOUND


async def test_rules_can_be_tried(world: World) -> None:
    """TestRule says for an event or a text what each rule would do and why, and fires nothing."""
    stub = await world.start()
    answer = await stub.TestRule(alert_pb2.TestRuleRequest(text="ab-12 cdf"))
    assert [(v.rule_id, v.fires, v.matched) for v in answer.verdicts] == [
        ("list", True, "AB12CDE"),
        ("night", False, ""),
    ]
    night = event("XY12", camera="yard", at=datetime(2026, 3, 1, 23, 0, tzinfo=timezone.utc))
    request = alert_pb2.TestRuleRequest(event=event_to_wire(night), rule_id="night")
    (verdict,) = (await stub.TestRule(request)).verdicts
    assert verdict.fires
    day = alert_pb2.TestRuleRequest(event=event_to_wire(event("XY12", camera="yard")), rule_id="night")
    (verdict,) = (await stub.TestRule(day)).verdicts
    assert "outside daily 22:00-06:00 UTC" in verdict.reason
    assert await alerts(stub) == []
    for wrong, kind in (
        (alert_pb2.TestRuleRequest(text="AB1", rule_id="none"), Kind.NOT_FOUND),
        (alert_pb2.TestRuleRequest(text="--"), Kind.INVALID),
    ):
        with pytest.raises(MeshError) as refused:
            await stub.TestRule(wrong)
        assert refused.value.kind is kind


REQUESTS = {
    "ListAlerts": alert_pb2.ListAlertsRequest(),
    "Acknowledge": alert_pb2.AcknowledgeRequest(alert_id=alert_id("x", "y"), acknowledged_by="ann"),
    "ListRules": alert_pb2.ListRulesRequest(),
    "TestRule": alert_pb2.TestRuleRequest(text="AB12CDE"),
}


@pytest.mark.parametrize("rpc", ["Acknowledge", "TestRule"])
async def test_an_empty_request_is_refused_by_field(world: World, rpc: str) -> None:
    """What the contract requires is named when it is missing."""
    stub = await world.start()
    with pytest.raises(MeshError) as refused:
        await getattr(stub, rpc)(type(REQUESTS[rpc])())
    assert refused.value.kind is Kind.INVALID
    assert refused.value.fields


@pytest.mark.parametrize("rpc", REQUESTS)
async def test_a_late_or_cancelled_call_ends(world: World, rpc: str) -> None:
    """A call past its deadline is DEADLINE, a cancelled one ends at once, and the service goes on."""
    stub = await world.start()
    with pytest.raises(MeshError) as late:
        await getattr(stub, rpc)(REQUESTS[rpc], timeout=0)
    assert late.value.kind is Kind.DEADLINE
    task = asyncio.ensure_future(getattr(stub, rpc)(REQUESTS[rpc]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await stub.ListRules(alert_pb2.ListRulesRequest())).rules


async def test_a_late_or_cancelled_watch_ends(world: World) -> None:
    """A watch ends at its deadline and when its caller leaves, and gives its tail back."""
    stub = await world.start()
    late = stub.WatchAlerts(alert_pb2.WatchAlertsRequest(), timeout=0.2)
    await late.read()
    with pytest.raises(MeshError) as ended:
        await late.read()
    assert ended.value.kind is Kind.DEADLINE
    left = stub.WatchAlerts(alert_pb2.WatchAlertsRequest())
    await left.read()
    left.cancel()
    assert (await stub.ListRules(alert_pb2.ListRulesRequest())).rules


async def test_a_watch_that_is_left_closes_its_tail_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tail is given back before the call has ended, not when garbage is collected."""
    closed: list[SqliteLogTail] = []

    async def close(self: SqliteLogTail) -> None:
        closed.append(self)

    monkeypatch.setattr(SqliteLogTail, "close", close)
    log = await SqliteLog.open(tmp_path / "log.db")
    answers: Any = AlertServicer(Any, log).WatchAlerts(alert_pb2.WatchAlertsRequest(), None)  # type: ignore[arg-type]
    await anext(answers)
    await answers.aclose()
    assert len(closed) == 1
    await log.close()


async def test_one_trace_leads_from_the_event_to_the_delivery(world: World, hook: HttpReceiver) -> None:
    """Evaluation and delivery are spans of the event's own trace, and the alert on the log carries it on."""
    stub = await world.start()
    await world.append(event())
    await settled(stub, alert_pb2.DELIVERY_STATE_DELIVERED)
    await world.stop()
    assert ("alert:alert.evaluate", "alert:alert.deliver") in world.mesh.edges(TRACE)
    (evaluated,) = [span for span in world.mesh.spans() if span.name == "alert.evaluate"]
    assert trace.format_span_id(evaluated.parent.span_id) == TRACEPARENT.split("-")[2]
    tail = await world.log.tail(ALERTS, "0")
    records = [item.record for item in await tail.poll(10, 1)]
    assert {record.headers["traceparent"].split("-")[1] for record in records} == {TRACE}


async def test_a_stop_loses_nothing(world: World) -> None:
    """Events that come while the service is down fire when it is back, each once."""
    stub = await world.start()
    await world.append(*(event() for _ in range(20)))
    await asyncio.sleep(0.02)
    await world.stop()
    await world.append(*(event() for _ in range(20)))
    stub = await world.start()

    async def all_there() -> bool:
        return len(await alerts(stub, page_size=100)) == 40

    await eventually(all_there)


async def test_a_wrong_file_stops_the_start(world: World) -> None:
    """The process does not start on rules that it cannot read, and says why."""
    world.rules.write_text("rules: 7\n")
    with pytest.raises(Exception, match=r"rules\.yaml:1: rules"):
        await world.start()


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_crash_at_any_store_call_loses_and_doubles_nothing(world: World, cut: int) -> None:
    """The process dies at its first, second or third write to the alert store; after the next start the
    alert is there once and is on the topic once."""
    from storage.alerts.sqlite import SqliteAlertStore

    calls = 0
    whole = SqliteAlertStore.fire, SqliteAlertStore.forget

    async def dying_fire(self: SqliteAlertStore, firings: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1 and cut == 1:
            raise RuntimeError("power cut before the write")
        done = await whole[0](self, firings)
        if calls == 1 and cut == 2:
            raise RuntimeError("power cut after the write")
        return done

    async def dying_forget(self: SqliteAlertStore, sequence: int) -> None:
        if cut == 3 and calls == 1:
            raise RuntimeError("power cut between topic and store")
        await whole[1](self, sequence)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteAlertStore, "fire", dying_fire)
        patch.setattr(SqliteAlertStore, "forget", dying_forget)
        await world.start()
        await world.append(event())
        assert world.running is not None
        with pytest.raises(RuntimeError, match="power cut"):
            await asyncio.wait_for(world.running.task, 5)
    stub = await world.start()
    await first(stub)

    async def announced() -> list[Any]:
        return await (await world.log.tail(ALERTS, "0")).poll(10, 0)

    await eventually(announced)
    await world.stop()
    assert len(await announced()) == 1


async def test_a_failed_grpc_status_is_rich(world: World) -> None:
    """A page token of another request comes back as INVALID_ARGUMENT that names the field."""
    await world.start()
    channel = world.mesh.connect("alert")
    call = channel.unary_unary(
        f"/{ALERT}/ListAlerts",
        request_serializer=alert_pb2.ListAlertsRequest.SerializeToString,
        response_deserializer=alert_pb2.ListAlertsResponse.FromString,
    )
    with pytest.raises((MeshError, grpc.aio.AioRpcError)) as refused:
        await call(alert_pb2.ListAlertsRequest(page_token="bm9uc2Vuc2U"))
    assert "page_token" in str(refused.value)
