"""How likely a text is before anybody looked: by the formats of the regions that are to be expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from plates import formats
from plates.pattern import FormatMatch, country
from plates.regions import EUROPE, FLEETS, SMALL_FLEET

_EXPECTED_SHARE = 0.85  # of plates at a camera are of the regions its owner named
_DECAY = 0.6  # each further region that is named is less likely than the one before
_CHARACTERS = 36.0  # A-Z and 0-9: a text of n characters is one of this number to the n
_KNOWN_LIFT = 10.0  # a text so many times commoner than chance is half known
_STATES_SHARE = 0.9  # of a country's plates fit a format of one of its states, where it has some


def _base() -> Mapping[str, float]:
    """The probability of each country's plates anywhere: by the square root of its fleet, as big fleets stay
    at home.
    """
    countries = {country(region) for region in formats.FORMATS}
    sizes = {name: FLEETS.get(name, SMALL_FLEET) ** 0.5 for name in countries}
    total = sum(sizes.values())
    return MappingProxyType({name: size / total for name, size in sizes.items()})


def _states() -> Mapping[str, tuple[str, ...]]:
    states: dict[str, list[str]] = defaultdict(list)
    for region in formats.FORMATS:
        if region != country(region):
            states[country(region)].append(region)
    return MappingProxyType({name: tuple(regions) for name, regions in states.items()})


_BASE = _base()
_STATES = _states()


@dataclass(frozen=True, slots=True)
class RegionVote:
    """What a read says of the region by the plate's looks, and how much that counts, 0..1."""

    region: str
    share: float


class RegionPrior:
    """The probability of each region, from the camera's expectation and the reads' votes."""

    def __init__(self, expected: Sequence[str] = (), votes: Iterable[RegionVote] = ()) -> None:
        """Regions that are not known count for nothing; "eu" stands for every European country."""
        self._countries = dict(_BASE)
        self._within: dict[str, dict[str, float]] = {}
        named = _named(expected)
        if named:
            self._mix(named, _EXPECTED_SHARE)
        self._take(sorted(votes, key=lambda vote: (vote.region, vote.share)))

    def of(self, region: str) -> float:
        """The probability of the region, 0..1. A country with states leaves them most of its own."""
        name = country(region)
        share, states = self._countries.get(name, 0.0), _STATES.get(name, ())
        if not states:
            return share
        if region == name:
            return share * (1.0 - _STATES_SHARE)
        within = self._within.get(name, {})
        return share * _STATES_SHARE * within.get(region, (1.0 - sum(within.values())) / len(states))

    def _mix(self, targets: Mapping[str, float], share: float) -> None:
        for name in self._countries:
            self._countries[name] = (1.0 - share) * self._countries[name] + share * targets.get(name, 0.0)

    def _take(self, votes: Sequence[RegionVote]) -> None:
        """Mix in all votes at once: together they count as much as the chance that one of them is right."""
        targets: dict[str, float] = {}
        wrong = 1.0
        for vote in votes:
            for name, share in _named([vote.region]).items():
                targets[name] = targets.get(name, 0.0) + vote.share * share
            wrong *= 1.0 - vote.share if _named([vote.region]) else 1.0
        total = sum(targets.values())
        if total > 0.0:
            self._mix({name: share / total for name, share in targets.items()}, 1.0 - wrong)
            self._prefer_states(votes)

    def _prefer_states(self, votes: Sequence[RegionVote]) -> None:
        for name, states in _STATES.items():
            shares: dict[str, float] = {}
            for vote in votes:
                if vote.region in states:
                    shares[vote.region] = shares.get(vote.region, 0.0) + vote.share
            total = sum(shares.values())
            self._within[name] = {state: share / max(1.0, total) for state, share in shares.items()}


def _named(regions: Sequence[str]) -> dict[str, float]:
    """The countries that are named with their shares, the first the largest; empty if none is known."""
    shares: dict[str, float] = {}
    for index, region in enumerate(regions):
        names = EUROPE if region == "eu" else {country(region)} & _BASE.keys()
        total = sum(_BASE[name] for name in names)
        for name in names:
            shares[name] = shares.get(name, 0.0) + _DECAY**index * _BASE[name] / total
    whole = sum(shares.values())
    return {name: share / whole for name, share in shares.items()}


@dataclass(frozen=True, slots=True)
class FittingFormat:
    """A format that a text fits, and how many of the plates to be expected have exactly this text, if all
    texts of the format are equally common: the narrower a format, the more its fit says.
    """

    name: str
    region: str
    density: float


class TextPrior:
    """How common a text is among the plates to be expected, against texts of any characters.

    What is compared are texts, not forms: one number of a rare form with few numbers (a city's taxis) is as
    common as one of a form that all cars of a country have.
    """

    def __init__(self, regions: RegionPrior, unknown: float) -> None:
        """`unknown` is the share given to a text that fits no format, 0..1: it bounds what the prior can
        do."""
        self._regions = regions
        self._unknown = unknown

    def of(self, text: str) -> float:
        """The weight of `text`, from `unknown` to 1 + `unknown`."""
        density = sum(self._share(match) / match.size for match in formats.match(text))
        lift = density * _CHARACTERS ** len(text)
        return self._unknown + lift / (_KNOWN_LIFT + lift)

    def fitting(self, text: str) -> list[FittingFormat]:
        """The formats that `text` fits, the likeliest first."""
        found = [FittingFormat(m.name, m.region, self._share(m) / m.size) for m in formats.match(text)]
        return sorted(found, key=lambda item: (-item.density, item.name))

    def _share(self, match: FormatMatch) -> float:
        return self._regions.of(match.region) * match.score
