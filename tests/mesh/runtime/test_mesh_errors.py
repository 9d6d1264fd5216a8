"""Errors: one table, lossless on the wire, and nothing of the inside leaks."""

from __future__ import annotations

import pickle

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import (
    STATUS,
    FieldViolation,
    Kind,
    MeshError,
    from_grpc_status,
    from_rpc_error,
    kind_of,
    to_grpc_status,
    to_problem,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ERRORS = st.builds(
    MeshError,
    st.sampled_from(Kind),
    st.from_regex(r"\A[A-Z][A-Z_]{0,30}\Z"),
    TEXT,
    fields=st.lists(st.builds(FieldViolation, TEXT, TEXT), max_size=3).map(tuple),
    retry_after=st.none() | st.floats(0, 3600).map(lambda seconds: round(seconds, 3)),
    metadata=st.dictionaries(TEXT, TEXT, max_size=3),
)


def parts(error: MeshError) -> tuple[object, ...]:
    """All that two equal errors have in common."""
    retry = None if error.retry_after is None else round(error.retry_after, 3)
    return error.kind, error.reason, error.message, error.fields, retry, dict(error.metadata)


@given(ERRORS)
def test_an_error_survives_the_wire(error: MeshError) -> None:
    """A MeshError turned into a rich status and back is the same error."""
    assert parts(from_grpc_status(to_grpc_status(error))) == parts(error)


@given(ERRORS)
def test_an_error_survives_copying_and_pickling(error: MeshError) -> None:
    """A copy for another caller or another process says the same."""
    assert parts(error.copy()) == parts(error) == parts(pickle.loads(pickle.dumps(error)))


def test_the_table_has_every_kind_once() -> None:
    """Each kind has a status of its own, and each status leads back to its kind."""
    assert set(STATUS) == set(Kind)
    assert len({row.code for row in STATUS.values()}) == len(Kind)
    assert all(kind_of(row.code) is kind for kind, row in STATUS.items())
    assert all(kind_of(row.code.value[0]) is kind for kind, row in STATUS.items())
    assert all(400 <= row.http < 600 for row in STATUS.values())


def test_a_status_without_details_keeps_its_kind_and_words() -> None:
    """An error of a foreign server is mapped by its code alone, and may not be retried by chance."""
    failure = grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), grpc.aio.Metadata(), details="too large"
    )
    error = from_rpc_error(failure)
    assert (error.kind, error.reason, error.message) == (Kind.EXHAUSTED, "EXHAUSTED", "too large")
    assert error.retry_after is None


def test_details_that_are_no_status_are_ignored() -> None:
    """Garbage in the details' metadata does not hide the error it came with."""
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", b"\xff\xff\xff"))
    failure = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), trailing, details="gone")
    assert from_rpc_error(failure).kind is Kind.NOT_FOUND


@given(ERRORS)
def test_a_problem_says_what_the_error_says(error: MeshError) -> None:
    """Problem+json carries status, reason, fields and retry time, and nothing empty."""
    problem = to_problem(error, instance="/v1/events/7", trace_id="ab" * 16)
    assert problem["status"] == STATUS[error.kind].http
    assert problem["reason"] == error.reason
    assert problem["instance"] == "/v1/events/7"
    assert problem["trace_id"] == "ab" * 16
    assert len(problem.get("fields", ())) == len(error.fields)
    assert ("retry_after" in problem) == (error.retry_after is not None)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, 99])
def test_an_unknown_status_is_internal(code: grpc.StatusCode | int) -> None:
    """What the table does not know is treated as the peer's own fault."""
    assert kind_of(code) is Kind.INTERNAL
