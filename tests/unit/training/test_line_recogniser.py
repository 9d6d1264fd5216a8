"""The line recogniser: PP-OCR's graph in torch, and its training's parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.reader.line_config import load_line_config

CONFIG = Path(__file__).parents[3] / "training" / "reader" / "line.yaml"


def test_the_configuration_names_a_wrong_setting(tmp_path: Path) -> None:
    """A setting that is not known is refused by name."""
    path = tmp_path / "line.yaml"
    path.write_text(CONFIG.read_text() + "\nlerning_rate: 1\n")
    with pytest.raises(ValueError, match="unknown setting 'lerning_rate'"):
        load_line_config(path)
    assert load_line_config(CONFIG).batch > 0


def test_the_network_says_what_pp_ocr_says(tmp_path: Path) -> None:
    """Untrained and written back, it gives PP-OCR's probabilities of plates' characters, as shares."""
    for name in ("torch", "onnx", "onnxslim", "onnxruntime"):
        pytest.importorskip(name)
    import onnx
    import onnxruntime

    from training.reader.line_export import export
    from training.reader.recogniser import LineRecogniser, classes_of
    from vision.pp_ocr import locate

    export(LineRecogniser(locate()), 1.0, tmp_path / "line.onnx")
    picture = np.random.default_rng(0).uniform(-1, 1, (2, 3, 48, 192)).astype(np.float32)
    ours, theirs = (
        onnxruntime.InferenceSession(str(path)).run(None, {"x": picture})[0]
        for path in (tmp_path / "line.onnx", locate())
    )
    facts = onnx.load(str(locate())).metadata_props
    characters = next(fact.value for fact in facts if fact.key == "character").split("\n")
    kept = theirs[..., classes_of(characters)]
    assert np.allclose(ours, kept / kept.sum(-1, keepdims=True), atol=0.02)
