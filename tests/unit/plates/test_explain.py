"""Explanations of events."""

from __future__ import annotations

from dataclasses import replace

from plates.event import Outcome, Provenance, Reason
from plates.explain import explain
from tests.builders.events import event
from tests.unit.plates.reads import fused, read


def test_a_changed_character_is_explained() -> None:
    """Where the format decided against the pixels, the explanation says so, with the format."""
    plate = fused(read("ABCO234", 0.55, unsure={3: {"O": 0.55, "0": 0.42}}), regions=("br",)).plate
    explanation = explain(replace(event(), plate=plate))
    assert explanation.characters[3].char == "0"
    assert explanation.characters[3].raw_char == "O"
    assert "look alike" in explanation.characters[3].reason
    assert "br-old" in explanation.characters[3].reason
    assert "the pixels alone said ABCO234" in explanation.summary
    assert explanation.format_description.startswith("Brazil")


def test_reads_are_counted_per_character() -> None:
    """Each character says how many of the reads agree, also when a read missed a character."""
    base = event("AB12CDE")
    reads = tuple(replace(base.provenance.reads[0], text=text) for text in ("AB12CDE", "B12CDE", "AB12CDX"))
    explained = explain(replace(base, provenance=Provenance(frames_seen=9, frames_read=3, reads=reads)))
    assert [c.position for c in explained.characters] == list(range(7))
    assert "2 of 3 reads" in explained.characters[0].reason
    assert "3 of 3 reads" in explained.characters[1].reason
    assert "2 of 3 reads" in explained.characters[6].reason
    assert "3 reads of 9 frames" in explained.summary


def test_an_event_without_plate_says_why() -> None:
    """No plate, no characters, and the outcome with its reason."""
    explained = explain(
        replace(event(None), outcome=Outcome.NO_PLATE, reason=Reason.NO_PLATE_SEEN, plate=None)
    )
    assert explained.characters == ()
    assert "no plate seen" in explained.summary


def test_every_fused_plate_can_be_explained() -> None:
    """Texts longer and shorter than what the pixels say are explained character by character."""
    for texts in (("AB12CDE", "1AB12CDE", "AB12CDE"), ("AB12", "AB12CDE"), ("QQ",)):
        plate = fused(*(read(text, 0.8) for text in texts), regions=("gb",)).plate
        explained = explain(replace(event(), plate=plate))
        assert "".join(c.char for c in explained.characters) == plate.text
        assert all(c.reason.endswith(".") for c in explained.characters)


def test_no_summary_claims_certainty() -> None:
    """A confidence that rounds to 100% is told as above 99%."""
    sure = fused(*(read("AB12CDE", 0.999) for _ in range(6)), regions=("gb",)).plate
    summary = explain(replace(event(), plate=replace(sure, confidence=0.9996))).summary
    assert "above 99%" in summary
    assert "100%" not in summary
