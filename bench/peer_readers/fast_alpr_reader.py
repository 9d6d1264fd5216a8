"""fast-alpr with its default models, which it fetches at its first start. `pip install "fast-alpr[onnx]"`."""

import json
import sys
from importlib.metadata import version

import cv2
from fast_alpr import ALPR

alpr = ALPR()
print(json.dumps({"name": "fast-alpr", "version": version("fast-alpr")}), flush=True)
for line in sys.stdin:
    results = alpr.predict(cv2.imread(line.strip()))
    print(json.dumps({"texts": [r.ocr.text for r in results if r.ocr is not None]}), flush=True)
