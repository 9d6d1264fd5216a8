"""`config/alert_rules.yaml`: its shape, and how rules and channels are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from mesh.settings import load_yaml
from plates.text import MAX_LENGTH, normalise
from services.alert.channels.http import SlackChannel, TwilioChannel, WebhookChannel
from services.alert.channels.port import Channel
from services.alert.channels.smtp import SmtpChannel
from services.alert.rules import Rule, matcher
from services.alert.schedule import ALWAYS, Schedule, parse_window
from services.alert.secrets import Secret
from storage.alerts.port import MatchKind, Severity

_NAME = r"^[A-Za-z0-9._-]{1,64}$"
_SMTP_PORTS = {"tls": 465, "starttls": 587, "none": 25}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _ChannelEntry(_Entry):
    timeout: float = Field(default=10.0, gt=0, le=120, description="Seconds that one try may take.")
    attempts: int = Field(default=8, ge=1, le=50, description="Tries before it is given up.")


def _secret(name: str, env: str, file: Path | None) -> Secret:
    """The secret that `<name>_env` or `<name>_file` names; ValueError unless exactly one does and it can be
    read now."""
    if bool(env) == bool(file):
        raise ValueError(f"give {name}_env or {name}_file, one of the two")
    secret = Secret(env, file)
    secret.read()
    return secret


class SmtpEntry(_ChannelEntry):
    """Mail. The password is named by `password_env` or `password_file`, never written here."""

    type: Literal["smtp"]
    host: str = Field(min_length=1, description="Mail server.")
    port: int = Field(default=0, ge=0, le=65535, description="0: the usual one for `security`.")
    security: Literal["tls", "starttls", "none"] = Field(default="starttls", description="Encryption.")
    username: str = Field(default="", description="Empty: no login.")
    password_env: str = Field(default="", description="Variable that holds the password.")
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    sender: str = Field(alias="from", pattern=r"^\S+@\S+$", description="Sender's address.")
    to: tuple[Annotated[str, Field(pattern=r"^\S+@\S+$")], ...] = Field(
        min_length=1, description="Addresses."
    )
    picture: bool = Field(default=True, description="Whether the plate's picture is attached.")
    ca_file: Path | None = Field(default=None, description="Authorities to trust; empty: the system's.")

    @model_validator(mode="after")
    def _complete(self) -> SmtpEntry:
        if self.username:
            _secret("password", self.password_env, self.password_file)
            if self.security == "none":
                raise ValueError("a password is only sent over tls or starttls")
        return self

    def open(self, client: httpx.AsyncClient) -> Channel:
        """The channel."""
        return SmtpChannel(
            host=self.host,
            port=self.port or _SMTP_PORTS[self.security],
            security=self.security,
            username=self.username,
            password=Secret(self.password_env, self.password_file),
            sender=self.sender,
            to=self.to,
            timeout=self.timeout,
            attempts=self.attempts,
            wants_picture=self.picture,
            ca_file=self.ca_file,
        )


class SlackEntry(_ChannelEntry):
    """A Slack incoming webhook; its address is a secret and named by `url_env` or `url_file`."""

    type: Literal["slack"]
    url_env: str = Field(default="", description="Variable that holds the webhook's address.")
    url_file: Path | None = Field(default=None, description="File that holds the webhook's address.")

    @model_validator(mode="after")
    def _complete(self) -> SlackEntry:
        _web_address(_secret("url", self.url_env, self.url_file).read())
        return self

    def open(self, client: httpx.AsyncClient) -> Channel:
        """The channel."""
        return SlackChannel(client, Secret(self.url_env, self.url_file), self.timeout, self.attempts)


class TwilioEntry(_ChannelEntry):
    """An SMS by Twilio, to one number; further numbers are further channels, so that each is told once."""

    type: Literal["twilio"]
    account_sid: str = Field(pattern=r"^AC[0-9A-Za-z]{1,64}$", description="Account, AC...")
    auth_token_env: str = Field(default="", description="Variable that holds the auth token.")
    auth_token_file: Path | None = Field(default=None, description="File that holds the auth token.")
    sender: str = Field(alias="from", min_length=1, description="Number, or messaging service MG...")
    to: str = Field(pattern=r"^\+[0-9]{6,15}$", description="Number, +4930...")
    base_url: str = Field(default="https://api.twilio.com", description="Address of the API.")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return _web_address(value)

    @model_validator(mode="after")
    def _complete(self) -> TwilioEntry:
        _secret("auth_token", self.auth_token_env, self.auth_token_file)
        return self

    def open(self, client: httpx.AsyncClient) -> Channel:
        """The channel."""
        token = Secret(self.auth_token_env, self.auth_token_file)
        return TwilioChannel(
            client, self.account_sid, token, self.sender, self.to, self.base_url, self.timeout, self.attempts
        )


class WebhookEntry(_ChannelEntry):
    """The alert as JSON, posted and signed; see `services.alert.channels.http.WebhookChannel`."""

    type: Literal["webhook"]
    url: str = Field(description="Where to post.")
    secret_env: str = Field(default="", description="Variable that holds the shared secret.")
    secret_file: Path | None = Field(default=None, description="File that holds the shared secret.")
    headers: dict[str, str] = Field(default_factory=dict, description="Further headers; no secrets.")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        return _web_address(value)

    @model_validator(mode="after")
    def _complete(self) -> WebhookEntry:
        _secret("secret", self.secret_env, self.secret_file)
        return self

    def open(self, client: httpx.AsyncClient) -> Channel:
        """The channel."""
        secret = Secret(self.secret_env, self.secret_file)
        return WebhookChannel(client, self.url, secret, self.headers, self.timeout, self.attempts)


def _web_address(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        raise ValueError("is no web address") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("is no web address: it must begin with https:// or http://")
    return value


AnyChannel = Annotated[SmtpEntry | SlackEntry | TwilioEntry | WebhookEntry, Field(discriminator="type")]


class RuleEntry(_Entry):
    """One rule of the file."""

    id: str = Field(pattern=_NAME, description="Unique; alerts are told apart by it.")
    name: str = Field(default="", max_length=200, description="For people; empty: the id.")
    severity: Literal["info", "warning", "critical"] = Field(default="warning", description="How grave.")
    match: Literal["exact", "prefix", "regex", "one_edit"] = Field(
        default="exact", description="How plates are matched; regex: RE2, over the whole text."
    )
    patterns: tuple[Annotated[str, Field(max_length=1000)], ...] = Field(
        min_length=1, description="Plates, beginnings or expressions; spaces and hyphens do not count."
    )
    cameras: tuple[str, ...] = Field(default=(), description="Camera ids; empty: any.")
    schedule: tuple[str, ...] = Field(
        default=(), description='Windows such as "mon-fri 22:00-06:00"; empty: always.'
    )
    timezone: str = Field(default="UTC", description="Time zone of the schedule, as Europe/Berlin.")
    cooldown: int = Field(
        default=0, ge=0, le=604_800, description="Seconds in which the same plate does not fire again."
    )
    min_confidence: float = Field(default=0.0, ge=0, le=1, description="Least confidence of the plate.")
    enabled: bool = Field(default=True, description="Whether the rule is on.")
    channels: tuple[str, ...] = Field(default=(), description="Channels that are told.")

    @field_validator("patterns", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        # YAML reads a plate of digits alone as a number and loses its leading zeros
        for item in value if isinstance(value, list) else ():
            if not isinstance(item, str):
                raise ValueError(f"{item!r} was not read as text: put it in quotes")
        return value

    @field_validator("schedule")
    @classmethod
    def _windows(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for window in value:
            parse_window(window)
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone, such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _patterns_fit(self) -> RuleEntry:
        faults = []
        for position, pattern in enumerate(self.patterns):
            try:
                self._rule((pattern,))
            except ValueError as error:
                faults.append(_fault(("patterns", position), str(error)))
        if faults:
            raise ValidationError.from_exception_data("RuleEntry", faults)
        return self

    def to_rule(self) -> Rule:
        """The rule in force."""
        return self._rule(self.patterns)

    def _rule(self, entries: tuple[str, ...]) -> Rule:
        kind = MatchKind(self.match)
        patterns = entries if kind is MatchKind.REGEX else tuple(_plate(entry) for entry in entries)
        zone = ZoneInfo(self.timezone)
        windows = tuple(parse_window(window) for window in self.schedule)
        text = f"{', '.join(self.schedule)} {self.timezone}"
        return Rule(
            rule_id=self.id,
            name=self.name or self.id,
            severity=Severity[self.severity.upper()],
            match_kind=kind,
            patterns=patterns,
            matcher=matcher(kind, patterns),
            camera_ids=self.cameras,
            schedule=Schedule(windows, zone, text) if windows else ALWAYS,
            cooldown=timedelta(seconds=self.cooldown),
            channels=self.channels,
            min_confidence=self.min_confidence,
            enabled=self.enabled,
        )


def _plate(pattern: str) -> str:
    text = normalise(pattern)
    if not 0 < len(text) <= MAX_LENGTH:
        raise ValueError(f"{pattern!r} holds no plate's text of 1 to {MAX_LENGTH} letters and digits")
    return text


class RulesFile(_Entry):
    """The whole file."""

    rules: tuple[RuleEntry, ...] = Field(default=(), description="Rules.")
    channels: dict[Annotated[str, Field(pattern=_NAME)], AnyChannel] = Field(
        default_factory=dict, description="Channels by name."
    )

    @model_validator(mode="after")
    def _consistent(self) -> RulesFile:
        faults: list[InitErrorDetails] = []
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            if rule.id in seen:
                faults.append(_fault(("rules", index, "id"), f"{rule.id} is the id of another rule"))
            seen.add(rule.id)
            for position, channel in enumerate(rule.channels):
                if channel not in self.channels:
                    location = ("rules", index, "channels", position)
                    faults.append(_fault(location, f"{channel} is not among the channels"))
        if faults:
            raise ValidationError.from_exception_data("RulesFile", faults)
        return self


def _fault(location: tuple[str | int, ...], message: str) -> InitErrorDetails:
    kind = PydanticCustomError("inconsistent", "{message}", {"message": message})
    return InitErrorDetails(type=kind, loc=location, input=None)


@dataclass(frozen=True)
class RuleSet:
    """What a file asks for: rules in its order, and channels by name."""

    rules: tuple[Rule, ...]
    channels: Mapping[str, Channel]


def load_rules(path: Path, client: httpx.AsyncClient) -> RuleSet:
    """The rules and channels of a file. ConfigError with file, line and field of each fault."""
    found = load_yaml(path, RulesFile)
    channels = {name: entry.open(client) for name, entry in found.channels.items()}
    return RuleSet(tuple(rule.to_rule() for rule in found.rules), channels)


def check_rules(path: Path) -> None:
    """ConfigError if the file is wrong."""
    load_yaml(path, RulesFile)
