"""Mail by SMTP, with the plate's picture attached."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

import aiosmtplib

from services.alert.channels.port import DeliveryError, Notice, without
from services.alert.secrets import Secret

Security = Literal["tls", "starttls", "none"]


@dataclass(frozen=True)
class SmtpChannel:
    """A mail server. `security`: TLS from the first byte, STARTTLS demanded, or none (a relay on this
    machine). `ca_file`: authorities to trust instead of the system's."""

    host: str
    port: int
    security: Security
    username: str
    password: Secret
    sender: str
    to: tuple[str, ...]
    timeout: float
    attempts: int
    wants_picture: bool = True
    ca_file: Path | None = None

    async def send(self, notice: Notice) -> None:
        """See `Channel`."""
        try:
            password = self.password.read() if self.username else ""
        except ValueError as error:
            raise DeliveryError(str(error)) from None
        try:
            await aiosmtplib.send(
                self._message(notice),
                sender=self.sender,
                recipients=list(self.to),
                hostname=self.host,
                port=self.port,
                username=self.username or None,
                password=password or None,
                use_tls=self.security == "tls",
                start_tls=self.security == "starttls",
                tls_context=self._tls(),
                timeout=self.timeout,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise DeliveryError(
                f"all recipients were refused: {sorted(set(codes))}", permanent=min(codes, default=0) >= 500
            ) from None
        except aiosmtplib.SMTPResponseException as error:
            message = without(f"SMTP {error.code}: {error.message}", password)
            raise DeliveryError(message, permanent=error.code >= 500) from None
        except (aiosmtplib.SMTPException, OSError, asyncio.TimeoutError) as error:
            raise DeliveryError(without(f"{type(error).__name__}: {error}", password)) from None
        except ValueError as error:  # an address or a login that cannot be written in SMTP
            raise DeliveryError(without(str(error), password), permanent=True) from None

    def _tls(self) -> ssl.SSLContext | None:
        if self.security == "none":
            return None
        try:
            return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except (OSError, ssl.SSLError) as error:
            raise DeliveryError(f"ca_file {self.ca_file}: {error}") from None

    def _message(self, notice: Notice) -> EmailMessage:
        """The mail; its id is the alert's, so that a mail sent twice can be told."""
        alert, message = notice.alert, EmailMessage()
        message["Subject"] = f"[{alert.severity.name}] {notice.title}"
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Date"] = format_datetime(alert.fired_at)
        message["Message-ID"] = f"<{alert.alert_id}@alert.ovr-alpr>"
        message["X-OVR-Alert-Id"] = alert.alert_id
        message.set_content(notice.text + "\n")
        if notice.picture is not None:
            kind, _, subtype = notice.picture.media_type.partition("/")
            name = f"plate.{'jpg' if subtype == 'jpeg' else subtype}"
            message.add_attachment(notice.picture.data, maintype=kind, subtype=subtype, filename=name)
        return message
