"""Which engines a process keeps things on. Nothing set means embedded: SQLite and a directory in OVR_HOME."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator, model_validator

from mesh import secrets
from mesh.errors import Kind, MeshError
from mesh.settings import MeshSettings, shared

CLIENTS = {"kafka": "confluent_kafka", "database": "asyncpg", "s3": "minio", "opensearch": "opensearchpy"}
"""The package that each endpoint's adapter is written with."""


class StorageSettings(MeshSettings):
    """Settings of every process that opens a store. An endpoint takes its engine into use, an empty
    one leaves the embedded adapter; each on its own, so that one machine may run Kafka alone."""

    kafka: str = Field(
        default="",
        validation_alias=shared("kafka"),
        description="Kafka's bootstrap servers, HOST:PORT,...; empty: the log is SQLite.",
    )
    schema_registry: str = Field(
        default="",
        validation_alias=shared("schema_registry"),
        description="Base address of the Schema Registry, path included; needed with Kafka.",
    )
    kafka_prefix: str = Field(
        default="",
        validation_alias=shared("kafka_prefix"),
        pattern=r"^[A-Za-z0-9._-]{0,64}$",
        description="Stands before every topic, group and subject: installations can share a cluster.",
    )
    kafka_properties: Path | None = Field(
        default=None,
        validation_alias=shared("kafka_properties"),
        description="File of KEY=VALUE lines for Kafka's client (librdkafka's names): TLS, SASL.",
    )
    event_format: Literal["protobuf", "avro"] = Field(
        default="protobuf",
        validation_alias=shared("event_format"),
        description="How events are written to Kafka; both are read.",
    )
    database: str = Field(
        default="",
        validation_alias=shared("database"),
        description="TimescaleDB or PostgreSQL, postgresql://USER@HOST:PORT/NAME, with"
        " ?sslmode=verify-full&sslrootcert=FILE for TLS; empty: SQLite.",
    )
    database_password: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=shared("database_password"),
        description="Password of the database's user.",
    )
    database_password_file: Path | None = Field(
        default=None,
        validation_alias=shared("database_password_file"),
        description="File with that password, instead.",
    )
    database_connections: int = Field(
        default=8,
        ge=2,
        le=100,
        validation_alias=shared("database_connections"),
        description="Connections to the database that a process holds, at most.",
    )
    s3: str = Field(
        default="",
        validation_alias=shared("s3"),
        description="MinIO or another S3, http(s)://HOST:PORT; empty: pictures lie in a directory.",
    )
    s3_bucket: str = Field(
        default="plate-images", validation_alias=shared("s3_bucket"), description="Bucket of the pictures."
    )
    s3_access_key: str = Field(
        default="", validation_alias=shared("s3_access_key"), description="Name of the key to S3."
    )
    s3_secret_key: SecretStr = Field(
        default=SecretStr(""), validation_alias=shared("s3_secret_key"), description="The key to S3."
    )
    s3_secret_key_file: Path | None = Field(
        default=None,
        validation_alias=shared("s3_secret_key_file"),
        description="File with that key, instead.",
    )
    s3_region: str = Field(
        default="us-east-1", validation_alias=shared("s3_region"), description="Region that S3 says it is."
    )
    s3_ca: FilePath | None = Field(
        default=None,
        validation_alias=shared("s3_ca"),
        description="Authorities to trust for https, PEM; empty: the usual ones.",
    )
    s3_encryption: bool = Field(
        default=False,
        validation_alias=shared("s3_encryption"),
        description="Whether S3 is asked to encrypt pictures with its own keys (SSE-S3); MinIO needs a KMS.",
    )
    s3_public: str = Field(
        default="",
        validation_alias=shared("s3_public"),
        description="Address that links to pictures lead to, http(s)://HOST:PORT; empty: no links.",
    )
    opensearch: str = Field(
        default="",
        validation_alias=shared("opensearch"),
        description="OpenSearch, http(s)://HOST:PORT,...; empty: the index is SQLite.",
    )
    opensearch_index: str = Field(
        default="plates",
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        validation_alias=shared("opensearch_index"),
        description="Name of the index, and what the names of its months begin with.",
    )
    opensearch_shards: int = Field(
        default=1,
        ge=1,
        le=64,
        validation_alias=shared("opensearch_shards"),
        description="Shards of a month; in force for months made after `ovr storage init`.",
    )
    opensearch_user: str = Field(
        default="", validation_alias=shared("opensearch_user"), description="User of OpenSearch; empty: none."
    )
    opensearch_password: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=shared("opensearch_password"),
        description="Password of that user.",
    )
    opensearch_password_file: Path | None = Field(
        default=None,
        validation_alias=shared("opensearch_password_file"),
        description="File with that password, instead.",
    )
    opensearch_ca: FilePath | None = Field(
        default=None,
        validation_alias=shared("opensearch_ca"),
        description="Authorities to trust for https, PEM; empty: the usual ones.",
    )

    @model_validator(mode="after")
    def _kafka_has_its_registry(self) -> StorageSettings:
        """The values on Kafka carry the ids of their schemas."""
        if self.kafka and not self.schema_registry:
            raise ValueError("OVR_KAFKA needs OVR_SCHEMA_REGISTRY, the address of its Schema Registry")
        return self

    @field_validator(*CLIENTS)
    @classmethod
    def _has_its_client(cls, endpoint: str, field: ValidationInfo) -> str:
        """The default install leaves the engines' clients out."""
        package = CLIENTS[field.field_name or ""]
        if endpoint and find_spec(package) is None:
            raise ValueError(f"needs the package {package}, of the extra `engines`: make setup-engines")
        return endpoint


def secret(value: SecretStr, file: Path | None) -> str:
    """A secret by its value or, instead, by the file that holds it. Errors as `read_secret`."""
    return value.get_secret_value() if file is None else read_secret(file)


def read_secret(file: Path) -> str:
    """What a file with secrets holds. FAILED_PRECONDITION, which shows nothing of it, if it is unreadable."""
    try:
        return secrets.read_secret(file)
    except ValueError as error:
        raise MeshError(Kind.FAILED_PRECONDITION, "SECRET_UNREADABLE", f"no secret: {error}") from None
