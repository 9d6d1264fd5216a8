"""What a channel is, and what it is told to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from storage.alerts.port import Alert
from storage.images.port import StoredImage

_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert as it is told: `title` in a line, `lines` as label and value, `payload` as the contract's
    JSON, the plate's picture if there is one and the channel wants it."""

    alert: Alert
    title: str
    lines: tuple[tuple[str, str], ...]
    payload: bytes
    picture: StoredImage | None = None

    @property
    def text(self) -> str:
        """The whole notice in plain text."""
        return "\n".join([self.title, "", *(f"{label}: {value}" for label, value in self.lines)])


class DeliveryError(Exception):
    """A channel could not take a notice. The message holds no secret; `permanent` if trying again is of no
    use, `retry_after` seconds if the other side asked for that pause."""

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class Channel(Protocol):
    """A way to tell people. `timeout` is in seconds, for one try."""

    @property
    def timeout(self) -> float:
        """Seconds that one try may take."""

    @property
    def attempts(self) -> int:
        """Tries before it is given up."""

    @property
    def wants_picture(self) -> bool:
        """Whether the plate's picture is attached."""

    async def send(self, notice: Notice) -> None:
        """Tell them; returns when the other side has taken it. DeliveryError if it has not."""


def without(text: str, *secrets: str) -> str:
    """`text` in one line, shortened, with every secret masked: fit for a record of what went wrong."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    line = " ".join(text.split())
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 3] + "..."
