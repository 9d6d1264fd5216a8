"""Put an exported reader and its figures into the manifest.

python -m training.reader.publish --name plate-reader --version 1.0.0
python -m training.reader.evaluate --readers plate-reader --json /tmp/scores.json
python -m training.reader.publish --name plate-reader --version 1.0.0 --scores /tmp/scores.json

Without `--scores` the entry has no figures: the first one of a file, which must be installed to be measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import yaml

from training.reader.contract import ALPHABET, HEIGHT, SLOTS, WIDTH
from training.reader.recogniser import LINE_HEIGHT, LINE_WIDTH

SLOT_READER, LINE_READER = "plate-reader", "plate-reader-ctc"

DATA = (
    "synth.plate",
    "eu_crops (train)",
    "eu_twoline_crops (train)",
    "br_crops (train)",
    "ro_dashcam (train)",
    "neg_gray (train)",
)


def _slot_reader(facts: dict[str, str]) -> dict[str, Any]:
    return {
        "format": "plate-reader",
        "licence": "AGPL-3.0 (as of the pictures it learnt from)",
        "regions": facts["regions"].split(","),
        "slots": SLOTS,
        "input": {
            "name": "image",
            "shape": ["batch", HEIGHT, WIDTH, 3],
            "type": "uint8",
            "colour": "BGR",
            "resize": "stretched whatever the shape; by area if more than 1.5 times larger, else bilinear",
            "normalisation": "inside the network",
            "outputs": "slots, region, lines, legible: calibrated probabilities; spans: places of the lines",
        },
        "data": list(DATA),
    }


def _line_reader(_: dict[str, str]) -> dict[str, Any]:
    return {
        "format": "plate-line",
        "licence": "AGPL-3.0 (as of the pictures it learnt from); begun from PP-OCRv6 small, Apache-2.0",
        "input": {
            "name": "x",
            "shape": ["batch", 3, LINE_HEIGHT, LINE_WIDTH],
            "type": "float32",
            "colour": "BGR",
            "resize": "the lines of characters side by side, or the whole plate (vision.plate_line)",
            "normalisation": "value / 127.5 - 1",
            "outputs": "steps of none and 36 characters (CTC); calibrated probabilities",
        },
        "data": [*DATA, "what PP-OCRv6 small learnt from"],
    }


_KINDS = {SLOT_READER: _slot_reader, LINE_READER: _line_reader}

MEASURED_AS = {SLOT_READER: SLOT_READER, LINE_READER: f"{SLOT_READER}+{LINE_READER}"}
"""The reader whose figures are a model's: the line reader is shown its lines by the other."""


def entry(name: str, model: Path, version: str, scores: dict[str, Any]) -> dict[str, Any]:
    """The manifest's entry for an exported reader; KeyError if the file was not written by our export, or
    `scores` is not of it."""
    facts = {fact.key: fact.value for fact in onnx.load(str(model)).metadata_props}
    reader = MEASURED_AS[name]
    measured = {
        dataset: {key: round(value, 4) for key, value in readers[reader].items() if key != "ms"}
        for dataset, readers in scores["sets"].items()
    }
    return {
        "name": name,
        "version": version,
        "kind": "reader",
        "file": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "alphabet": ALPHABET,
        "temperature": float(facts["temperature"]),
        **_KINDS[name](facts),
        "metrics": measured,
        "command": f"python -m training.reader.evaluate --readers {reader}",
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
    parser.add_argument("--name", choices=list(_KINDS), required=True)
    parser.add_argument("--model", type=Path, help="default: models/NAME.onnx")
    parser.add_argument("--version", required=True)
    parser.add_argument("--scores", type=Path, help="what evaluate wrote with --json")
    arguments = parser.parse_args()
    model = arguments.model or Path("models") / f"{arguments.name}.onnx"
    scores = json.loads(arguments.scores.read_text()) if arguments.scores else {"sets": {}}
    publish(model.parent / "manifest.yaml", entry(arguments.name, model, arguments.version, scores))


if __name__ == "__main__":
    main()
