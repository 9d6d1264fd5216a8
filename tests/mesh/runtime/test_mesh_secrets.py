"""Secrets in files are read whole or not at all, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.secrets import read_secret


def test_a_secret_comes_without_the_white_space_round_it(tmp_path: Path) -> None:
    """The line's end that editors leave is no part of it."""
    (tmp_path / "key").write_text(" quiet one \n")
    assert read_secret(tmp_path / "key") == "quiet one"


@pytest.mark.parametrize("content", [b"\xff\xfe quiet", b"quiet" * 20_000], ids=["no text", "too long"])
def test_a_file_that_holds_no_secret_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    """What is no text, or far too long, is refused whole instead of being cut."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ValueError, match="key") as refused:
        read_secret(tmp_path / "key")
    assert "quiet" not in str(refused.value)
