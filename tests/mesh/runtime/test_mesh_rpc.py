"""Rpcs over real servers: errors, validation, limits, deadlines and traces, by socket and by TCP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from mesh_parts import DETECTOR, detect, stream_request
from prometheus_client import generate_latest

from mesh import deadline, names, validation
from mesh.client import ClientOptions, connect
from mesh.errors import FieldViolation, Kind, MeshError, to_problem
from mesh.server import MeshServer
from mesh.settings import ConfigError, MeshSettings
from mesh.testing import Harness, service_of, servicer_of, watch_loop
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc
from tests.builders.relay import Relay


@pytest.fixture
async def mesh() -> AsyncIterator[Harness]:
    """A harness that goes with its test."""
    async with Harness() as harness:
        yield harness


def answer(request: Any) -> detector_pb2.DetectResponse:
    """The least that a detector can say."""
    return detector_pb2.DetectResponse(inference_ms=1.0)


async def answer_each(requests: Any) -> AsyncIterator[detector_pb2.DetectStreamResponse]:
    """An answer to each message of a stream."""
    index = 0
    async for _ in requests:
        yield detector_pb2.DetectStreamResponse(index=index, response=detector_pb2.DetectResponse())
        index += 1


async def requests(*cameras: str) -> AsyncIterator[detector_pb2.DetectStreamRequest]:
    """A stream's messages, one for each camera."""
    for camera in cameras:
        yield stream_request(camera)


@pytest.mark.parametrize("listen", ["", "127.0.0.1:0"])
async def test_unary_and_stream_by_socket_and_tcp(mesh: Harness, listen: str) -> None:
    """A call and a stream are answered, whichever way the peer is reached."""
    fields = {"listen": listen} if listen else {}
    servicer = servicer_of(DETECTOR, Detect=answer, DetectStream=answer_each)
    server = await mesh.serve("detector", service_of(DETECTOR, servicer), **fields)
    async with connect(server.address, peer="detector") as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        assert (await stub.Detect(detect())).inference_ms == 1.0
        assert [item.index async for item in stub.DetectStream(requests("a", "b", "c"))] == [0, 1, 2]
        stream = stub.DetectStream()
        for expected in range(3):
            await stream.write(stream_request())
            assert (await stream.read()).index == expected
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF


async def test_a_peer_that_is_slow_to_take_a_connection_is_waited_for(mesh: Harness) -> None:
    """What is not sent again does not fail because the peer's first word takes half a second."""
    servicer = servicer_of(DETECTOR, DetectStream=answer_each)
    server = await mesh.serve("detector", service_of(DETECTOR, servicer), listen="127.0.0.1:0")
    host, _, port = server.address.rpartition(":")
    async with Relay(host, int(port)).running() as relay:
        relay.hold()
        async with connect(f"127.0.0.1:{relay.port}", peer="detector") as channel:
            stream = detector_pb2_grpc.DetectorServiceStub(channel).DetectStream()
            writing = asyncio.create_task(stream.write(stream_request()))
            await asyncio.sleep(0.5)
            relay.mend()
            await writing
            assert (await stream.read()).index == 0


async def test_an_error_goes_from_servicer_to_problem(mesh: Harness) -> None:
    """What a servicer raises arrives whole at the caller and in the problem for the world outside."""
    raised = MeshError(
        Kind.NOT_FOUND,
        "EVENT_UNKNOWN",
        "no such event",
        fields=(FieldViolation("event_id", "is not known"),),
        retry_after=1.5,
        metadata={"shard": "3"},
    )

    def fail(request: Any) -> None:
        raise raised

    await mesh.neighbour("detector", DETECTOR, Detect=fail)
    with pytest.raises(MeshError) as caught:
        await mesh.stub(DETECTOR).Detect(detect())
    assert to_problem(caught.value) == to_problem(raised)


async def test_internals_do_not_leave_the_process(mesh: Harness) -> None:
    """An unforeseen exception is INTERNAL for the caller, without a word of the cause, in calls and in
    streams."""

    def fail(request: Any) -> None:
        raise ValueError("password=hunter2")

    async def fail_late(requests: Any) -> AsyncIterator[Any]:
        yield detector_pb2.DetectStreamResponse(index=0)
        raise ValueError("password=hunter2")

    await mesh.neighbour("detector", DETECTOR, Detect=fail, DetectStream=fail_late)
    stub = mesh.stub(DETECTOR)
    with pytest.raises(MeshError) as caught:
        await stub.Detect(detect())
    assert caught.value.kind is Kind.INTERNAL
    assert "hunter2" not in str(caught.value)
    seen = []
    with pytest.raises(MeshError) as caught:  # noqa: PT012 - the loop is what is tried
        async for item in stub.DetectStream(requests("a")):
            seen.append(item.index)
    assert seen == [0]
    assert (caught.value.kind, "hunter2" in str(caught.value)) == (Kind.INTERNAL, False)


async def test_a_peers_error_is_handed_on(mesh: Harness) -> None:
    """A servicer that calls on may let its peer's error through as it is."""
    await mesh.neighbour("ocr", DETECTOR, Detect=_raise(MeshError(Kind.STALE, "FRAME_REF_STALE", "reused")))
    inner = detector_pb2_grpc.DetectorServiceStub(mesh.connect("ocr"))
    await mesh.neighbour("detector", DETECTOR, Detect=inner.Detect)
    with pytest.raises(MeshError) as caught:
        await mesh.stub(DETECTOR).Detect(detect())
    assert (caught.value.kind, caught.value.reason) == (Kind.STALE, "FRAME_REF_STALE")


def _raise(error: Exception) -> Any:
    def fail(request: Any) -> None:
        raise error

    return fail


async def test_a_call_that_breaks_the_contract_is_refused_by_field(mesh: Harness) -> None:
    """Rules of the contract are checked before the servicer sees the request, and each broken field is
    named."""
    served = []
    await mesh.neighbour("detector", DETECTOR, Detect=served.append)
    with pytest.raises(MeshError) as caught:
        await mesh.stub(DETECTOR).Detect(detect("", min_score=2.0))
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "INVALID_REQUEST")
    assert {violation.field for violation in caught.value.fields} == {"frame.camera_id", "min_score"}
    with pytest.raises(MeshError, match="frame"):
        await mesh.stub(DETECTOR).Detect(detector_pb2.DetectRequest())
    assert served == []


async def test_an_error_with_very_much_to_say_still_arrives(mesh: Harness) -> None:
    """Hundreds of broken fields and long texts are cut to what fits into a status; kind and reason arrive."""
    wordy = MeshError(
        Kind.INVALID,
        "TOO_WORDY",
        "ü" * 20_000,
        fields=tuple(FieldViolation(f"field{n}", "ö" * 1000) for n in range(500)),
        metadata={str(n): "x" * 1000 for n in range(100)},
    )
    await mesh.neighbour("detector", DETECTOR, Detect=_raise(wordy))
    with pytest.raises(MeshError) as caught:
        await mesh.stub(DETECTOR).Detect(detect())
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "TOO_WORDY")
    assert len(caught.value.fields) >= 4
    assert caught.value.message.startswith("üü")


async def test_each_message_of_a_stream_is_checked(mesh: Harness) -> None:
    """A bad message ends its stream with INVALID_ARGUMENT; the answers before it have arrived."""
    await mesh.neighbour("detector", DETECTOR, DetectStream=answer_each)
    seen = []
    with pytest.raises(MeshError) as caught:  # noqa: PT012 - the loop is what is tried
        async for item in mesh.stub(DETECTOR).DetectStream(requests("a", "b", "")):
            seen.append(item.index)
    assert seen == [0, 1]
    assert caught.value.fields[0].field == "request.frame.camera_id"


async def test_a_stream_that_answers_bad_messages_itself(mesh: Harness) -> None:
    """An unchecked stream gets every message and may answer a bad one and go on."""

    async def tolerant(requests: Any) -> AsyncIterator[detector_pb2.DetectStreamResponse]:
        index = 0
        async for message in requests:
            try:
                validation.check(message)
                yield detector_pb2.DetectStreamResponse(index=index)
            except MeshError as error:
                fault = detector_pb2.FrameError(reason=error.reason)
                yield detector_pb2.DetectStreamResponse(index=index, error=fault)
            index += 1

    servicer = servicer_of(DETECTOR, DetectStream=tolerant)
    await mesh.serve("detector", service_of(DETECTOR, servicer, unchecked=["DetectStream"]))
    stream = mesh.stub(DETECTOR).DetectStream(requests("a", "", "c"))
    assert [item.error.reason async for item in stream] == ["", "INVALID_REQUEST", ""]


async def test_too_many_calls_and_streams_are_refused_with_a_time(mesh: Harness) -> None:
    """Beyond the limits a caller gets RESOURCE_EXHAUSTED with the time to wait, counted; then it goes on."""
    gate, served = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(request: Any) -> detector_pb2.DetectResponse:
        served.release()
        await gate.wait()
        return detector_pb2.DetectResponse()

    async def wait_stream(requests: Any) -> AsyncIterator[Any]:
        served.release()
        await gate.wait()
        yield detector_pb2.DetectStreamResponse()

    servicer = servicer_of(DETECTOR, Detect=wait, DetectStream=wait_stream)
    await mesh.serve("detector", service_of(DETECTOR, servicer), max_calls=2, max_streams=1)
    stub = detector_pb2_grpc.DetectorServiceStub(mesh.connect("detector", options=_no_retries()))
    running = [asyncio.ensure_future(stub.Detect(detect())) for _ in range(2)]
    stream = asyncio.ensure_future(_collect(stub.DetectStream(requests())))
    for _ in range(3):
        await served.acquire()
    with pytest.raises(MeshError) as caught:
        await stub.Detect(detect())
    assert (caught.value.kind, caught.value.reason) == (Kind.EXHAUSTED, "TOO_MANY_CALLS")
    assert caught.value.retry_after
    with pytest.raises(MeshError) as caught:
        await _collect(stub.DetectStream(requests()))
    assert caught.value.reason == "TOO_MANY_STREAMS"
    gate.set()
    await asyncio.gather(*running, stream)
    assert await stub.Detect(detect()) == detector_pb2.DetectResponse()


def _no_retries() -> ClientOptions:
    from mesh.retry import RetryPolicy

    return ClientOptions(retry=RetryPolicy(attempts=1))


async def _collect(stream: Any) -> list[Any]:
    return [item async for item in stream]


async def test_a_message_beyond_the_size_is_refused(mesh: Harness) -> None:
    """A message larger than the setting is refused with RESOURCE_EXHAUSTED, without retries; one below
    passes."""
    servicer = servicer_of(DETECTOR, Detect=answer)
    await mesh.serve("detector", service_of(DETECTOR, servicer), max_message_mib=1)
    stub = mesh.stub(DETECTOR)
    small, large = detect(), detect()
    small.frame.inline_data = bytes(1 << 20)
    large.frame.inline_data = bytes(2 << 20)
    assert (await stub.Detect(small)).inference_ms == 1.0
    with pytest.raises(MeshError) as caught:
        await stub.Detect(large)
    assert (caught.value.kind, caught.value.retry_after) == (Kind.EXHAUSTED, None)


async def test_deadlines_shrink_hop_by_hop(mesh: Harness) -> None:
    """Each hop has less time than the one before, and the innermost gives up first."""
    seen: list[float | None] = []

    async def innermost(request: Any) -> Any:
        seen.append(deadline.remaining())
        await asyncio.sleep(30)

    await mesh.neighbour("query", DETECTOR, Detect=innermost)
    inner = detector_pb2_grpc.DetectorServiceStub(mesh.connect("query"))

    async def middle(request: Any) -> Any:
        seen.append(deadline.remaining())
        return await inner.Detect(request, timeout=60)

    await mesh.neighbour("ocr", DETECTOR, Detect=middle)
    outer = detector_pb2_grpc.DetectorServiceStub(mesh.connect("ocr"))

    async def outermost(request: Any) -> Any:
        seen.append(deadline.remaining())
        return await outer.Detect(request)

    await mesh.neighbour("detector", DETECTOR, Detect=outermost)
    started = time.monotonic()
    with pytest.raises(MeshError) as caught:
        await mesh.stub(DETECTOR).Detect(detect(), timeout=3.0)
    assert caught.value.kind is Kind.DEADLINE
    assert time.monotonic() - started < 10
    first, second, third = (left or 0 for left in seen)
    # the wire carries two or three digits of a timeout, rounded up
    assert 3.1 > first > second > third > 0.5


async def test_a_call_without_a_deadline_gets_one(mesh: Harness) -> None:
    """Every call has a deadline, even when its caller named none; a stream has none by itself."""
    seen: list[float | None] = []

    def look(request: Any) -> detector_pb2.DetectResponse:
        seen.append(deadline.remaining())
        return detector_pb2.DetectResponse()

    async def look_stream(requests: Any) -> AsyncIterator[Any]:
        seen.append(deadline.remaining())
        yield detector_pb2.DetectStreamResponse()

    await mesh.neighbour("detector", DETECTOR, Detect=look, DetectStream=look_stream)
    channel = mesh.connect("detector", options=ClientOptions(timeout=30.0))
    stub = detector_pb2_grpc.DetectorServiceStub(channel)
    await stub.Detect(detect())
    await _collect(stub.DetectStream(requests()))
    assert 15.0 < (seen[0] or 0) < 31.0  # the wire carries two or three digits of a timeout, rounded up
    assert seen[1] is None


async def test_no_call_is_made_when_its_time_is_up(mesh: Harness) -> None:
    """Work whose deadline has passed asks nobody."""
    asked: list[Any] = []
    await mesh.neighbour("detector", DETECTOR, Detect=asked.append)
    stub = mesh.stub(DETECTOR)
    with deadline.within(0.0):
        with pytest.raises(MeshError) as caught:
            await stub.Detect(detect())
        with pytest.raises(MeshError):
            stub.DetectStream(requests())
    assert (caught.value.kind, asked) == (Kind.DEADLINE, [])


async def test_a_cancelled_call_stops_its_servicer(mesh: Harness) -> None:
    """Cancelling a call or leaving a stream cancels the work for it, at once."""
    ended: asyncio.Queue[str] = asyncio.Queue()
    entered = asyncio.Event()

    async def work(request: Any) -> Any:
        entered.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.put_nowait("call")

    async def work_stream(requests: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield detector_pb2.DetectStreamResponse()
                await asyncio.sleep(0.01)
        finally:
            ended.put_nowait("stream")

    await mesh.neighbour("detector", DETECTOR, Detect=work, DetectStream=work_stream)
    stub = mesh.stub(DETECTOR)
    call = asyncio.ensure_future(stub.Detect(detect()))
    await entered.wait()
    call.cancel()
    assert await asyncio.wait_for(ended.get(), 10) == "call"
    stream = stub.DetectStream(requests("a"))
    await stream.read()
    stream.cancel()
    assert await asyncio.wait_for(ended.get(), 10) == "stream"
    with pytest.raises(MeshError) as caught:
        await stream.read()
    assert caught.value.kind is Kind.CANCELLED


async def test_what_the_requests_raise_reaches_who_reads_the_answers(mesh: Harness) -> None:
    """An exception of the caller's own iterator is raised to the caller, not swallowed by gRPC."""
    await mesh.neighbour("detector", DETECTOR, DetectStream=answer_each)

    async def broken() -> AsyncIterator[Any]:
        yield stream_request()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await _collect(mesh.stub(DETECTOR).DetectStream(broken()))


async def test_writing_to_a_stream_that_failed_says_why(mesh: Harness) -> None:
    """A writer learns from write() how the peer ended the stream."""

    async def refuse(requests: Any) -> AsyncIterator[Any]:
        raise MeshError(Kind.EXHAUSTED, "CREDIT_EXCEEDED", "more than the credit")
        yield

    await mesh.neighbour("detector", DETECTOR, DetectStream=refuse)
    stream = mesh.stub(DETECTOR).DetectStream()
    with pytest.raises(MeshError) as caught:  # noqa: PT012 - the loop is what is tried
        for _ in range(100):
            await stream.write(stream_request())
            await asyncio.sleep(0.01)
    assert caught.value.reason == "CREDIT_EXCEEDED"


async def test_one_trace_over_all_hops(mesh: Harness) -> None:
    """Client and server spans of every hop hang together in one trace, streams too."""
    await mesh.neighbour("ocr", DETECTOR, Detect=answer)
    ocr = mesh.telemetry("detector")
    inner = detector_pb2_grpc.DetectorServiceStub(mesh.connect("ocr", telemetry=ocr))

    async def ask_each(requests: Any) -> AsyncIterator[Any]:
        async for message in requests:
            yield detector_pb2.DetectStreamResponse(response=await inner.Detect(message.request))

    await mesh.neighbour("detector", DETECTOR, DetectStream=ask_each)
    edge = mesh.telemetry("edge")
    stub = detector_pb2_grpc.DetectorServiceStub(mesh.connect("detector", telemetry=edge))
    with edge.span("pass"):
        await _collect(stub.DetectStream(requests("a")))
    method = "ovr.alpr.v1.DetectorService/Detect"
    while len(mesh.spans()) < 5:  # noqa: ASYNC110 - a stream's span ends just after its last message
        await asyncio.sleep(0.01)
    assert mesh.edges() >= {
        ("edge:pass", f"edge:{method}Stream"),
        (f"edge:{method}Stream", f"detector:{method}Stream"),
        (f"detector:{method}Stream", f"detector:{method}"),
        (f"detector:{method}", f"ocr:{method}"),
    }
    assert len({span.context.trace_id for span in mesh.spans()}) == 1
    server = next(span for span in mesh.spans() if span.name == method and span.kind.name == "SERVER")
    assert server.attributes == {
        names.ATTR_RPC_SYSTEM: "grpc",
        names.ATTR_RPC_SERVICE: DETECTOR,
        names.ATTR_RPC_METHOD: "Detect",
        names.ATTR_RPC_STATUS: 0,
    }


async def test_rpcs_are_measured_on_both_sides(mesh: Harness) -> None:
    """Server and client count each rpc by method and code."""
    telemetry = mesh.telemetry("edge")
    await mesh.neighbour("detector", DETECTOR, Detect=_raise(MeshError(Kind.NOT_FOUND, "NO", "no")))
    stub = detector_pb2_grpc.DetectorServiceStub(mesh.connect("detector", telemetry=telemetry))
    with pytest.raises(MeshError):
        await stub.Detect(detect())
    page = generate_latest(telemetry.registry).decode()
    assert 'ovr_rpc_client_seconds_count{code="NOT_FOUND",method="Detect",peer="detector"} 1.0' in page


async def test_an_unknown_method_is_unimplemented(mesh: Harness) -> None:
    """An rpc the peer does not have is UNIMPLEMENTED, also one it has but does not serve."""
    await mesh.neighbour("detector", DETECTOR, Detect=answer)
    with pytest.raises(MeshError) as caught:
        await mesh.stub("ovr.alpr.v1.QueryService", "detector").GetEvent(
            _query().GetEventRequest(event_id="018f2c6e-0000-7000-8000-000000000000")
        )
    assert caught.value.kind is Kind.UNIMPLEMENTED


def _query() -> Any:
    from ovr.alpr.v1 import query_pb2

    return query_pb2


async def test_the_contract_can_be_asked_for(mesh: Harness) -> None:
    """Reflection lists the services; by setting it does not."""
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    async def listed(name: str) -> set[str]:
        stub = reflection_pb2_grpc.ServerReflectionStub(mesh.connect(name))
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        found = await call.read()
        await call.done_writing()
        return {service.name for service in found.list_services_response.service}

    servicer = servicer_of(DETECTOR, Detect=answer)
    await mesh.serve("detector", service_of(DETECTOR, servicer))
    await mesh.serve("ocr", service_of(DETECTOR, servicer), reflection=False)
    assert await listed("detector") >= {DETECTOR, "grpc.health.v1.Health"}
    with pytest.raises(MeshError):
        await listed("ocr")


async def test_a_port_or_socket_in_use_is_named(mesh: Harness, tmp_path: Path) -> None:
    """A second server on the same address fails with a clear error; a socket left by a crash is taken
    over."""
    server = await mesh.neighbour("detector", DETECTOR, Detect=answer)
    tcp = await mesh.serve("ocr", listen="127.0.0.1:0")
    for address in (server.address, tcp.address):
        second = MeshServer(mesh.settings(MeshSettings, listen=address), "second", services=[])
        with pytest.raises(ConfigError, match=r"listen on|another process"):
            await second.start()
    import socket

    left = mesh.home / "left.sock"
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(left))
    taken = await mesh.serve("query", listen=f"unix:{left}")
    assert taken.address == f"unix:{left}"
    assert left.stat().st_mode & 0o077 == 0


async def test_serving_does_not_block_the_loop(mesh: Harness) -> None:
    """A hundred calls at once with full-HD frames leave the loop free."""
    await mesh.neighbour("detector", DETECTOR, Detect=answer)
    stub = mesh.stub(DETECTOR)
    request = detect()
    request.frame.inline_data = bytes(1920 * 1080 * 3)
    await stub.Detect(request)
    async with watch_loop(0.5):
        for _ in range(4):
            await asyncio.gather(*(stub.Detect(detect()) for _ in range(25)), stub.Detect(request))
