"""Channels against real local servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from services.alert.channels.http import SlackChannel, TwilioChannel, WebhookChannel
from services.alert.channels.port import DeliveryError, Notice, without
from services.alert.channels.smtp import SmtpChannel
from services.alert.convert import alert_to_json
from services.alert.notices import lines, title
from services.alert.secrets import Secret
from storage.images.port import StoredImage
from tests.builders.events import event
from tests.builders.receivers import HttpReceiver, http_receiver, mail_receiver
from tests.contract.test_alerts_contract import firing
from tests.mesh.runtime.mesh_parts import Authority

SECRET = "hook-s3cret"


def notice(picture: bytes | None = None) -> Notice:
    """A notice of a made-up alert."""
    alert = firing().alert
    stored = StoredImage(picture, "image/jpeg") if picture else None
    return Notice(alert, title(alert), lines(alert), alert_to_json(alert), stored)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A real HTTP server."""
    with http_receiver() as found:
        yield found


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """The client that channels share."""
    async with httpx.AsyncClient() as found:
        yield found


@pytest.fixture
def webhook(
    receiver: HttpReceiver, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> WebhookChannel:
    """A webhook to the receiver."""
    monkeypatch.setenv("OVR_TEST_SECRET", SECRET)
    url = receiver.url + "/hook?key=in-the-url"
    return WebhookChannel(client, url, Secret("OVR_TEST_SECRET"), {"x-site": "a"}, 0.3, 3)


async def test_a_webhook_is_signed(receiver: HttpReceiver, webhook: WebhookChannel) -> None:
    """The body is the contract's JSON, and whoever has the secret can verify it and its age."""
    await webhook.send(notice())
    (post,) = receiver.posts
    stamp, body = post.headers["x-ovr-timestamp"], post.body
    expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert post.headers["x-ovr-signature"] == f"sha256={expected}"
    assert abs(time.time() - int(stamp)) < 60
    assert post.headers["x-site"] == "a"
    alert = json.loads(body)["alert"]
    assert alert["alertId"] == post.headers["x-ovr-alert-id"] == firing().alert.alert_id
    assert alert["event"]["plate"]["text"] == "AB12CDE"
    assert alert["severity"] == "SEVERITY_WARNING"


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(500, False), (503, False), (429, False), (408, False), (404, True), (401, True), (302, False)],
)
async def test_answers_tell_whether_trying_again_helps(
    receiver: HttpReceiver, webhook: WebhookChannel, status: int, permanent: bool
) -> None:
    """Faults of the server pass; refusals are final; the error names the status and no secret."""
    receiver.answer(status, b"bad key " + SECRET.encode() + b" for " + webhook.url.encode())
    with pytest.raises(DeliveryError) as error:
        await webhook.send(notice())
    assert error.value.permanent is permanent
    assert f"HTTP {status}" in str(error.value)
    assert SECRET not in str(error.value)
    assert "in-the-url" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("\u00b2", None), ("9 9 9 9", None)],
)
async def test_the_pause_a_server_asks_for_is_taken(
    receiver: HttpReceiver, webhook: WebhookChannel, value: str, seconds: float | None
) -> None:
    """Retry-After is read in both its forms; nonsense is ignored."""
    receiver.answer(429, retry_after=value)
    with pytest.raises(DeliveryError) as error:
        await webhook.send(notice())
    assert error.value.retry_after == seconds


async def test_a_slow_server_and_one_that_is_down(
    receiver: HttpReceiver, webhook: WebhookChannel, client: httpx.AsyncClient
) -> None:
    """Both are errors that pass, within the timeout."""
    receiver.gate.clear()
    with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s") as slow:
        await webhook.send(notice())
    down = WebhookChannel(client, "http://127.0.0.1:9/hook", Secret("OVR_TEST_SECRET"), {}, 0.3, 3)
    with pytest.raises(DeliveryError, match="Connect") as refused:
        await down.send(notice())
    assert not slow.value.permanent
    assert not refused.value.permanent


async def test_slack_gets_a_message(
    receiver: HttpReceiver, client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the title and the facts, and text from outside cannot make links or mentions."""
    monkeypatch.setenv("OVR_TEST_SLACK", receiver.url + "/services/T/B/x")
    channel = SlackChannel(client, Secret("OVR_TEST_SLACK"), 1.0, 3)
    hostile = notice()
    await channel.send(Notice(hostile.alert, "<!channel> & co", hostile.lines, b""))
    (post,) = receiver.posts
    message = json.loads(post.body)
    assert post.path == "/services/T/B/x"
    assert "&lt;!channel&gt; &amp; co" in message["text"]
    assert "AB12CDE" in message["blocks"][0]["text"]["text"]


async def test_twilio_gets_an_sms(
    receiver: HttpReceiver, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form of Twilio's REST API: account in the path, token as basic authentication, three fields."""
    monkeypatch.setenv("OVR_TEST_TWILIO", "t0ken")
    token = Secret("OVR_TEST_TWILIO")
    channel = TwilioChannel(client, "AC1", token, "+49301111111", "+49302222222", receiver.url, 1.0, 3)
    receiver.answer(201, b"{}")
    await channel.send(notice())
    (post,) = receiver.posts
    assert post.path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert base64.b64decode(post.headers["authorization"].removeprefix("Basic ")) == b"AC1:t0ken"
    form = parse_qs(post.body.decode())
    assert (form["To"], form["From"]) == (["+49302222222"], ["+49301111111"])
    assert "AB12CDE" in form["Body"][0]
    receiver.answer(400, b'{"code": 21211, "message": "invalid To"}')
    with pytest.raises(DeliveryError, match="21211") as error:
        await channel.send(notice())
    assert error.value.permanent


async def test_a_missing_secret_is_an_error_that_passes(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """A file that is gone or a variable not set is named; it may come back."""
    channel = SlackChannel(client, Secret(file=tmp_path / "gone"), 1.0, 3)
    with pytest.raises(DeliveryError, match=r"gone: No such file") as error:
        await channel.send(notice())
    assert not error.value.permanent


async def test_addresses_do_not_reach_the_log(
    receiver: HttpReceiver,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the process sets for httpx keeps Slack's secret address out of its log lines."""
    from services.alert.app import keep_addresses_quiet

    keep_addresses_quiet()
    monkeypatch.setenv("OVR_TEST_SLACK", receiver.url + "/services/T/B/x")
    with caplog.at_level(logging.INFO):
        await SlackChannel(client, Secret("OVR_TEST_SLACK"), 1.0, 3).send(notice())
    assert "/services" not in caplog.text


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of its own."""
    return Authority(tmp_path_factory.mktemp("ca"))


def server_tls(authority: Authority) -> ssl.SSLContext:
    """What a mail server with a certificate of the authority uses."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("mail"))
    return context


def smtp(port: int, security: str, tmp_path: Path, **fields: object) -> SmtpChannel:
    """A mail channel to a server on this machine."""
    (tmp_path / "password").write_text("s3cret\n")
    given = {"username": "", "to": ("d@example.org", "e@example.org"), "ca_file": None, **fields}
    return SmtpChannel(
        "127.0.0.1", port, security, given["username"], Secret(file=tmp_path / "password"), "a@example.org",
        given["to"], 5.0, 3, ca_file=given["ca_file"],
    )  # fmt: skip


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
async def test_mail_arrives_with_its_picture(authority: Authority, tmp_path: Path, security: str) -> None:
    """Over TLS, STARTTLS with a login, or plain: subject, facts, and the picture's own bytes."""
    context = server_tls(authority) if security != "none" else None
    servers = {"tls": {"tls": context}, "starttls": {"starttls": context, "login": True}, "none": {}}
    async with mail_receiver(**servers[security]) as receiver:
        user = "a@example.org" if security == "starttls" else ""
        ca = authority.ca if security != "none" else None
        channel = smtp(receiver.port, security, tmp_path, username=user, ca_file=ca)
        await channel.send(notice(b"\xff\xd8picture"))
    (mail,) = receiver.mails
    assert mail["subject"].startswith("[WARNING] Rule: AB12CDE at cam-1")
    assert mail["message-id"] == f"<{firing().alert.alert_id}@alert.ovr-alpr>"
    assert receiver.recipients == [["d@example.org", "e@example.org"]]
    assert "Plate: AB12CDE" in mail.get_body().get_content()
    (attached,) = mail.iter_attachments()
    assert (attached.get_content(), attached.get_filename()) == (b"\xff\xd8picture", "plate.jpg")
    assert receiver.encrypted == [security != "none"]
    assert receiver.logins == ([("a@example.org", "s3cret")] if user else [])


async def test_a_line_break_makes_no_header(tmp_path: Path) -> None:
    """A camera's or rule's name with a line break cannot add a header to the mail."""
    alert = firing().alert
    hostile = replace(alert, rule_name="Wanted\r\nBcc: x@example.org", event=event(camera="a\nb"))
    async with mail_receiver() as receiver:
        letter = Notice(hostile, title(hostile), lines(hostile), b"")
        await smtp(receiver.port, "none", tmp_path).send(letter)
    assert receiver.mails[0]["bcc"] is None
    assert "Wanted Bcc: x@example.org" in receiver.mails[0]["subject"]
    assert receiver.recipients == [["d@example.org", "e@example.org"]]


async def test_what_cannot_be_sent_at_all_is_final(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """A header that HTTP cannot carry is an error of this delivery, not of the service."""
    (tmp_path / "secret").write_text("s")
    channel = WebhookChannel(
        client, "http://127.0.0.1:9", Secret(file=tmp_path / "secret"), {"x": "\u2603"}, 1, 3
    )
    with pytest.raises(DeliveryError) as error:
        await channel.send(notice())
    assert error.value.permanent


async def test_mail_errors(authority: Authority, tmp_path: Path) -> None:
    """A server of an unknown authority, a wrong login, refused recipients, a full box, a server that is down:
    each is told, and whether trying again helps; never with the password."""
    async with mail_receiver(starttls=server_tls(authority), login=True) as receiver:
        untrusted = smtp(receiver.port, "starttls", tmp_path)
        with pytest.raises(DeliveryError, match=r"(?i)certificate"):
            await untrusted.send(notice())
        trusted = smtp(receiver.port, "starttls", tmp_path, username="a", ca_file=authority.ca)
        (tmp_path / "password").write_text("wrong")
        with pytest.raises(DeliveryError, match="SMTP 535") as login:
            await trusted.send(notice())
        assert login.value.permanent
        assert "wrong" not in str(login.value)
    async with mail_receiver() as receiver:
        with pytest.raises(DeliveryError, match="550") as refused:
            await smtp(receiver.port, "none", tmp_path, to=("nobody@example.org",)).send(notice())
        receiver.replies.append("452 box is full")
        with pytest.raises(DeliveryError, match="SMTP 452") as full:
            await smtp(receiver.port, "none", tmp_path).send(notice())
    with pytest.raises(DeliveryError) as down:
        await smtp(receiver.port, "none", tmp_path).send(notice())
    assert [e.value.permanent for e in (refused, full, down)] == [True, False, False]


def test_errors_are_short_and_masked() -> None:
    """What is recorded of an error is one short line without the secrets."""
    assert without("a\nb  SECRET" + "x" * 500, "SECRET", "").startswith("a b ***xxx")
    assert len(without("x" * 500)) == 200
