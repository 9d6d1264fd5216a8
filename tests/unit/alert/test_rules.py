"""Rules, schedules and the rules' file."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.settings import ConfigError
from mesh.telemetry import Telemetry
from services.alert.rulebook import Rulebook
from services.alert.rules import RegexMatcher, Rule, Sighting, alert_id, matcher
from services.alert.rules_file import RuleSet, check_rules, load_rules
from services.alert.schedule import DAYS, Schedule, parse_window
from services.alert.settings import SHIPPED_RULES
from storage.alerts.port import MatchKind, Severity
from synth.clip import WATCHLIST_TEXT

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=timezone.utc)  # a Monday
BERLIN = ZoneInfo("Europe/Berlin")


def rule(kind: MatchKind = MatchKind.EXACT, *patterns: str, **fields: object) -> Rule:
    """A rule for AB12CDE, or for the patterns given."""
    wanted = patterns or ("AB12CDE",)
    made = Rule("r1", "Rule", Severity.WARNING, kind, wanted, matcher(kind, wanted))
    return replace(made, **fields)


def sighting(text: str = "AB12CDE", **fields: object) -> Sighting:
    """A sure sighting at noon."""
    return replace(Sighting(text, 0.9, "gate", NOON), **fields)


@pytest.mark.parametrize(
    ("kind", "pattern", "fits", "fails"),
    [
        (MatchKind.EXACT, "AB12CDE", "AB12CDE", "AB12CD"),
        (MatchKind.PREFIX, "AB", "AB12CDE", "BAB12"),
        (MatchKind.REGEX, "[A-Z]{2}1.*", "AB12CDE", "XAB12"),
        (MatchKind.ONE_EDIT, "AB12CDE", "AB12CD", "AB12C"),
        (MatchKind.ONE_EDIT, "AB12CDE", "AB12CDX", "XB12CDX"),
        (MatchKind.ONE_EDIT, "AB12CDE", "AB123CDE", "A12CDEX"),
    ],
)
def test_kinds_of_match(kind: MatchKind, pattern: str, fits: str, fails: str) -> None:
    """Each kind fires on what fits, says which entry it was, and not on what does not."""
    verdict = rule(kind, "ZZ9", pattern).judge(sighting(fits))
    assert (verdict.fires, verdict.matched) == (True, pattern)
    assert not rule(kind, "ZZ9", pattern).judge(sighting(fails)).fires


def test_a_whole_match_is_named_before_an_edit() -> None:
    """With two entries an edit apart, the one that fits whole is named."""
    assert rule(MatchKind.ONE_EDIT, "AB12CDX", "AB12CDE").judge(sighting()).matched == "AB12CDE"


@pytest.mark.parametrize(
    ("fields", "seen", "word"),
    [
        ({"enabled": False}, sighting(), "switched off"),
        ({"camera_ids": ("yard",)}, sighting(), "Camera gate"),
        ({"min_confidence": 0.95}, sighting(), "0.90 is below"),
        ({"schedule": Schedule((parse_window("sun 00:00-24:00"),), text="sundays")}, sighting(), "sundays"),
        ({}, sighting(""), "no plate"),
        ({}, sighting("XY99"), "fits no entry"),
    ],
)
def test_a_rule_says_why_it_is_silent(fields: dict[str, object], seen: Sighting, word: str) -> None:
    """Each condition that is not met is named."""
    verdict = rule(**fields).judge(seen)
    assert not verdict.fires
    assert word in verdict.reason


def test_hostile_expressions_are_harmless() -> None:
    """An expression that makes backtracking engines hang is answered at once; one too big is refused."""
    started = time.process_time()
    assert RegexMatcher(["(A*)*B", "(A|AA)+C"]).find("A" * 16) is None
    assert time.process_time() - started < 0.5
    with pytest.raises(ValueError, match="no regular expression"):
        RegexMatcher(["((A{100}){100}){100}"])
    with pytest.raises(ValueError, match="no regular expression"):
        RegexMatcher(["(?=A)"])


def test_big_watchlists_are_quick() -> None:
    """Ten thousand entries with one edit cost a few milliseconds."""
    entries = [f"AB{number:05d}" for number in range(10_000)]
    big = rule(MatchKind.ONE_EDIT, *entries)
    started = time.process_time()
    for _ in range(5):
        assert not big.judge(sighting("XYZXYZX")).fires
    assert (time.process_time() - started) / 5 < 0.1


def test_alert_ids_are_derived() -> None:
    """The same rule and event always give the same id, another rule or event another one."""
    ids = {alert_id(r, e) for r in ("a", "b") for e in ("1", "2")}
    assert len(ids) == 4
    assert alert_id("a", "1") == alert_id("a", "1")


@pytest.mark.parametrize(
    ("window", "moment", "holds"),
    [
        ("mon-fri 08:00-18:00", "2026-03-02 12:00", True),
        ("mon-fri 08:00-18:00", "2026-03-02 18:00", False),
        ("mon-fri 08:00-18:00", "2026-03-07 12:00", False),
        ("fri 22:00-06:00", "2026-03-06 23:00", True),
        ("fri 22:00-06:00", "2026-03-07 05:59", True),
        ("fri 22:00-06:00", "2026-03-07 06:00", False),
        ("fri 22:00-06:00", "2026-03-06 05:00", False),
        ("sun 22:00-06:00", "2026-03-02 03:00", True),
        ("sat,sun 00:00-24:00", "2026-03-01 23:59", True),
        ("sat-mon 10:00-11:00", "2026-03-02 10:30", True),
        ("daily 00:00-24:00", "2026-03-04 00:00", True),
    ],
)
def test_windows(window: str, moment: str, holds: bool) -> None:
    """Windows hold on their days, over midnight into the next day, and not at their end."""
    at = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
    assert Schedule((parse_window(window),)).holds(at) is holds


def test_schedules_follow_the_wall_clock_of_their_zone() -> None:
    """The same wall-clock window is another hour of UTC in summer, and the day is the zone's own."""
    schedule = Schedule((parse_window("mon-fri 08:00-09:00"),), BERLIN)
    assert schedule.holds(datetime(2026, 1, 5, 7, 30, tzinfo=timezone.utc))
    assert not schedule.holds(datetime(2026, 7, 6, 7, 30, tzinfo=timezone.utc))
    assert schedule.holds(datetime(2026, 7, 6, 6, 30, tzinfo=timezone.utc))
    night = Schedule((parse_window("mon 00:00-01:00"),), BERLIN)
    assert night.holds(datetime(2026, 1, 4, 23, 30, tzinfo=timezone.utc))


@given(st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 7 * 1440 - 1))
def test_windows_by_minutes_of_the_week(day: int, start: int, length: int, offset: int) -> None:
    """A window holds exactly in the minutes from its start for its length, round the week's end too."""
    end = (start + length - 1) % 1440 + 1
    if start == end % 1440 and length < 1440:
        return
    if start + length > 1440 and end >= start:
        return
    if start == end:
        return
    times = f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"
    window = parse_window(f"{DAYS[day]} {times}")
    within = (offset - (day * 1440 + start)) % (7 * 1440) < length
    assert window.holds(offset // 1440, offset % 1440) is within


@pytest.mark.parametrize(
    "text",
    [
        "mon",
        "mon 8-9",
        "mon 08:00-08:00",
        "xyz 08:00-09:00",
        "mon 24:00-08:00",
        "mon 08:61-09:00",
        "mon 08:00-25:00",
    ],
)
def test_wrong_windows_are_refused(text: str) -> None:
    """What is no window is an error that says what is wrong."""
    with pytest.raises(ValueError, match=r"."):
        parse_window(text)


def loaded(path: Path) -> RuleSet:
    """The rules of a file."""
    return load_rules(path, httpx.AsyncClient())


def test_the_shipped_file_is_valid_and_has_the_demo_plate() -> None:
    """The default rules load, and fire on the synthetic plate of the demo clip, read right or one off."""
    found = loaded(SHIPPED_RULES)
    firing = [r.rule_id for r in found.rules if r.judge(sighting(WATCHLIST_TEXT)).fires]
    assert firing == ["watchlist"]
    assert found.rules[0].judge(sighting(WATCHLIST_TEXT[:-1] + "R")).fires
    assert not found.channels


FULL = """\
rules:
  - id: night
    name: At night
    severity: info
    match: prefix
    patterns: [ab-12, "0123"]
    cameras: [gate]
    schedule: [mon-fri 22:00-06:00, "sat 00:00-24:00"]
    timezone: Europe/Berlin
    cooldown: 300
    min_confidence: 0.8
    channels: [guards, phone, team, hook]
channels:
  guards: {type: smtp, host: localhost, username: u, password_file: PASSWORD, from: a@b.c, to: [d@e.f]}
  phone: {type: twilio, account_sid: AC1, auth_token_env: OVR_TEST_TOKEN, from: "+49301234", to: "+493012345"}
  team: {type: slack, url_env: OVR_TEST_URL}
  hook: {type: webhook, url: "https://example.org/x", secret_env: OVR_TEST_TOKEN, timeout: 3, attempts: 2}
"""


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with everything in it, and its secrets."""
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.setenv("OVR_TEST_TOKEN", "t0ken")
    monkeypatch.setenv("OVR_TEST_URL", "https://hooks.example.org/T/B/x")
    path = tmp_path / "rules.yaml"
    path.write_text(FULL.replace("PASSWORD", str(tmp_path / "password")))
    return path


def test_everything_of_a_file_arrives(full: Path) -> None:
    """All fields of a rule and all kinds of channels come out as they stand in the file."""
    found = loaded(full)
    (night,) = found.rules
    assert night.patterns == ("AB12", "0123")
    assert night.schedule.text == "mon-fri 22:00-06:00, sat 00:00-24:00 Europe/Berlin"
    assert (night.cooldown, night.min_confidence) == (timedelta(minutes=5), 0.8)
    assert found.channels.keys() == {"guards", "phone", "team", "hook"}
    assert found.channels["guards"].wants_picture
    assert (found.channels["hook"].timeout, found.channels["hook"].attempts) == (3, 2)
    assert "s3cret" not in repr(found)
    assert "t0ken" not in repr(found)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("severity: info", "severity: bad", 4, "rules.0.severity"),
        ("match: prefix", "match: regex", 6, "rules.0.patterns.0: '(ab' is no regular"),
        ("patterns: [ab-12", "patterns: ['--'", 6, "rules.0.patterns.0: '--' holds no plate"),
        ('"0123"]', "0123]", 6, "put it in quotes"),
        ("timezone: Europe/Berlin", "timezone: Europe/Nowhere", 9, "no time zone"),
        ("sat 00:00-24:00", "sat 00:00-00:00", 8, "is empty"),
        ("cooldown: 300", "cooldwn: 300", 10, "rules.0.cooldwn"),
        ("channels: [guards, phone", "channels: [guards, fax", 12, "fax is not among the channels"),
        ("type: smtp", "type: pigeon", 14, "channels.guards"),
        ("password_file: ", "password: ", 14, "channels.guards.smtp.password"),
        ("OVR_TEST_URL", "OVR_TEST_NOT_SET", 16, "OVR_TEST_NOT_SET is not set"),
        ("https://example.org/x", "ftp://example.org", 17, "no web address"),
        ("rules:", "rules: [", 2, "not YAML"),
    ],
)
def test_faults_name_file_line_and_field(full: Path, old: str, new: str, line: int, words: str) -> None:
    """Whatever is wrong, the error says in which file, line and field."""
    text = full.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    full.write_text(text.replace("[ab-12", "['(ab'") if "regex" in new else text)
    with pytest.raises(ConfigError) as error:
        check_rules(full)
    assert words in str(error.value)
    assert f"{full}:{line}:" in str(error.value)


def test_one_id_for_two_rules_is_refused(tmp_path: Path) -> None:
    """Two rules with one id are an error at the second."""
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - {id: a, patterns: [AB1]}\n  - {id: a, patterns: [AB2]}\n")
    with pytest.raises(ConfigError, match=r"rules.yaml:3: rules.1.id: a is the id of another rule"):
        check_rules(path)


def read(path: Path) -> str:
    return path.read_text()


def write(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


async def test_a_changed_file_is_loaded_and_a_broken_one_keeps_the_old_rules(full: Path) -> None:
    """New rules come into force; a broken file leaves them, says what is wrong, and heals when mended."""
    telemetry = Telemetry("test")
    book = Rulebook(full, loaded, telemetry)
    first = book.current

    def faults() -> float | None:
        return telemetry.registry.get_sample_value("ovr_alert_rules_faults")

    await book.refresh()
    assert book.current is first
    good = read(full)
    write(full, good.replace("severity: info", "severity: oops"))
    await book.refresh()
    assert book.current.set is first.set
    assert book.current.loaded_at == first.loaded_at
    assert "rules.0.severity" in book.current.errors[0]
    assert faults() == 1
    remove(full)
    await book.refresh()
    assert book.current.set is first.set
    assert "cannot be read" in book.current.errors[0]
    write(full, good.replace("severity: info", "severity: critical"))
    await book.refresh()
    assert book.current.set.rules[0].severity is Severity.CRITICAL
    assert (book.current.errors, faults()) == ((), 0)


def test_without_a_valid_file_it_does_not_start(tmp_path: Path) -> None:
    """There are no older rules to keep at the start, so a missing file is an error."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Rulebook(tmp_path / "none.yaml", loaded, Telemetry("test"))
