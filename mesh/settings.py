"""What a process is told by its environment, and YAML files as typed values with errors that say where."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

M = TypeVar("M", bound=BaseModel)
S = TypeVar("S", bound="MeshSettings")

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the terminating zero.
MAX_SOCKET_PATH = 100
SECRET_WORDS = ("password", "secret", "token", "api_key", "auth")
# The password of an address such as rtsp://user:password@camera/stream, up to the last @ before its path.
LOGIN = re.compile(r"(?<=://)([^\s/:@]*):[^\s/]*@")


def shared(name: str) -> AliasChoices:
    """A variable that is the same for every process: `OVR_` and the name, without the process's prefix."""
    return AliasChoices(f"OVR_{name.upper()}")


class MeshSettings(BaseSettings):
    """Settings every process of the mesh has; a process adds its own with its own `env_prefix`.

    `service` is the process's name: in telemetry, in log lines and of its socket.
    """

    model_config = SettingsConfigDict(
        env_prefix="OVR_", frozen=True, validate_by_name=True, validate_by_alias=True, extra="ignore"
    )
    service: ClassVar[str] = "process"

    home: Path = Field(default=Path("var"), validation_alias=shared("home"), description="Data directory.")
    site_id: str = Field(
        default="site",
        validation_alias=shared("site_id"),
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Site this machine stands at.",
    )
    node_id: str = Field(
        default="node",
        validation_alias=shared("node_id"),
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="This machine's name within the site.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias=shared("log_level"), description="Least level of log lines."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        validation_alias=shared("log_format"),
        description="Form of log lines; auto: console on a terminal, else json.",
    )
    otlp_endpoint: str = Field(
        default="",
        validation_alias=shared("otlp_endpoint"),
        description="Where traces go by OTLP over gRPC, as http://host:4317; empty: nowhere.",
    )
    trace_dir: Path | None = Field(
        default=None,
        validation_alias=shared("trace_dir"),
        description="Directory for finished spans as JSON lines, a file a process; empty: none.",
    )
    trace_frames: float = Field(
        default=0.02,
        ge=0,
        le=1,
        validation_alias=shared("trace_frames"),
        description="Share of frames that are traced; passes always are.",
    )
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Port of the metrics page; 0: none.")
    metrics_host: str = Field(
        default="127.0.0.1",
        validation_alias=shared("metrics_host"),
        description="Address of the metrics page.",
    )

    listen: str = Field(
        default="",
        description="Where to serve: unix:PATH or HOST:PORT; empty: a socket in the data directory.",
    )
    detector_target: str = Field(
        default="",
        validation_alias=shared("detector_target"),
        description="Detector service; empty: its socket.",
    )
    ocr_target: str = Field(
        default="", validation_alias=shared("ocr_target"), description="OCR service; empty: its socket."
    )
    ingest_target: str = Field(
        default="", validation_alias=shared("ingest_target"), description="Ingest service; empty: its socket."
    )
    query_target: str = Field(
        default="", validation_alias=shared("query_target"), description="Query service; empty: its socket."
    )
    alert_target: str = Field(
        default="", validation_alias=shared("alert_target"), description="Alert service; empty: its socket."
    )

    tls_cert: Path | None = Field(
        default=None,
        validation_alias=shared("tls_cert"),
        description="Certificate chain of this process, PEM; read anew when it changes.",
    )
    tls_key: Path | None = Field(
        default=None, validation_alias=shared("tls_key"), description="Key of the certificate, PEM."
    )
    tls_ca: Path | None = Field(
        default=None,
        validation_alias=shared("tls_ca"),
        description="Authorities to trust, PEM; a server that has it demands certificates of its clients.",
    )

    max_message_mib: int = Field(
        default=64,
        ge=1,
        le=1024,
        validation_alias=shared("max_message_mib"),
        description="Largest message taken or sent, MiB.",
    )
    max_calls: int = Field(
        default=256,
        ge=1,
        validation_alias=shared("max_calls"),
        description="Unary calls served at once; more are refused with RESOURCE_EXHAUSTED.",
    )
    max_streams: int = Field(
        default=256,
        ge=1,
        validation_alias=shared("max_streams"),
        description="Streams served at once; more are refused with RESOURCE_EXHAUSTED.",
    )
    call_timeout: float = Field(
        default=10.0, gt=0, validation_alias=shared("call_timeout"), description="Deadline of calls, seconds."
    )
    drain_seconds: float = Field(
        default=10.0,
        ge=0,
        validation_alias=shared("drain_seconds"),
        description="Time that running calls get to end at a stop, seconds.",
    )
    reflection: bool = Field(
        default=True,
        validation_alias=shared("reflection"),
        description="Whether the contract can be asked for.",
    )

    def socket_of(self, service: str) -> str:
        """The default address of a service on this machine, `unix:...`."""
        return f"unix:{self.home / 'run' / (service + '.sock')}"

    def address(self) -> str:
        """Where this process serves."""
        return self.listen or self.socket_of(self.service)

    def target(self, peer: str) -> str:
        """Where a peer (detector, ocr, ingest, query, alert) is found."""
        return str(getattr(self, f"{peer}_target")) or self.socket_of(peer)


def variable(cls: type[BaseSettings], field: str) -> str:
    """The environment variable a field is read from."""
    info = cls.model_fields.get(field)
    if info is not None and isinstance(info.validation_alias, AliasChoices):
        return str(info.validation_alias.choices[0])
    if info is not None and isinstance(info.validation_alias, str):
        return info.validation_alias
    return f"{cls.model_config.get('env_prefix', '')}{field}".upper()


def load(cls: type[S]) -> S:
    """The settings from the environment.

    Raises SystemExit(2) after naming, on stderr, each variable that is wrong, its value and the rule it
    breaks.
    """
    try:
        settings = cls()
        _check_address(settings)
        _check_files(settings)
    except ValidationError as error:
        for line in explain(cls, error):
            print(line, file=sys.stderr)
        raise SystemExit(2) from None
    except ValueError as error:
        print(f"configuration: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    return settings


def _check_address(settings: MeshSettings) -> None:
    address, name = settings.address(), variable(type(settings), "listen")
    path = address.removeprefix("unix:")
    if path == address:
        host, _, port = address.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{name}={address!r}: neither unix:PATH nor HOST:PORT")
    elif len(path.encode()) > MAX_SOCKET_PATH:
        raise ValueError(
            f"socket path {path!r} is longer than {MAX_SOCKET_PATH} bytes: "
            f"set a shorter OVR_HOME, or {name}=host:port"
        )


def _check_files(settings: MeshSettings) -> None:
    for field in ("tls_cert", "tls_key", "tls_ca"):
        path = getattr(settings, field)
        if path is not None and not path.is_file():
            raise ValueError(f"{variable(type(settings), field)}={path}: there is no such file")


def explain(cls: type[BaseSettings], error: ValidationError) -> Iterator[str]:
    """A line for each fault: variable, value (not of secrets) and rule, or what a check of several says."""
    for item in error.errors(include_url=False):
        if not item["loc"]:  # of several settings together: their values are not shown, some may be secret
            yield f"configuration: {item['msg'].removeprefix('Value error, ')}"
            continue
        field = str(item["loc"][0])
        name = field if field.startswith("OVR_") else variable(cls, field)
        path = ".".join([name, *map(str, item["loc"][1:])])
        value = "" if _secret(path) or item["type"] == "missing" else without_password(f"={item['input']!r}")
        yield f"configuration: {path}{value}: {item['msg']}"


def _secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def without_password(text: str) -> str:
    """A text that may hold an address with a login, for people to see."""
    return LOGIN.sub(r"\1:***@", text)


def table(settings: BaseSettings) -> dict[str, str]:
    """Every variable with the value in force; secrets, and passwords within addresses, masked."""
    cls = type(settings)
    values = {variable(cls, field): getattr(settings, field) for field in cls.model_fields}
    return {
        name: "***" if _secret(name) and value else "" if value is None else without_password(str(value))
        for name, value in values.items()
    }


class ConfigError(ValueError):
    """A configuration file is wrong; the message names file, line and field of each fault."""


def load_yaml(path: Path, model: type[M]) -> M:
    """A YAML file as a validated value; an empty file stands for the model's defaults.

    Raises ConfigError with one `FILE:LINE: field: what is wrong` for each fault, also for a file that cannot
    be read, is no YAML, or gives a key twice.
    """
    from mesh.files import load_model  # PyYAML only for the processes that read files

    return load_model(path, model)
