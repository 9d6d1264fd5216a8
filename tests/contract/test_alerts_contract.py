"""What every adapter of the alert store promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mesh.errors import Kind, MeshError
from plates.event import PlateEvent
from storage.alerts.port import (
    Alert,
    AlertFilter,
    AlertStore,
    Attempt,
    Delivery,
    DeliveryState,
    Fired,
    Firing,
    MatchKind,
    Severity,
)
from tests.builders.events import START, event
from tests.contract.conftest import Open

NOW = datetime(2026, 3, 1, 13, 0, tzinfo=timezone.utc)
LEASE = timedelta(seconds=15)


def firing(
    number: int = 1,
    *,
    rule: str = "r1",
    of: PlateEvent | None = None,
    channels: tuple[str, ...] = (),
    severity: Severity = Severity.WARNING,
    cooldown: float = 0,
    at: datetime = NOW,
) -> Firing:
    """A firing whose alert has the given number as its id."""
    alert = Alert(
        alert_id=f"00000000-0000-5000-8000-{number:012d}",
        rule_id=rule,
        rule_name="Rule",
        severity=severity,
        event=of or event("AB12CDE"),
        matched="AB12CDE",
        match_kind=MatchKind.EXACT,
        fired_at=at,
        deliveries=tuple(Delivery(channel) for channel in channels),
    )
    return Firing(alert, "AB12CDE", timedelta(seconds=cooldown), "00-" + "1" * 32 + "-" + "2" * 16 + "-01")


async def test_an_alert_comes_back_as_it_was_stored(open_alerts: Open) -> None:
    """All fields survive, with the event and the deliveries in their order, in another process too."""
    store = await open_alerts()
    wanted = firing(channels=("b", "a")).alert
    assert await store.fire([firing(channels=("b", "a"), of=wanted.event)]) == [Fired.NEW]
    assert await (await open_alerts()).get(wanted.alert_id) == wanted
    assert await store.get("00000000-0000-5000-8000-999999999999") is None


async def test_the_same_alert_is_stored_once(open_alerts: Open) -> None:
    """A replay finds the alert there, in the same batch and in a later one, and changes nothing."""
    store = await open_alerts()
    assert await store.fire([firing(), firing()]) == [Fired.NEW, Fired.KNOWN]
    assert await store.fire([firing()]) == [Fired.KNOWN]
    assert len((await store.list_alerts(AlertFilter(), 10)).alerts) == 1
    assert len(await store.changes(10)) == 1


@pytest.mark.parametrize(
    ("seconds", "result"), [(59, Fired.COOLDOWN), (-59, Fired.COOLDOWN), (60, Fired.NEW)]
)
async def test_cooldown_holds_back(open_alerts: Open, seconds: int, result: Fired) -> None:
    """The same plate does not fire the rule again within the cooldown of the event's time, in either
    direction; after it, it does."""
    store = await open_alerts()
    await store.fire([firing(1, cooldown=60, of=event(at=START))])
    later = event(at=START + timedelta(seconds=seconds))
    assert await store.fire([firing(2, cooldown=60, of=later)]) == [result]


async def test_cooldown_is_per_rule_and_subject(open_alerts: Open) -> None:
    """Another rule or another plate is not held back."""
    store = await open_alerts()
    await store.fire([firing(1, cooldown=60)])
    other = replace(firing(3, cooldown=60), subject="XY99ZZZ")
    assert await store.fire([firing(2, rule="r2", cooldown=60), other]) == [Fired.NEW, Fired.NEW]


async def test_alerts_are_listed_newest_first_page_by_page(open_alerts: Open) -> None:
    """Pages join without a gap; a token of another request is refused."""
    store = await open_alerts()
    await store.fire([firing(n, at=NOW + timedelta(seconds=n % 3)) for n in range(1, 8)])
    seen, token = [], ""
    while True:
        page = await store.list_alerts(AlertFilter(), 3, token)
        seen += [(alert.fired_at, alert.alert_id) for alert in page.alerts]
        if not (token := page.next_page_token):
            break
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 7
    token = (await store.list_alerts(AlertFilter(), 3)).next_page_token
    with pytest.raises(MeshError) as refused:
        await store.list_alerts(AlertFilter(("r1",)), 3, token)
    assert refused.value.kind is Kind.INVALID


async def test_filters(open_alerts: Open) -> None:
    """By rule, by severity, and those nobody acknowledged."""
    store = await open_alerts()
    await store.fire(
        [firing(1), firing(2, rule="r2", severity=Severity.CRITICAL), firing(3, severity=Severity.INFO)]
    )
    await store.acknowledge(firing(1).alert.alert_id, "me", "", NOW)

    async def ids(**fields: object) -> set[int]:
        page = await store.list_alerts(AlertFilter(**fields), 10)
        return {int(alert.alert_id[-12:]) for alert in page.alerts}

    assert await ids(rule_ids=("r2",)) == {2}
    assert await ids(min_severity=Severity.WARNING) == {1, 2}
    assert await ids(unacknowledged_only=True) == {2, 3}


async def test_the_first_acknowledgement_stays(open_alerts: Open) -> None:
    """Acknowledging again changes nothing and makes no second change; an unknown alert gives None."""
    store = await open_alerts()
    await store.fire([firing()])
    wanted = firing().alert.alert_id
    first = await store.acknowledge(wanted, "ann", "seen", NOW)
    second = await store.acknowledge(wanted, "bob", "too", NOW + timedelta(seconds=1))
    assert first == second
    assert (first.acknowledged_by, first.note, first.acknowledged_at) == ("ann", "seen", NOW)
    assert len(await store.changes(10)) == 2
    assert await store.acknowledge("00000000-0000-5000-8000-999999999999", "ann", "", NOW) is None


async def test_a_claimed_delivery_is_handed_out_once(open_alerts: Open) -> None:
    """A delivery is claimed by one, and comes back after its lease if nobody said how it ended."""
    store = await open_alerts()
    await store.fire([firing(channels=("a",))])
    (due,) = await store.claim(NOW, LEASE, 10)
    assert (due.channel, due.attempt, due.traceparent[:3]) == ("a", 1, "00-")
    assert await (await open_alerts()).claim(NOW, LEASE, 10) == []
    assert await store.next_due() == NOW + LEASE
    (again,) = await store.claim(NOW + LEASE, LEASE, 10)
    assert again.attempt == 1


async def test_processes_side_by_side_claim_each_delivery_once(open_alerts: Open) -> None:
    """Several that claim at once share what is due between them."""
    stores = [await open_alerts() for _ in range(3)]
    await stores[0].fire([firing(number, channels=("a", "b")) for number in range(1, 21)])
    claims = await asyncio.gather(*(store.claim(NOW, LEASE, 7) for store in stores * 3))
    claimed = [(due.alert.alert_id, due.channel) for part in claims for due in part]
    assert len(claimed) == len(set(claimed))
    claimed += [(due.alert.alert_id, due.channel) for due in await stores[0].claim(NOW, LEASE, 100)]
    assert len(claimed) == len(set(claimed)) == 40


async def test_a_cooldown_holds_across_processes(open_alerts: Open) -> None:
    """Of firings of the same rule and plate that several processes store at once, one is new; of the same
    alert, the others are known."""
    stores = [await open_alerts() for _ in range(3)]
    at_once = [store.fire([firing(n, cooldown=60)]) for n, store in enumerate(stores, start=1)]
    assert sorted(result.value for (result,) in await asyncio.gather(*at_once)) == ["cooldown"] * 2 + ["new"]
    same = await asyncio.gather(*(store.fire([firing(9, rule="r2")]) for store in stores))
    assert sorted(result.value for (result,) in same) == ["known", "known", "new"]


async def test_changes_of_processes_side_by_side_are_all_told(open_alerts: Open) -> None:
    """While some write changes, another that reads and forgets them sees every one."""
    stores = [await open_alerts() for _ in range(4)]
    told: list[str] = []

    async def tell() -> None:
        changes = await stores[3].changes(1000)
        if changes:
            told.extend(change.alert.alert_id for change in changes)
            await stores[3].forget(changes[-1].sequence)

    async def write(store: AlertStore, first: int) -> None:
        for number in range(first, first + 10):
            await store.fire([firing(number, rule=f"r{number}")])

    writing = asyncio.gather(*(write(store, 100 * n) for n, store in enumerate(stores[:3], start=1)))
    while not writing.done():
        await tell()
    await writing
    await tell()
    assert len(told) == len(set(told)) == 30


async def test_attempts_are_recorded(open_alerts: Open) -> None:
    """A failed try comes back when it is due, with its error; a delivered or failed one never."""
    store = await open_alerts()
    await store.fire([firing(channels=("a", "b"))])
    alert_id = firing().alert.alert_id
    await store.claim(NOW, LEASE, 10)
    retry = NOW + timedelta(seconds=2)
    await store.record(Attempt(alert_id, "a", DeliveryState.PENDING, "HTTP 500", NOW, retry))
    await store.record(Attempt(alert_id, "b", DeliveryState.FAILED, "HTTP 404", NOW))
    assert await store.pending() == 1
    assert [d.attempt for d in await store.claim(retry, LEASE, 10)] == [2]
    await store.record(Attempt(alert_id, "a", DeliveryState.DELIVERED, "", retry))
    assert await store.next_due() is None
    assert (await store.get(alert_id)).deliveries == (
        Delivery("a", DeliveryState.DELIVERED, 2, "", retry),
        Delivery("b", DeliveryState.FAILED, 1, "HTTP 404", NOW),
    )


async def test_changes_stay_until_they_are_forgotten(open_alerts: Open) -> None:
    """Each change is there, in order, with the alert as it is now, for the next process as well."""
    store = await open_alerts()
    await store.fire([firing(1), firing(2)])
    await store.acknowledge(firing(1).alert.alert_id, "ann", "", NOW)
    changes = await (await open_alerts()).changes(10)
    assert [int(change.alert.alert_id[-12:]) for change in changes] == [1, 2, 1]
    assert changes[0].alert.acknowledged_by == "ann"
    await store.forget(changes[1].sequence)
    assert [c.sequence for c in await store.changes(10)] == [changes[2].sequence]


async def test_old_alerts_go_but_not_with_a_pending_delivery(open_alerts: Open) -> None:
    """Retention leaves what is young and what somebody is still to be told of."""
    store = await open_alerts()
    await store.fire([firing(1), firing(2, channels=("a",)), firing(3, at=NOW + timedelta(days=2))])
    assert await store.delete_older_than(NOW + timedelta(days=1)) == 1
    kept = (await store.list_alerts(AlertFilter(), 10)).alerts
    assert {int(alert.alert_id[-12:]) for alert in kept} == {2, 3}
