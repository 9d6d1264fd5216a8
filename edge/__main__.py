"""The edge as a process: `python -m edge [--source SOURCE]... [--camera ID] [--realtime] [--summary FILE]`.

Each option stands for a variable of `EdgeSettings` and overrides it: `--source` for OVR_EDGE_SOURCES, ...
"""

from __future__ import annotations

import argparse
import os
import sys

from edge.pilot import main
from edge.settings import EdgeSettings
from mesh.process import run


def options_to_environment(arguments: list[str]) -> list[str]:
    """Sets the variables that the options stand for; gives the arguments left for the process itself."""
    parser = argparse.ArgumentParser(prog="python -m edge", description="Reads plates from cameras.")
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        help="video, picture, folder, RTSP address or camera; repeatable",
    )
    parser.add_argument("--camera", help="camera id for the source; several are numbered")
    parser.add_argument("--realtime", action="store_true", help="play recordings at their own pace")
    parser.add_argument("--summary", help="write the run's numbers to this file as JSON")
    parser.add_argument("--check-config", action="store_true", help="print the settings in force and leave")
    given = parser.parse_args(arguments)
    values = {
        "OVR_EDGE_SOURCES": "\n".join(given.source),
        "OVR_EDGE_CAMERA": given.camera,
        "OVR_EDGE_REALTIME": "true" if given.realtime else None,
        "OVR_EDGE_SUMMARY": given.summary,
    }
    os.environ.update({name: value for name, value in values.items() if value})
    return ["--check-config"] if given.check_config else []


if __name__ == "__main__":
    sys.argv[1:] = options_to_environment(sys.argv[1:])
    run(main, EdgeSettings, "edge")
