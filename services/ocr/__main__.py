"""The OCR service as a process: `python -m services.ocr [--check-config]`."""

from mesh.process import run
from services.ocr.app import main
from services.ocr.settings import OcrSettings

if __name__ == "__main__":
    run(main, OcrSettings, "ocr")
