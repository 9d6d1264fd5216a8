"""What the detector service can be told: its process by the environment, its model by
`config/detector.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from mesh.settings import load_yaml
from vision.registry.settings import RegistrySettings
from vision.shadow import ShadowConfig

SHIPPED_CONFIG = Path(__file__).resolve().parents[2] / "config" / "detector.yaml"


class DetectorConfig(BaseModel):
    """`config/detector.yaml`: which model, on which engine, and how its work is batched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        "",
        description="Name in the manifest, with or without @version, or models:/NAME@ALIAS; empty: the best.",
    )
    manifest: Path | None = Field(None, description="Another manifest than the shipped models/manifest.yaml.")
    engine: Literal["openvino", "onnxruntime", "tensorrt"] = Field("openvino", description="What runs it.")
    threads: int = Field(2, ge=1, le=128, description="CPU threads of one inference.")
    streams: int = Field(1, ge=1, le=32, description="Inferences at once.")
    size: int = Field(
        0,
        ge=0,
        le=4096,
        multiple_of=32,
        description="Least long side of the input, pixels; 0: the manifest's.",
    )
    max_size: int = Field(
        640,
        ge=64,
        le=4096,
        multiple_of=32,
        description="Longest input; large pictures get half their length.",
    )
    scales: tuple[float, ...] = Field(
        (1.0, 0.5),
        min_length=1,
        max_length=4,
        description="Looks at each picture, as shares of the size; the first is the largest.",
    )
    sure: float = Field(0.5, ge=0, le=1, description="A plate of this score makes further looks needless.")
    min_score: float = Field(0.25, gt=0, lt=1, description="Objects below it are not returned.")
    max_iou: float = Field(0.5, gt=0, le=1, description="Of two that overlap more, the weaker is dropped.")
    max_batch: int = Field(8, ge=1, le=64, description="Frames of one batch.")
    max_wait_ms: float = Field(
        0.0, ge=0, le=1000, description="How long a frame waits for others while the engine is idle, ms."
    )
    max_queue: int = Field(64, ge=1, le=4096, description="Frames that wait; more are refused.")
    max_pixels: int = Field(64_000_000, ge=10_000, description="Largest picture that is unpacked, pixels.")
    stream_window: int = Field(8, ge=1, le=64, description="Frames of one stream that are worked on at once.")
    shadow: ShadowConfig = Field(ShadowConfig(), description="A candidate that sees a share of the frames.")

    @field_validator("scales")
    @classmethod
    def _largest_first(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if not 0 < min(scales) <= max(scales) == scales[0]:
            raise ValueError("the first look must be the largest, and none 0 or less")
        return scales


class DetectorSettings(RegistrySettings):
    """Settings of the detector service, by environment variables."""

    model_config = SettingsConfigDict(env_prefix="OVR_DETECTOR_")
    service: ClassVar[str] = "detector"

    config: Path = Field(SHIPPED_CONFIG, description="The file with the model and its batching.")
    model: str = Field("", description="Overrides `model` of the file.")
    engine: Literal["", "openvino", "onnxruntime", "tensorrt"] = Field(
        "", description="Overrides `engine` of the file."
    )
    threads: int = Field(0, ge=0, le=128, description="Overrides `threads` of the file; 0: does not.")
    shadow: str = Field("", description="Overrides `shadow.model` of the file.")
    shadow_share: float = Field(0.0, ge=0, le=1, description="Overrides `shadow.share`; 0: does not.")

    @model_validator(mode="after")
    def _readable(self) -> DetectorSettings:
        self.tuning()
        return self

    def tuning(self) -> DetectorConfig:
        """The file's values with what the environment overrides. ConfigError naming file, line and field."""
        found = load_yaml(self.config, DetectorConfig)
        shadow = _set({"model": self.shadow, "share": self.shadow_share})
        overrides = {"model": self.model, "engine": self.engine, "threads": self.threads}
        return found.model_copy(update={**_set(overrides), "shadow": found.shadow.model_copy(update=shadow)})


def _set(overrides: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in overrides.items() if value}
