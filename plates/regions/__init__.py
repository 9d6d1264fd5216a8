"""The world's formats as data, and how many vehicles each country has."""

from __future__ import annotations

from plates.pattern import Format, country
from plates.regions import americas, europe, world

ALL: tuple[Format, ...] = europe.FORMATS + americas.FORMATS + world.FORMATS
_BEYOND_EUROPE = frozenset({"am", "az", "ge", "ru", "tr"})

EUROPE = frozenset(country(item.region) for item in europe.FORMATS) - _BEYOND_EUROPE
"""The countries that the region "eu" stands for."""

FLEETS: dict[str, float] = {
    "us": 280, "in": 330, "vn": 75, "id": 150, "br": 115, "ru": 57, "de": 61, "mx": 55, "it": 53, "fr": 46,
    "gb": 41, "pl": 37, "es": 35, "my": 36, "tr": 30, "ca": 26, "ar": 23, "au": 21, "co": 19, "ng": 13,
    "ph": 14, "nl": 12, "za": 13, "ua": 11, "ro": 10, "gr": 9, "be": 8, "cz": 8.5, "at": 7.5, "se": 7,
    "pt": 7.5, "ch": 6.5, "hu": 5.5, "fi": 4.5, "no": 4.5, "kz": 4.5, "sa": 12, "ae": 4.5, "il": 4, "ke": 4,
    "cl": 6.5, "pe": 3.5, "ec": 3, "bo": 2.5, "ve": 4.5, "pk": 30, "nz": 5, "ie": 2.8, "dk": 3.5, "sk": 3.4,
    "bg": 3.8, "hr": 2.5, "rs": 2.8, "tn": 2.3, "by": 3.7, "uz": 4, "uy": 2.5, "py": 2.8, "az": 1.6,
    "gh": 3,
}  # fmt: skip
"""Vehicles in millions, about 2022, by national statistics; countries that are missing have about
`SMALL_FLEET`.
"""

SMALL_FLEET = 1.0
