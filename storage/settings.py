"""Which engines a process keeps things on. Nothing set means embedded: SQLite and a directory in OVR_HOME."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

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
    event_format: Literal["protobuf", "avro"] = Field(
        default="protobuf",
        validation_alias=shared("event_format"),
        description="How events are written to Kafka; both are read.",
    )
    database: str = Field(
        default="",
        validation_alias=shared("database"),
        description="TimescaleDB or PostgreSQL, postgresql://USER@HOST:PORT/NAME; empty: SQLite.",
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
    opensearch: str = Field(
        default="",
        validation_alias=shared("opensearch"),
        description="OpenSearch, http(s)://HOST:PORT,...; empty: the index is SQLite.",
    )

    @field_validator(*CLIENTS)
    @classmethod
    def _has_its_client(cls, endpoint: str, field: ValidationInfo) -> str:
        """The default install leaves the engines' clients out."""
        package = CLIENTS[field.field_name or ""]
        if endpoint and find_spec(package) is None:
            raise ValueError(f"needs the package {package}, of the extra `engines`: make setup-engines")
        return endpoint
