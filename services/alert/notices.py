"""An alert in words, with its picture."""

from __future__ import annotations

from collections.abc import Callable

from mesh.errors import MeshError
from mesh.logs import logger
from plates import formats
from plates.event import EvidenceKind
from services.alert.channels.port import Notice
from storage.alerts.port import Alert, MatchKind
from storage.images.port import ImageStore, StoredImage

_HOW = {
    MatchKind.EXACT: "is the entry",
    MatchKind.PREFIX: "begins with",
    MatchKind.REGEX: "fits the expression",
    MatchKind.ONE_EDIT: "is at most one character off",
}


class Notices:
    """Writes notices; `payload` makes the JSON of an alert as the contract has it."""

    def __init__(self, images: ImageStore, payload: Callable[[Alert], bytes]) -> None:
        self._images = images
        self._payload = payload
        self._log = logger("alert.notices")

    async def of(self, alert: Alert, *, picture: bool) -> Notice:
        """The notice, with the plate's picture if it is wanted and stored."""
        stored = await self._picture(alert) if picture else None
        return Notice(alert, title(alert), lines(alert), self._payload(alert), stored)

    async def _picture(self, alert: Alert) -> StoredImage | None:
        keys = [item.key for item in alert.event.evidence if item.kind is EvidenceKind.PLATE]
        try:
            return await self._images.get(keys[0]) if keys else None
        except MeshError as error:  # people are told without the picture rather than not at all
            self._log.warning("picture left out", alert=alert.alert_id, error=str(error))
            return None


def title(alert: Alert) -> str:
    """The alert in one line."""
    event = alert.event
    text = event.plate.text if event.plate is not None else "no plate"
    whole = f"{alert.rule_name}: {text} at {event.camera_id}, {event.best_seen_at:%Y-%m-%d %H:%M:%S} UTC"
    return " ".join(whole.split())  # a line break would be one more header of a mail


def lines(alert: Alert) -> tuple[tuple[str, str], ...]:
    """What is known, as label and value."""
    event, plate = alert.event, alert.event.plate
    found = [("Rule", f"{alert.rule_name} ({alert.rule_id}), {alert.severity.name.lower()}")]
    if plate is not None:
        found.append(("Plate", f"{plate.text}, confidence {plate.confidence:.0%}"))
        found.append(("Match", f"{_HOW[alert.match_kind]} {alert.matched}"))
        if described := formats.describe(plate.format):
            found.append(("Format", described))
    found += [
        ("Seen", f"{event.best_seen_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Camera", f"{event.camera_id} ({event.site_id}/{event.node_id})"),
        ("Vehicle", f"{event.vehicle.object_class.value}, {event.vehicle.direction.value}"),
        ("Event", event.event_id),
        ("Alert", alert.alert_id),
    ]
    if event.trace_id:
        found.append(("Trace", event.trace_id))
    return tuple(found)
