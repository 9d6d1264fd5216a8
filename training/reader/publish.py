"""Put an exported reader and its figures into the manifest.

python -m training.reader.evaluate --model models/plate-reader.onnx --pp-ocr --json /tmp/scores.json
python -m training.reader.publish --model models/plate-reader.onnx --version 1.0.0 --scores /tmp/scores.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from training.reader.contract import HEIGHT, WIDTH
from training.reader.evaluate import session

COMMAND = "python -m training.reader.evaluate --model models/plate-reader.onnx --pp-ocr"

DATA = (
    "synth.plate",
    "eu_crops (train)",
    "eu_twoline_crops (train)",
    "br_crops (train)",
    "ro_dashcam (train)",
    "neg_gray (train)",
)


def entry(model: Path, version: str, scores: dict[str, Any]) -> dict[str, Any]:
    """The manifest's entry for an exported reader; KeyError if the file was not written by our export."""
    facts = session(model).get_modelmeta().custom_metadata_map
    measured = {
        name: {key: round(value, 4) for key, value in readers["plate-reader"].items() if key != "ms"}
        for name, readers in scores["sets"].items()
    }
    return {
        "name": "plate-reader",
        "version": version,
        "kind": "reader",
        "format": "plate-reader",
        "file": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "licence": "AGPL-3.0 (as of the pictures it learnt from)",
        "regions": facts["regions"].split(","),
        "alphabet": facts["alphabet"],
        "slots": int(facts["slots"]),
        "temperature": float(facts["temperature"]),
        "input": {
            "name": "image",
            "shape": ["batch", HEIGHT, WIDTH, 3],
            "type": "uint8",
            "colour": "BGR",
            "resize": "stretched whatever the shape; by area if more than 1.5 times larger, else bilinear",
            "normalisation": "inside the network",
            "outputs": "slots, region, lines, legible; calibrated probabilities",
        },
        "data": list(DATA),
        "metrics": measured,
        "command": COMMAND,
    }


def publish(manifest: Path, new: dict[str, Any]) -> None:
    """Replace the entry of the same name, or add it; comments at the head of the file are kept."""
    text = manifest.read_text() if manifest.exists() else ""
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    models = (yaml.safe_load(text) or {}).get("models", [])
    names = [model["name"] for model in models]
    if new["name"] in names:
        models[names.index(new["name"])] = new
    else:
        models.append(new)
    manifest.write_text(head + yaml.safe_dump({"models": models}, sort_keys=False, width=110))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("models/plate-reader.onnx"))
    parser.add_argument("--version", required=True)
    parser.add_argument("--scores", type=Path, required=True, help="what evaluate wrote with --json")
    arguments = parser.parse_args()
    scores = json.loads(arguments.scores.read_text())
    publish(arguments.model.parent / "manifest.yaml", entry(arguments.model, arguments.version, scores))


if __name__ == "__main__":
    main()
