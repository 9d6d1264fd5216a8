"""OVR-ALPR as `ovr read` has it: every plate from the default threshold on."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import cv2

from vision.models import ModelChoice
from vision.pictures import load_picture
from vision.pipeline import open_picture_reader

cv2.setNumThreads(1)
choice = ModelChoice(threads=1)
reader = open_picture_reader(choice, choice)
print(json.dumps({"name": "OVR-ALPR", "version": version("ovr-alpr")}), flush=True)
for line in sys.stdin:
    found = reader.read(load_picture(Path(line.rstrip("\n"))))
    print(json.dumps({"texts": [item.plate.text for item in found]}), flush=True)
