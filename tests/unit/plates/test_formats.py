"""Formats of the world."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates import formats
from plates.event import Plate
from plates.pattern import Format, FormatTable
from plates.regions import ALL
from plates.text import CHARACTERS
from wire.event import plate_to_wire

SAMPLES = {
    "de": "BXY1234 MAB123E",
    "fr": "AB123CD 1234AB75",
    "es": "1234BCD",
    "it": "AB123CD",
    "pt": "AA12BB",
    "nl": "12DBC3",
    "be": "1ABC234",
    "lu": "AB1234",
    "at": "W12345A",
    "ch": "ZH123456",
    "li": "FL12345",
    "pl": "WA12345 WPR12AC",
    "cz": "1A23456",
    "sk": "BA123CD",
    "hu": "ABC123 AABB123",
    "ro": "B123ABC CJ12ABC",
    "bg": "CB1234AB",
    "gr": "ABE1234",
    "hr": "ZG1234AB",
    "si": "LJAB123",
    "cy": "ABE123",
    "mt": "ABC123",
    "ie": "131D12345",
    "dk": "AB12345",
    "ee": "123ABC",
    "lv": "AB1234",
    "lt": "ABC123",
    "fi": "ABC123",
    "se": "ABC12D",
    "gb": "AB12CDE",
    "no": "AB12345",
    "is": "ABC12",
    "ua": "AA1234BB",
    "tr": "34ABC123 06AB1234",
    "us": "ABC1234 7ABC123 T123456C",
    "ca": "ABCD123",
    "mx": "ABC123D",
    "br": "ABC1234 ABC1D23",
    "ar": "ABC123 AB123CD",
    "in": "KA01AB1234 DL3CAB1234 22BH1234AB",
    "vn": "51F12345 59X112345",
    "tn": "123T4567",
    "cl": "BCDF12",
    "ru": "A123BC77",
}


@pytest.mark.parametrize(("region", "texts"), SAMPLES.items())
def test_samples_fit_their_region(region: str, texts: str) -> None:
    """A made-up plate of each region's common form is recognised as one of that region."""
    assert all(formats.match(text, [region]) for text in texts.split())


def test_lookalikes_in_the_wrong_place_do_not_fit() -> None:
    """A letter where a digit belongs, an excluded letter, and an unknown district do not fit."""
    assert not formats.match("AB12C0E", ["gb"])
    assert not formats.match("123OBCD", ["es"])
    assert not formats.match("XX12ABC", ["ro"])
    assert not formats.match("82AB123", ["tr"])
    assert not formats.match("ABCO234", ["br"])


def test_every_format_can_be_described_and_travels() -> None:
    """Names and regions of all formats keep the contract, and each has words for people."""
    for item in ALL:
        assert formats.describe(item.name) == item.description
        assert item.name.startswith(item.region.partition("-")[0])
        assert len(item.name) <= 64
        assert item.size > 0
        assert plate_to_wire(Plate("", "", item.region, item.name, 0.0)).region == item.region
    assert formats.describe("nowhere-standard") == ""


def test_every_european_union_country_is_known() -> None:
    """All countries of the Union have formats, and the others that are asked for."""
    union = "at be bg hr cy cz dk ee fi fr de gr hu ie it lv lt lu mt nl pl pt ro sk si es se"
    others = "gb br ar tr in vn tn us-ny us-ca us-tx ch no ua mx"
    assert {*union.split(), *others.split()} <= formats.FORMATS.keys()
    assert sum(region.startswith("us-") for region in formats.FORMATS) == 51


@given(st.sampled_from(ALL), st.data())
def test_what_a_format_makes_it_matches(item: Format, data: st.DataObject) -> None:
    """Any text that a format's expression produces is found again through the table."""
    text = data.draw(
        st.from_regex(item.expression, fullmatch=True).filter(lambda t: t.isascii() and t.isalnum())
    )
    assert item.name in {match.name for match in formats.match(text)}


@given(st.text(alphabet=CHARACTERS, max_size=16))
def test_any_text_is_answered(text: str) -> None:
    """Any text gets an answer, ordered by score, and a restriction only leaves things out."""
    everywhere = formats.match(text)
    assert [m.score for m in everywhere] == sorted((m.score for m in everywhere), reverse=True)
    assert set(formats.match(text, ["de", "us"])) <= set(everywhere)


def test_a_wrong_table_is_refused() -> None:
    """A pattern with an unknown symbol and a name used twice are errors that say which."""
    with pytest.raises(ValueError, match="no symbol"):
        FormatTable([Format("x", "xx", "", ("L#D",))])
    with pytest.raises(ValueError, match="named x"):
        FormatTable([Format("x", "xx", "", ("L",)), Format("x", "xx", "", ("D",))])
