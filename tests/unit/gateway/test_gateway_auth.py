"""API keys: made, kept, recognised, revoked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.app import open_keys
from gateway.auth import KeyFileError, Keys, Role, digest, new_key, parse, read_keys, revoke_key
from gateway.settings import GatewaySettings
from mesh.settings import ConfigError


def test_a_new_key_is_known_and_kept_only_as_its_hash(tmp_path: Path) -> None:
    """The key opens the door, and the file that knows it does not hold it."""
    path = tmp_path / "keys"
    key = new_key(path, "guard-room", Role.WRITE)
    caller = Keys(path, {}).caller(key, 0.0)
    assert caller is not None
    assert (caller.name, caller.role) == ("guard-room", Role.WRITE)
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_two_keys_differ(tmp_path: Path) -> None:
    """No key is made twice."""
    path = tmp_path / "keys"
    assert new_key(path, "a", Role.READ) != new_key(path, "b", Role.READ)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """A second key of a name is refused, so that revoking a name revokes all of it."""
    path = tmp_path / "keys"
    new_key(path, "a", Role.READ)
    with pytest.raises(KeyFileError, match="already"):
        new_key(path, "a", Role.READ)


def test_revoking_takes_effect_while_running(tmp_path: Path) -> None:
    """A revoked key is refused by keys that were loaded before, within a second."""
    path = tmp_path / "keys"
    key, other = new_key(path, "a", Role.READ), new_key(path, "b", Role.READ)
    keys = Keys(path, {})
    assert keys.caller(key, 10.0) is not None
    assert revoke_key(path, "a")
    assert keys.caller(key, 11.0) is None
    assert keys.caller(other, 11.0) is not None
    assert not revoke_key(path, "a")


def test_a_file_that_breaks_keeps_the_keys_in_force(tmp_path: Path) -> None:
    """A half-written file locks nobody out."""
    path = tmp_path / "keys"
    key = new_key(path, "a", Role.READ)
    keys = Keys(path, {})
    path.write_text("nonsense\n")
    os.utime(path, (1, 1))
    assert keys.caller(key, 10.0) is not None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a:read", "entry 1: expected name:role:sha256"),
        (f"a:admin:{'0' * 64}", "entry 1, role: 'admin'"),
        (f":read:{'0' * 64}", "entry 1, name"),
        ("a:read:secret", "entry 1, sha256"),
    ],
)
def test_a_wrong_entry_is_named(line: str, words: str) -> None:
    """Source, entry and field of a fault are said, and never the key."""
    with pytest.raises(KeyFileError, match=words):
        parse([line], "keys")


def test_comments_and_blank_lines_are_allowed() -> None:
    """People may write in the file."""
    assert len(parse(["# ours", "", f"a:read:{digest('x')}  # the gate"], "keys")) == 1


def test_no_file_means_no_keys(tmp_path: Path) -> None:
    """A missing file is not an error."""
    assert read_keys(tmp_path / "none") == {}


def test_only_write_may_write() -> None:
    """Who may write may read, not the other way round."""
    assert Role.WRITE.allows(Role.READ)
    assert Role.WRITE.allows(Role.WRITE)
    assert not Role.READ.allows(Role.WRITE)


@pytest.mark.parametrize("listen", ["0.0.0.0:8000", "[::]:8000", "192.0.2.7:80", "gate.example:8000"])
def test_beyond_this_machine_keys_are_required(listen: str, tmp_path: Path) -> None:
    """It refuses to listen beyond loopback without keys, and says how to make one."""
    with pytest.raises(ConfigError, match="ovr keys new"):
        open_keys(GatewaySettings(home=tmp_path, listen=listen))


@pytest.mark.parametrize("listen", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "127.9.9.9:1"])
def test_on_this_machine_none_are(listen: str, tmp_path: Path) -> None:
    """On loopback no key is needed unless it is asked for."""
    assert open_keys(GatewaySettings(home=tmp_path, listen=listen)) is None
    with pytest.raises(ConfigError):
        open_keys(GatewaySettings(home=tmp_path, listen=listen, require_keys=True))


def test_keys_may_come_by_the_environment(tmp_path: Path) -> None:
    """A container needs no file."""
    entry = f"ci:read:{digest('ovr_x')}"
    keys = open_keys(GatewaySettings(home=tmp_path, listen="0.0.0.0:8000", keys=entry))
    assert keys is not None
    assert keys.caller("ovr_x", 0.0) is not None
