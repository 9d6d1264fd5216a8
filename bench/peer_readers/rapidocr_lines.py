"""PP-OCR by rapidocr over the whole picture: every line of text. `pip install rapidocr onnxruntime`."""

import json
import logging
import sys
from importlib.metadata import version

from rapidocr import RapidOCR

logging.disable(logging.INFO)
engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": 1})
print(json.dumps({"name": "PP-OCR, any line", "version": version("rapidocr")}), flush=True)
for line in sys.stdin:
    found = engine(line.strip())
    print(json.dumps({"texts": list(found.txts or ())}), flush=True)
