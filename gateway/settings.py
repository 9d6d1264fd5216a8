"""Settings of the gateway, from the environment."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from mesh.settings import MeshSettings

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
Words = Annotated[tuple[str, ...], NoDecode]


class GatewaySettings(MeshSettings):
    """REST, server-sent events and the console, over the mesh's services."""

    model_config = SettingsConfigDict(env_prefix="OVR_GATEWAY_")
    service: ClassVar[str] = "gateway"

    listen: str = Field(
        "127.0.0.1:8000",
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
        description="Where to serve, HOST:PORT. Beyond this machine only with API keys.",
    )
    https_cert: Path | None = Field(None, description="Certificate chain for HTTPS, PEM; none: plain HTTP.")
    https_key: Path | None = Field(None, description="Key of that certificate, PEM.")
    trusted_proxies: str = Field(
        "", description="Addresses of reverse proxies whose X-Forwarded-For is believed, comma-separated."
    )
    allowed_hosts: Words = Field(
        (),
        description="Host names it answers to, comma-separated; empty: on loopback its own, beyond any.",
    )
    allowed_origins: Words = Field(
        (), description="Origins of web pages that may call it (CORS), comma-separated; empty: only its own."
    )

    keys: str = Field(
        "", description="API keys as name:role:sha256, comma-separated, besides those of the file."
    )
    keys_file: Path | None = Field(
        None, description="File of API keys; empty: gateway.keys in the data directory."
    )
    require_keys: bool = Field(
        False, description="Whether keys are needed on loopback too, for example behind a reverse proxy."
    )

    rate: float = Field(100.0, ge=0, description="Requests a second of one key or address; 0: no limit.")
    burst: float = Field(200.0, ge=1, description="Requests of one key or address that may come at once.")
    image_cost: float = Field(10.0, ge=0, description="How many requests one picture counts for.")
    max_body_bytes: int = Field(
        65_536, ge=1, description="Largest body of a request that is no picture, bytes."
    )
    max_image_bytes: int = Field(16 * 2**20, ge=1, le=60 * 2**20, description="Largest picture, bytes.")
    max_image_pixels: int = Field(50_000_000, ge=1, description="Largest picture, pixels.")
    max_images: int = Field(2, ge=1, description="Pictures that are decoded at once; others wait.")
    max_waiting_images: int = Field(16, ge=0, description="Pictures that may wait; more are refused.")
    body_seconds: float = Field(
        20.0, gt=0, description="Longest silence while a body arrives, seconds; then it is given up."
    )
    max_connections: int = Field(1000, ge=1, description="Connections served at once; more get a 503.")
    max_watches: int = Field(256, ge=1, description="Streams that may be open in all.")
    max_client_watches: int = Field(16, ge=1, description="Streams that one key or address may have open.")
    watch_seconds: float = Field(
        3600.0, gt=0, description="A stream ends after this time, seconds; clients go on where they were."
    )
    keepalive_seconds: float = Field(10.0, gt=0, description="Longest silence on a stream, seconds.")
    image_timeout: float = Field(30.0, gt=0, description="Deadline of reading a picture, seconds.")

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip().lower() for word in value.split(",") if word.strip())
        return value

    @field_validator("listen")
    @classmethod
    def _port(cls, value: str) -> str:
        if int(value.rpartition(":")[2]) > 65535:
            raise ValueError("the port is above 65535")
        return value

    @property
    def host(self) -> str:
        """Address part of `listen`, without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Port part of `listen`; 0 lets the system choose."""
        return int(self.listen.rpartition(":")[2])

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names it answers to; empty means any."""
        if self.allowed_hosts or self.loopback:
            return (*LOCAL_NAMES, self.listen.rpartition(":")[0].lower(), *self.allowed_hosts)
        return ()

    @property
    def key_file(self) -> Path:
        """The file of API keys."""
        return self.keys_file or self.home / "gateway.keys"
