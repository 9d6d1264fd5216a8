"""What the alert service can be told by its environment; the rules stand in a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from storage.settings import StorageSettings

SHIPPED_RULES = Path(__file__).resolve().parents[2] / "config" / "alert_rules.yaml"


class AlertSettings(StorageSettings):
    """Settings of the alert service, which matches events against rules and tells people."""

    model_config = SettingsConfigDict(env_prefix="OVR_ALERT_")
    service: ClassVar[str] = "alert"

    rules: Path = Field(
        default=SHIPPED_RULES,
        description="The file with rules and channels; read anew when it changes.",
    )
    reload_seconds: float = Field(
        default=1.0, gt=0, description="Time between two looks at the rules' file, seconds."
    )
    max_batch: int = Field(
        default=256, ge=1, le=10_000, description="Events handled with one commit, at most."
    )
    retry_seconds: float = Field(
        default=0.2, gt=0, description="First pause after a store was not available; doubles up to 10 s."
    )
    delivery_retry_seconds: float = Field(
        default=2.0, gt=0, description="Pause before a delivery's second try, seconds; doubles with each."
    )
    delivery_retry_max_seconds: float = Field(
        default=600.0, gt=0, description="Longest pause between two tries, seconds."
    )
    deliveries_at_once: int = Field(default=8, ge=1, le=256, description="Deliveries tried side by side.")
    alert_days: float = Field(default=0.0, ge=0, description="Days that alerts are kept; 0: for ever.")
    retention_seconds: float = Field(
        default=600.0, gt=0, description="Time between two sweeps of what is too old."
    )

    @model_validator(mode="after")
    def _readable(self) -> AlertSettings:
        from services.alert.rules_file import check_rules

        check_rules(self.rules)
        return self
