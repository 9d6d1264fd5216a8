"""Where the models of a process come from, beyond the installed ones."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr

from mesh.secrets import read_secret
from mesh.settings import ConfigError, MeshSettings, shared, without_password
from vision.registry.cache import ModelCache
from vision.registry.mlflow import MlflowRegistry
from vision.registry.port import Registry


class RegistrySettings(MeshSettings):
    """Settings of every process that opens models. The registry is asked only for models that are named as
    `models:/NAME@ALIAS`; MLflow's own variables are understood too."""

    mlflow: str = Field(
        default="",
        validation_alias=AliasChoices("OVR_MLFLOW", "MLFLOW_TRACKING_URI"),
        description="MLflow server with the registered models, http(s)://HOST:PORT (or MLFLOW_TRACKING_URI).",
    )
    mlflow_user: str = Field(
        default="",
        validation_alias=AliasChoices("OVR_MLFLOW_USER", "MLFLOW_TRACKING_USERNAME"),
        description="User at an MLflow server that asks for one.",
    )
    mlflow_password: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("OVR_MLFLOW_PASSWORD", "MLFLOW_TRACKING_PASSWORD"),
        description="That user's password.",
    )
    mlflow_password_file: Path | None = Field(
        default=None,
        validation_alias=shared("mlflow_password_file"),
        description="File with that password, instead.",
    )
    model_poll_seconds: float = Field(
        default=15.0,
        gt=0,
        validation_alias=shared("model_poll_seconds"),
        description="How often a running service asks whether the alias of its model has moved.",
    )

    def registry(self) -> Registry | None:
        """The registry, if one is set; nothing is asked of it yet. ConfigError for settings it cannot use."""
        if not self.mlflow:
            return None
        # Only now: who uses no registered model may have MLFLOW_TRACKING_URI set to anything.
        if not self.mlflow.startswith(("http://", "https://")):
            address = without_password(self.mlflow)
            raise ConfigError(f"OVR_MLFLOW={address}: not the http(s)://HOST:PORT of an MLflow server")
        return MlflowRegistry(self.mlflow, (self.mlflow_user, self._password()) if self.mlflow_user else None)

    def cache(self) -> ModelCache:
        """The registered models on this machine, in the data directory."""
        return ModelCache(self.home / "models", self.registry())

    def _password(self) -> str:
        path = self.mlflow_password_file
        if path is None:
            return self.mlflow_password.get_secret_value()
        try:
            return read_secret(path)
        except ValueError as error:
            raise ConfigError(f"OVR_MLFLOW_PASSWORD_FILE: {error}") from None
