"""The detector service as a process: `python -m services.detector [--check-config]`."""

from mesh.process import run
from services.detector.app import main
from services.detector.settings import DetectorSettings

if __name__ == "__main__":
    run(main, DetectorSettings, "detector")
