"""Why an event says what it says, in words for people."""

from __future__ import annotations

from dataclasses import dataclass

from plates import formats
from plates.alignment import align
from plates.confusables import confusables
from plates.event import CharAlternative, CharPosterior, Outcome, Plate, PlateEvent, SingleRead
from plates.posterior import LogColumn

_SURE = 0.95
_WRONG, _RIGHT = -3.0, -0.01  # logarithms that make an alignment of texts one of characters


@dataclass(frozen=True, slots=True)
class CharExplanation:
    """How one character was decided; `raw_char` is what the pixels alone said, empty if they showed nothing
    there.
    """

    position: int
    char: str
    raw_char: str
    posterior: CharPosterior
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision in one sentence, character by character, and the format that was used as a prior, for
    people.
    """

    summary: str
    characters: tuple[CharExplanation, ...]
    format_description: str


def explain(event: PlateEvent) -> Explanation:
    """The explanation of an event; without characters if it has no plate."""
    plate = event.plate
    if plate is None or not plate.text:
        return Explanation(_without_plate(event), (), "")
    raw = _places(plate.text, plate.raw_text)
    reads = [(read, _places(plate.text, read.text)) for read in event.provenance.reads if read.weight > 0.0]
    characters = []
    for index, char in enumerate(plate.text):
        posterior = (
            plate.posterior[index]
            if index < len(plate.posterior)
            else (CharAlternative(char, plate.confidence),)
        )
        votes = _votes(char, [(read, places[index]) for read, places in reads])
        reason = _reason(plate, char, raw[index], posterior, votes)
        characters.append(CharExplanation(index, char, raw[index], posterior, reason))
    return Explanation(_summary(event, plate), tuple(characters), formats.describe(plate.format))


def _places(text: str, other: str) -> list[str]:
    """For each character of `text` the one of `other` that stands for it, or an empty string."""
    if not other:
        return [""] * len(text)
    places = align(text, [LogColumn({char: _RIGHT}, _WRONG) for char in other]).places
    return ["" if place is None else other[place] for place in places]


@dataclass(frozen=True, slots=True)
class _Votes:
    for_it: int
    against: int


def _votes(char: str, chars: list[tuple[SingleRead, str]]) -> _Votes:
    agreeing = sum(seen == char for _, seen in chars)
    return _Votes(agreeing, len(chars) - agreeing)


def _reason(plate: Plate, char: str, raw: str, posterior: CharPosterior, votes: _Votes) -> str:
    probability = next((a.probability for a in posterior if a.char == char), 0.0)
    rival = next((a for a in posterior if a.char != char), None)
    support = (
        f"{votes.for_it} of {votes.for_it + votes.against} reads say so"
        if votes.for_it + votes.against
        else ""
    )
    if raw and raw != char:
        look = "look alike" if raw in confusables(char) else "were both possible"
        form = (
            f" the format {plate.format} asks for {char} here"
            if plate.format
            else f" {char} makes the likelier text"
        )
        return f"The pixels alone favour {raw}, but {char} and {raw} {look} and{form}."
    if not raw:
        return f"The pixels alone showed nothing certain here; with {char} the text has a likelier form."
    if probability >= _SURE or rival is None:
        return f"The pixels show {char}{f': {support}' if support else ''}."
    instead = (
        f"{rival.char} ({_percent(rival.probability)})"
        if rival.char
        else f"no character at all ({_percent(rival.probability)})"
    )
    favour = f"The pixels favour {char} ({_percent(probability)}) over {instead}"
    return f"{favour}; {support}." if support else f"{favour}."


def _summary(event: PlateEvent, plate: Plate) -> str:
    frames = event.provenance.frames_read
    many = f"{frames} read{'' if frames == 1 else 's'} of {event.provenance.frames_seen} frames"
    form = f", as {plate.format}" if plate.format else ""
    verdict = "was read" if event.outcome is Outcome.READ else "is only a guess"
    changed = "" if plate.raw_text == plate.text else f"; the pixels alone said {plate.raw_text or 'nothing'}"
    return f"{plate.text} {verdict} with confidence {_percent(plate.confidence)} from {many}{form}{changed}."


def _without_plate(event: PlateEvent) -> str:
    reason = event.reason.value.replace("_", " ").lower()
    return f"No plate: the pass ended as {event.outcome.value.replace('_', ' ')} ({reason})."


def _percent(share: float) -> str:
    """Nothing is certain here, so neither 0 nor 100."""
    return "above 99%" if share > 0.99 else "below 1%" if share < 0.01 else f"{share:.0%}"
