"""Put an exported line recogniser and its figures into the manifest.

python -m training.reader.line_evaluate --readers plate-reader-ctc --json /tmp/scores.json
python -m training.reader.line_publish --version 1.0.0 --scores /tmp/scores.json

Without `--scores` the entry has no figures: the first one of a file, which must be installed to be measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import onnx

from training.reader.contract import ALPHABET
from training.reader.publish import DATA, publish
from training.reader.recogniser import LINE_HEIGHT, LINE_WIDTH

NAME = "plate-reader-ctc"


def entry(model: Path, version: str, scores: dict[str, Any]) -> dict[str, Any]:
    """The manifest's entry for an exported recogniser; KeyError if the file was not written by our export."""
    facts = {fact.key: fact.value for fact in onnx.load(str(model)).metadata_props}
    measured = {
        name: {key: round(value, 4) for key, value in readers[NAME].items() if key != "ms"}
        for name, readers in scores["sets"].items()
    }
    return {
        "name": NAME,
        "version": version,
        "kind": "reader",
        "format": "plate-line",
        "file": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "licence": "AGPL-3.0 (as of the pictures it learnt from); begun from PP-OCRv6 small, Apache-2.0",
        "alphabet": ALPHABET,
        "temperature": float(facts["temperature"]),
        "input": {
            "name": "x",
            "shape": ["batch", 3, LINE_HEIGHT, LINE_WIDTH],
            "type": "float32",
            "colour": "BGR",
            "resize": "stretched; of two lines the lower half right of the upper (vision.plate_line)",
            "normalisation": "value / 127.5 - 1",
            "outputs": "steps of none and 36 characters (CTC); calibrated probabilities",
        },
        "data": [*DATA, "what PP-OCRv6 small learnt from"],
        "metrics": measured,
        "command": f"python -m training.reader.line_evaluate --readers {NAME}",
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path(f"models/{NAME}.onnx"))
    parser.add_argument("--version", required=True)
    parser.add_argument("--scores", type=Path, help="what line_evaluate wrote with --json")
    arguments = parser.parse_args()
    scores = json.loads(arguments.scores.read_text()) if arguments.scores else {"sets": {}}
    publish(arguments.model.parent / "manifest.yaml", entry(arguments.model, arguments.version, scores))


if __name__ == "__main__":
    main()
