"""The alert service as a process: `python -m services.alert [--check-config]`."""

from mesh.process import run
from services.alert.app import main
from services.alert.settings import AlertSettings

if __name__ == "__main__":
    run(main, AlertSettings, "alert")
