"""What the query service can be told by its environment."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from storage.settings import StorageSettings


class QuerySettings(StorageSettings):
    """Settings of the query service, which answers questions about events."""

    model_config = SettingsConfigDict(env_prefix="OVR_QUERY_")
    service: ClassVar[str] = "query"

    heartbeat_seconds: float = Field(
        default=10.0, gt=0, le=15, description="Longest silence of a watch before it sends a sign of life."
    )
    watch_batch: int = Field(
        default=100, ge=1, le=1000, description="Records a watch reads from the log at once."
    )
