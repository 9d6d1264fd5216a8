"""Texts, look-alikes, matching and alignment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plates import matching
from plates.confusables import GROUPS, confusables, equal_folded, fold
from plates.text import CHARACTERS, normalise

TEXTS = st.text(alphabet=CHARACTERS, max_size=9)


def levenshtein(one: str, other: str) -> int:
    """The plain recursive definition, in a table."""
    rows = [list(range(len(other) + 1))]
    for i, char in enumerate(one, 1):
        row = [i]
        for j, second in enumerate(other, 1):
            row.append(min(rows[-1][j - 1] + (char != second), rows[-1][j] + 1, row[-1] + 1))
        rows.append(row)
    return rows[-1][-1]


@given(TEXTS, TEXTS, st.integers(0, 4))
def test_edits_are_levenshtein_up_to_the_limit(one: str, other: str, limit: int) -> None:
    """The bounded count equals the true distance, cut at limit + 1."""
    assert matching.edits(one, other, limit=limit) == min(levenshtein(one, other), limit + 1)


@given(TEXTS, st.data())
def test_one_edit_finds_every_edit(text: str, data: st.DataObject) -> None:
    """One character replaced, missing or too many is one edit, in either direction."""
    place = data.draw(st.integers(0, len(text)))
    char = data.draw(st.sampled_from(CHARACTERS))
    for edited in (
        text[:place] + char + text[place:],
        text[:place] + char + text[place + 1 :],
        text[:place] + text[place + 1 :],
    ):
        assert matching.one_edit(edited, text)
        assert matching.one_edit(text, edited)


@given(TEXTS.filter(bool), TEXTS)
def test_one_edit_patterns_are_one_edit(wanted: str, text: str) -> None:
    """The wildcard patterns for an index fit exactly the texts within one edit."""
    found = any(matching.wildcard(text, pattern) for pattern in matching.one_edit_patterns(wanted))
    assert found == matching.one_edit(text, wanted)


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("AB12", "AB*", True),
        ("AB12", "*", True),
        ("", "*", True),
        ("AB12", "A?1*", True),
        ("AB12", "A?12?", False),
        ("AB12", "AB12", True),
        ("AB12", "?B1?", True),
        ("AB12", "**2", True),
        ("AB12", "B*", False),
    ],
)
def test_wildcards(text: str, pattern: str, fits: bool) -> None:
    """A star stands for any run, a question mark for one character."""
    assert matching.wildcard(text, pattern) is fits


def test_confusables_count_as_equal_when_asked() -> None:
    """O and 0 are equal in every kind of match with confusables, and in none without."""
    for match, wanted in (
        (matching.exact, "AB0I"),
        (matching.prefix, "AB0"),
        (matching.wildcard, "?B0*"),
        (matching.one_edit, "ABC0"),
    ):
        assert match("ABOI" if match is not matching.one_edit else "AXCO", wanted, confusables=True)
        assert not match("ABOI" if match is not matching.one_edit else "AXCO", wanted)


def test_a_hostile_wildcard_is_quick() -> None:
    """Many stars against a text that does not fit return at once."""
    assert not matching.wildcard("A" * 16, "*A" * 15 + "*B")


@given(TEXTS)
def test_folding_is_stable(text: str) -> None:
    """Folding twice changes nothing more, and equality under folding is that of the folded texts."""
    assert fold(fold(text)) == fold(text)
    assert equal_folded(text, fold(text))


def test_confusions_are_symmetric_and_groups_disjoint() -> None:
    """What looks like another looks so in both directions; no character is in two groups."""
    assert len("".join(GROUPS)) == len(set("".join(GROUPS)))
    for one in CHARACTERS:
        for other, share in confusables(one).items():
            assert confusables(other)[one] == share


@given(st.text())
def test_normalised_text_is_stable(text: str) -> None:
    """Any text becomes 0-9 and A-Z only, and stays so."""
    result = normalise(text)
    assert set(result) <= set(CHARACTERS)
    assert normalise(result) == result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab-12 cd", "AB12CD"),
        ("MÜ X 1", "MUX1"),
        ("А123ВС77", "A123BC77"),
        ("ΑΒΕ-1234", "ABE1234"),
        ("Ø1", "O1"),
    ],
)
def test_letters_with_marks_and_of_other_scripts(text: str, expected: str) -> None:
    """Accents fall away; Cyrillic and Greek letters that stand on plates become their Latin twins."""
    assert normalise(text) == expected
