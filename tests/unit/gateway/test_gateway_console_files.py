"""The console's files: nothing inline, nothing from elsewhere, nothing that turns text into markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.observe import POLICY

STATIC = Path(__file__).parents[3] / "gateway" / "static"
FILES = sorted(path for path in STATIC.iterdir() if path.suffix in (".html", ".js", ".css", ".svg"))
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc")
ELSEWHERE = re.compile(r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}""")
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    """No file names another host: no CDN, no font, no tracker."""
    assert not ELSEWHERE.search(path.read_text().replace(NAMESPACE, ""))


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".js"], ids=lambda path: path.name)
def test_text_never_becomes_markup(path: Path) -> None:
    """Scripts use no way by which a plate's text could become an element."""
    assert not MARKUP.search(path.read_text())


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".html"], ids=lambda path: path.name)
def test_pages_have_no_inline_code(path: Path) -> None:
    """Pages work under the policy: no script or style in them, no handler attribute."""
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)


def test_the_policy_allows_nothing_inline() -> None:
    """The console's policy has no exception for scripts or styles."""
    assert "unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none'")
