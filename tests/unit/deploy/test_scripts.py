"""The scripts that prepare a deployment: secrets, and images by digest."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from gateway.auth import Role, digest, read_keys
from scripts.image_digests import pinned
from scripts.make_secrets import MADE, main

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like a fresh checkout, its secrets made."""
    (tmp_path / ".env.example").write_text("COMPOSE_PROFILES=core\n")
    assert main(tmp_path) == 0
    return tmp_path


def test_secrets_are_made_at_random_and_kept(checkout: Path) -> None:
    """All are made, all differ, none is short, and a second run changes none of them."""
    before = {path.name: path.read_text() for path in (checkout / "secrets").iterdir()}
    assert before.keys() == {*MADE, "gateway_keys"}
    assert len(set(before.values())) == len(before)
    assert all(len(text.strip()) >= 32 for text in before.values())
    assert main(checkout) == 0
    assert {path.name: path.read_text() for path in (checkout / "secrets").iterdir()} == before


def test_one_that_was_removed_is_made_anew(checkout: Path) -> None:
    """A secret is changed by removing its file; .env, which an operator has edited, is left alone."""
    file = checkout / "secrets" / "writer_password"
    before = file.read_text()
    file.unlink()
    (checkout / ".env").write_text("OVR_BIND=0.0.0.0\n")
    main(checkout)
    assert file.read_text() != before
    assert (checkout / ".env").read_text() == "OVR_BIND=0.0.0.0\n"


def test_only_the_owner_gets_at_them(checkout: Path) -> None:
    """Nobody else may enter the folder; within it containers' users may read, and nobody writes."""
    assert stat.S_IMODE((checkout / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (checkout / "secrets").iterdir()} == {0o444}


def test_the_gateway_takes_the_key(checkout: Path) -> None:
    """The gateway knows the operator by the key, and its file does not hold the key itself."""
    key = (checkout / "secrets" / "gateway_key").read_text().strip()
    keys = read_keys(checkout / "secrets" / "gateway_keys")
    assert (keys[digest(key)].name, keys[digest(key)].role) == ("operator", Role.WRITE)
    assert key not in (checkout / "secrets" / "gateway_keys").read_text()


def test_the_encryption_key_is_one_that_minio_takes(checkout: Path) -> None:
    """A name, and 32 bytes in base64."""
    name, _, key = (checkout / "secrets" / "minio_kms_key").read_text().strip().partition(":")
    assert name == "ovr"
    assert len(base64.b64decode(key, validate=True)) == 32


def test_images_are_pinned_by_digest() -> None:
    """Each image gets its digest, an old digest is replaced, and what is built here or no image stays."""
    ours, other = "# engines\nOVR_IMAGE=ovr-alpr:1\n", "OVR_BIND=x:y\n"
    text = f"{ours}KAFKA_IMAGE=a/kafka:7.5.3\nLOKI_IMAGE=g/loki:3@{A}\n{other}"
    assert pinned(text, {"a/kafka:7.5.3": A, "g/loki:3": B}.__getitem__) == (
        f"{ours}KAFKA_IMAGE=a/kafka:7.5.3@{A}\nLOKI_IMAGE=g/loki:3@{B}\n{other}"
    )
