"""Fusion: many reads become one plate."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.event import CharAlternative, PlateRead
from plates.fusion import FusionSettings, WeightedRead, fuse
from plates.text import CHARACTERS, MAX_LENGTH
from tests.unit.plates.reads import fused, read

TEXTS = st.text(alphabet=CHARACTERS, min_size=4, max_size=9)
SHARP = st.floats(0.9, 0.999)


@st.composite
def any_reads(draw: st.DrawFn) -> PlateRead:
    text = draw(st.text(alphabet=CHARACTERS, max_size=MAX_LENGTH))
    shape = draw(st.sampled_from(["none", "top", "many"]))
    confidence = draw(st.floats(0, 1))
    if shape == "none":
        return PlateRead(text, confidence, ())
    posterior = []
    for char in text:
        others = draw(
            st.lists(st.sampled_from(["", *CHARACTERS]), max_size=3 if shape == "many" else 0, unique=True)
        )
        symbols = [char, *(other for other in others if other != char)]
        posterior.append(tuple(CharAlternative(s, draw(st.floats(0, 1))) for s in symbols))
    region = draw(st.sampled_from(["", "de", "us-ny", "nowhere", "eu"]))
    return PlateRead(text, confidence, tuple(posterior), region, draw(st.floats(0, 1)), draw(st.floats(0, 1)))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(any_reads(), st.floats(0, 10)), max_size=8),
    st.lists(st.sampled_from(["de", "us", "xx"])),
)
def test_any_reads_give_a_valid_plate(reads: list[tuple[PlateRead, float]], regions: list[str]) -> None:
    """Whatever is read, the plate keeps the contract: lengths agree, probabilities lie in 0..1, the text
    leads."""
    result = fuse([WeightedRead(r, w) for r, w in reads], expected_regions=regions)
    plate = result.plate
    assert len(result.weights) == len(reads)
    assert all(0 <= weight <= 1 for weight in result.weights)
    assert 0 <= plate.confidence <= 1
    assert len(plate.text) <= MAX_LENGTH
    assert len(plate.raw_text) <= MAX_LENGTH
    assert len(plate.posterior) == len(plate.text)
    for char, position in zip(plate.text, plate.posterior, strict=True):
        assert position[0].char == char
        assert sum(a.probability for a in position) <= 1 + 1e-6
    if plate.text:
        assert plate.alternatives[0].text == plate.text
        assert plate.alternatives[0].confidence == plate.confidence
        assert len({a.text for a in plate.alternatives}) == len(plate.alternatives)
        assert sum(a.confidence for a in plate.alternatives) <= 1 + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(any_reads(), st.floats(0, 10)), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter(reads: list[tuple[PlateRead, float]], chance: random.Random) -> None:
    """The same reads in another order give the same text with the same confidence."""
    shuffled = list(reads)
    chance.shuffle(shuffled)
    one = fuse([WeightedRead(r, w) for r, w in reads]).plate
    other = fuse([WeightedRead(r, w) for r, w in shuffled]).plate
    assert one.text == other.text
    assert one.confidence == pytest.approx(other.confidence, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.floats(0.05, 0.999))
def test_one_read_keeps_its_text_and_confidence(text: str, confidence: float) -> None:
    """A single calibrated read comes through with its text, and its confidence hardly changed."""
    plate = fused(read(text, confidence), settings=FusionSettings(confusion=0)).plate
    assert plate.raw_text == text
    assert plate.text == text
    assert plate.confidence == pytest.approx(confidence, abs=0.05)


@pytest.mark.parametrize("share", [0.01, 0.03, 0.2])
def test_one_read_that_lists_the_empty_symbol_keeps_its_characters(share: float) -> None:
    """A reader that says how likely a place is empty is believed: the likelier of the two stands."""
    unsure = {0: {"A": 0.97 - share, "": share}, 6: {"E": 0.97 - share, "": share}}
    plate = fused(read("AB12CDE", 0.9 * (0.97 - share) ** 2, unsure=unsure)).plate
    assert plate.text == plate.raw_text == "AB12CDE"
    assert plate.posterior[6][1].char == ""


@settings(max_examples=80, deadline=None)
@given(TEXTS, SHARP, st.integers(1, 6))
def test_confidence_grows_with_agreeing_reads(text: str, confidence: float, count: int) -> None:
    """One more read that says the same as surely never makes the plate less sure."""
    without = fused(*[read(text, confidence)] * count).plate
    with_more = fused(*[read(text, confidence)] * (count + 1)).plate
    assert with_more.text == text
    assert with_more.confidence >= without.confidence - 1e-9


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.floats(0.3, 0.9), st.floats(0.3, 0.9))
def test_confidence_grows_with_a_surer_read(text: str, one: float, other: float) -> None:
    """The surer the read, the surer the plate."""
    low, high = sorted((one, other))
    settings_ = FusionSettings(confusion=0)
    weak, strong = (fused(read(text, c), settings=settings_).plate for c in (low, high))
    assert strong.confidence >= weak.confidence - 1e-9


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.data(), st.floats(0.05, 0.9999), SHARP, st.floats(0.1, 0.6))
def test_a_blurred_first_read_never_beats_two_sharp_ones(
    text: str, data: st.DataObject, blurred: float, sharp: float, legibility: float
) -> None:
    """However sure a blurred read with a wrong character is, two later sharp reads decide."""
    position = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from([c for c in CHARACTERS if c != text[position]]))
    first = read(text[:position] + wrong + text[position + 1 :], blurred, legibility=legibility)
    plate = fused(first, read(text, sharp), read(text, sharp), settings=FusionSettings(confusion=0)).plate
    assert plate.raw_text == text


@pytest.mark.parametrize("wrong", ["B12CDE", "AB12CD", "AB2CDE", "1AB12CDE", "AB12CDEI", "AB112CDE"])
def test_a_missing_or_invented_character_is_outvoted(wrong: str) -> None:
    """Two full reads outvote one that lost or gained a character, at the ends and in the middle."""
    plate = fused(read(wrong, 0.9), read("AB12CDE", 0.9), read("AB12CDE", 0.9)).plate
    assert plate.text == "AB12CDE"
    assert plate.confidence > 0.7


def test_partial_reads_do_not_shorten_the_plate() -> None:
    """Reads of a plate that is still half hidden help what they show and do not cut the rest off."""
    partial = [read("AB12", 0.7), read("AB12C", 0.7)]
    plate = fused(*partial, read("AB12CDE", 0.95), read("AB12CDE", 0.95), regions=("gb",)).plate
    assert plate.text == "AB12CDE"


def test_reads_of_another_plate_do_not_poison() -> None:
    """A neighbour's plate is left out, shows among the alternatives, and costs some confidence."""
    own = [read("AB12CDE", 0.9)] * 3
    alone, beside = fused(*own).plate, fused(*own, read("XY99ZZW", 0.95))
    assert beside.plate.text == "AB12CDE"
    assert beside.weights[3] == 0.0
    assert "XY99ZZW" in {a.text for a in beside.plate.alternatives}
    assert 0.8 < beside.plate.confidence < alone.confidence


def test_two_plates_with_equal_evidence_are_not_sure() -> None:
    """Two reads of two different plates leave it open which is the pass's own."""
    assert fused(read("AB12CDE", 0.95), read("XY99ZZW", 0.95)).plate.confidence < 0.55


def test_characters_are_gathered_from_different_reads() -> None:
    """No single read is right, and the fused text is."""
    plate = fused(
        read("AB12CDX", 0.5, unsure={6: {"X": 0.5, "E": 0.4}}),
        read("AB72CDE", 0.5, unsure={2: {"7": 0.5, "1": 0.4}}),
        read("AB12GDE", 0.5, unsure={4: {"G": 0.5, "C": 0.4}}),
    ).plate
    assert plate.text == "AB12CDE"


def test_the_format_settles_what_the_pixels_leave_open() -> None:
    """O or 0, unsure: at a Brazilian camera the format decides, and the raw text keeps what the pixels
    say."""
    unsure = {3: {"O": 0.55, "0": 0.42}}
    plate = fused(read("ABCO234", 0.55, unsure=unsure), regions=("br",)).plate
    assert plate.text == "ABC0234"
    assert plate.raw_text == "ABCO234"
    assert (plate.region, plate.format) == ("br", "br-old")


def test_the_format_does_not_overrule_sure_pixels() -> None:
    """A text against every format of the camera's region stays when the pixels are sure."""
    plate = fused(*[read("ABCO234", 0.99)] * 3, regions=("br",)).plate
    assert plate.text == "ABCO234"
    assert plate.confidence > 0.8


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from([(), ("de",), ("us", "mx"), ("nowhere",)]))
def test_unknown_formats_pass_unharmed(text: str, regions: tuple[str, ...]) -> None:
    """Sure reads keep their text whatever the camera expects."""
    assert fused(*[read(text, 0.995)] * 3, regions=regions).plate.text == text


def test_a_reader_that_cannot_tell_o_from_0_is_helped() -> None:
    """With `confusion` high, a sure O where only a digit can stand becomes 0."""
    plate = fused(read("ABCO234", 0.95), regions=("br",), settings=FusionSettings(confusion=60)).plate
    assert plate.text == "ABC0234"


def test_a_rare_form_of_few_numbers_settles_as_much_as_a_common_one() -> None:
    """Few American plates are taxis, but each number of theirs is as common as any other plate's."""
    seen = read("YZ04731C", unsure={1: {"Z": 0.7, "2": 0.3}}, region="us", region_confidence=0.7)
    assert fused(seen).plate.text == "Y204731C"


def test_the_region_seen_on_the_plate_counts() -> None:
    """What the reader says of the region names the format where the text alone would fit many."""
    assert fused(read("ABC1234", 0.95)).plate.region == ""
    seen = fused(read("ABC1234", 0.95, region="us-ny", region_confidence=0.95)).plate
    assert (seen.region, seen.format) == ("us-ny", "us-ny-standard")
    assert fused(read("ABC1234", 0.95), regions=("us",)).plate.region == "us"


def test_nothing_read_gives_an_empty_plate() -> None:
    """No reads, or reads without text, give an empty plate with confidence 0 and weights 0."""
    for reads in ([], [WeightedRead(PlateRead("", 0.0, ()))], [WeightedRead(read("A" * 17))]):
        result = fuse(reads)
        assert (result.plate.text, result.plate.confidence) == ("", 0.0)
        assert result.weights == (0.0,) * len(reads)


def test_a_bad_posterior_is_an_error() -> None:
    """A posterior of the wrong length and a negative weight are refused with what was wrong."""
    with pytest.raises(ValueError, match="posterior: 1 positions for the 2"):
        fused(PlateRead("AB", 0.9, ((CharAlternative("A", 0.9),),)))
    with pytest.raises(ValueError, match="weight"):
        fuse([WeightedRead(read("AB"), -1.0)])


def test_fusion_gains_on_noisy_passes() -> None:
    """On synthetic passes with errors in most frames, fusion is right more often than the surest frame, and
    calibrated."""
    chance = random.Random(7)
    right, best_right, confidence = 0, 0, 0.0
    passes = 150
    for _ in range(passes):
        truth = "".join(chance.choices(CHARACTERS, k=7))
        reads = [_noisy(truth, chance) for _ in range(6)]
        plate = fused(*reads).plate
        right += plate.text == truth
        best_right += max(reads, key=lambda r: r.confidence).text == truth
        confidence += plate.confidence
    assert right > best_right + passes * 0.15
    assert abs(confidence - right) / passes < 0.12


def _noisy(truth: str, chance: random.Random) -> PlateRead:
    text, posterior, confidence = "", [], 1.0
    for char in truth:
        sure = chance.uniform(0.6, 0.99)
        seen = char if chance.random() < sure else chance.choice(CHARACTERS)
        text += seen
        confidence *= sure
        posterior.append((CharAlternative(seen, sure),))
    return PlateRead(text, confidence, tuple(posterior))


def test_fusion_is_fast() -> None:
    """30 reads of 8 characters take few milliseconds of processor time."""
    chance = random.Random(1)
    reads = [WeightedRead(_noisy("AB12CDE7", chance), chance.random()) for _ in range(30)]
    fuse(reads)
    started = time.process_time()
    for _ in range(20):
        fuse(reads)
    assert (time.process_time() - started) / 20 < 0.010  # 3 ms on an idle core
