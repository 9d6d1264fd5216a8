"""What the OCR service can be told: its process by the environment, its reader by `config/ocr.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import SettingsConfigDict

from mesh.settings import load_yaml
from vision.registry.settings import RegistrySettings
from vision.shadow import ShadowConfig

SHIPPED_CONFIG = Path(__file__).resolve().parents[2] / "config" / "ocr.yaml"

EngineName = Literal["openvino", "onnxruntime", "tensorrt", "paddle"]


class PaddleConfig(BaseModel):
    """A model of PaddleOCR's `TextRecognition`: by name, or from a folder with its `inference.yml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_name: str = Field(
        default="PP-OCRv5_mobile_rec", min_length=1, description="Name PaddleOCR knows it by."
    )
    model_dir: Path | None = Field(
        default=None, description="Folder of the model; empty: PaddleOCR fetches it."
    )
    device: str = Field(default="cpu", description="cpu, gpu:0 ...")


class OcrConfig(BaseModel):
    """`config/ocr.yaml`: which reader, on which engine, and how its work is batched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        "",
        description="Name in the manifest, models:/NAME@ALIAS, pp-ocr, or two with a plus; empty: the best.",
    )
    manifest: Path | None = Field(None, description="Another manifest than the shipped models/manifest.yaml.")
    engine: EngineName = Field("openvino", description="What runs it.")
    threads: int = Field(2, ge=1, le=128, description="CPU threads of one inference.")
    streams: int = Field(1, ge=1, le=32, description="Inferences at once.")
    max_batch: int = Field(16, ge=1, le=64, description="Crops of one batch.")
    max_wait_ms: float = Field(
        0.0, ge=0, le=1000, description="How long a crop waits for others while the engine is idle, ms."
    )
    max_queue: int = Field(256, ge=64, le=4096, description="Crops that wait; more are refused.")
    max_pixels: int = Field(16_000_000, ge=10_000, description="Largest crop that is unpacked, pixels.")
    stream_window: int = Field(8, ge=1, le=64, description="Requests of one stream worked on at once.")
    shadow: ShadowConfig = Field(ShadowConfig(), description="A candidate that sees a share of the crops.")
    paddle: PaddleConfig = Field(PaddleConfig(), description="The model for engine: paddle.")


class OcrSettings(RegistrySettings):
    """Settings of the OCR service, by environment variables."""

    model_config = SettingsConfigDict(env_prefix="OVR_OCR_")
    service: ClassVar[str] = "ocr"

    config: Path = Field(SHIPPED_CONFIG, description="The file with the reader and its batching.")
    model: str = Field("", description="Overrides `model` of the file.")
    engine: Literal["", "openvino", "onnxruntime", "tensorrt", "paddle"] = Field(
        "", description="Overrides `engine` of the file."
    )
    threads: int = Field(0, ge=0, le=128, description="Overrides `threads` of the file; 0: does not.")
    shadow: str = Field("", description="Overrides `shadow.model` of the file.")
    shadow_share: float = Field(0.0, ge=0, le=1, description="Overrides `shadow.share`; 0: does not.")

    @model_validator(mode="after")
    def _readable(self) -> OcrSettings:
        self.tuning()
        return self

    def tuning(self) -> OcrConfig:
        """The file's values with what the environment overrides. ConfigError naming file, line and field."""
        found = load_yaml(self.config, OcrConfig)
        shadow = _set({"model": self.shadow, "share": self.shadow_share})
        overrides = {"model": self.model, "engine": self.engine, "threads": self.threads}
        return found.model_copy(update={**_set(overrides), "shadow": found.shadow.model_copy(update=shadow)})


def _set(overrides: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in overrides.items() if value}
