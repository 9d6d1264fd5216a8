"""Channels over HTTP: Slack's incoming webhooks, Twilio's SMS, and signed webhooks for programs."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from services.alert.channels.port import DeliveryError, Notice, without
from services.alert.secrets import Secret
from storage.alerts.port import Severity

_RETRY_STATUS = {408, 425, 429}
_MAX_SMS = 320
_ICONS = {
    Severity.INFO: ":information_source:",
    Severity.WARNING: ":warning:",
    Severity.CRITICAL: ":rotating_light:",
}


@dataclass(frozen=True)
class SlackChannel:
    """A Slack incoming webhook. Its address is the secret."""

    client: httpx.AsyncClient
    url: Secret
    timeout: float
    attempts: int
    wants_picture: bool = False

    async def send(self, notice: Notice) -> None:
        """See `Channel`."""
        url = _read(self.url)
        title = f"{_ICONS[notice.alert.severity]} {_escaped(notice.title)}"
        body = "\n".join(f"*{_escaped(label)}*: {_escaped(value)}" for label, value in notice.lines)
        section = {"type": "section", "text": {"type": "mrkdwn", "text": f"*{title}*\n{body}"[:3000]}}
        content = orjson.dumps({"text": title, "blocks": [section]})
        headers = {"content-type": "application/json"}
        await _post(self.client, url, self.timeout, secrets=(url,), content=content, headers=headers)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class TwilioChannel:
    """An SMS by Twilio's REST API. A number of one's own, or a messaging service (`MG...`), sends it."""

    client: httpx.AsyncClient
    account_sid: str
    auth_token: Secret
    sender: str
    to: str
    base_url: str
    timeout: float
    attempts: int
    wants_picture: bool = False

    async def send(self, notice: Notice) -> None:
        """See `Channel`."""
        token = _read(self.auth_token)
        sender = "MessagingServiceSid" if self.sender.startswith("MG") else "From"
        data = {"To": self.to, sender: self.sender, "Body": notice.title[:_MAX_SMS]}
        url = f"{self.base_url.rstrip('/')}/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        auth = httpx.BasicAuth(self.account_sid, token)
        await _post(self.client, url, self.timeout, secrets=(token,), data=data, auth=auth)


@dataclass(frozen=True)
class WebhookChannel:
    """The alert as the contract's JSON, posted to a program and signed.

    Body: `{"alert": {...}}`. Headers: `X-OVR-Alert-Id` (the same at every try: take each once),
    `X-OVR-Timestamp` (seconds since 1970) and `X-OVR-Signature`: "sha256=" and, in hexadecimal, the
    HMAC-SHA256 under the shared secret of the timestamp, a full stop and the body's bytes. The receiver
    computes the same, compares in constant time, and refuses timestamps that are too old.
    """

    client: httpx.AsyncClient
    url: str
    secret: Secret
    headers: Mapping[str, str]
    timeout: float
    attempts: int
    wants_picture: bool = False
    clock: Callable[[], float] = time.time

    async def send(self, notice: Notice) -> None:
        """See `Channel`."""
        secret = _read(self.secret)
        timestamp = str(int(self.clock()))
        headers = {
            **self.headers,
            "content-type": "application/json",
            "x-ovr-alert-id": notice.alert.alert_id,
            "x-ovr-timestamp": timestamp,
            "x-ovr-signature": signature(secret, timestamp, notice.payload),
        }
        secrets = (secret, self.url)
        await _post(
            self.client, self.url, self.timeout, secrets=secrets, content=notice.payload, headers=headers
        )


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `X-OVR-Signature`."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def _read(secret: Secret) -> str:
    try:
        return secret.read()
    except ValueError as error:
        raise DeliveryError(str(error)) from None


async def _post(
    client: httpx.AsyncClient, url: str, timeout: float, *, secrets: tuple[str, ...], **content: Any
) -> None:
    """Post once. Answers of 2xx are success; others of 4xx than "too slow" and "too many" are final."""
    try:
        response = await client.post(url, timeout=timeout, **content)
    except httpx.TimeoutException as error:
        raise DeliveryError(f"no answer within {timeout:g} s ({type(error).__name__})") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DeliveryError(without(f"{type(error).__name__}: {error}", *secrets)) from None
    except ValueError as error:  # a header or a login that cannot be written in HTTP
        raise DeliveryError(without(str(error), *secrets), permanent=True) from None
    if response.is_success:
        return
    status = response.status_code
    raise DeliveryError(
        without(f"HTTP {status} {response.reason_phrase}: {response.text}", *secrets),
        permanent=400 <= status < 500 and status not in _RETRY_STATUS,
        retry_after=_retry_after(response.headers.get("retry-after", "")),
    )


def _retry_after(value: str) -> float | None:
    """The pause a server asked for, seconds: it says either seconds or a moment; None if neither."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
