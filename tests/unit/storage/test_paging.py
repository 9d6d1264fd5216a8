"""Page tokens: what goes in comes out, for the same request only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import Kind, MeshError
from storage.paging import decode_token, encode_token


@given(st.integers(-(2**62), 2**62), st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_token_gives_back_its_key(number, text):
    """Any key comes back as it was."""
    assert decode_token("request", encode_token("request", (number, text)), (int, str)) == (number, text)


@given(st.text())
def test_no_text_breaks_the_decoder(token):
    """Whatever a client sends is either the empty token or INVALID naming the field."""
    if token:
        with pytest.raises(MeshError) as caught:
            decode_token("request", token, (int,))
        assert caught.value.kind is Kind.INVALID
        assert caught.value.fields[0].field == "page_token"
    else:
        assert decode_token("request", token, (int,)) is None


def test_a_token_of_another_shape_is_refused():
    """A token whose key has other types, as of another list, is refused even for an equal request."""
    with pytest.raises(MeshError):
        decode_token("request", encode_token("request", ("text",)), (int,))
