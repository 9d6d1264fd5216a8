"""Register what is installed in `models/` at an MLflow server, and let the first of each kind serve.

    OVR_MLFLOW=http://127.0.0.1:5000 python scripts/mlflow/register_existing_models.py [--manifest FILE]

May be run again: what is registered already stays as it is, and a model that has a version in production
keeps it. The numbers of the manifest are registered with each version.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mesh.errors import MeshError
from mesh.settings import ConfigError, load
from vision.manifest import Manifest
from vision.port import VisionError
from vision.registry.port import Registry, Stage
from vision.registry.promotion import promote
from vision.registry.publish import publish
from vision.registry.settings import RegistrySettings


def main() -> int:
    """Register, say what became of each model; 1 if something could not be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, help="another manifest than models/manifest.yaml")
    arguments = parser.parse_args()
    try:
        registry = load(RegistrySettings).registry()
        if registry is None:
            parser.error("set OVR_MLFLOW=http://HOST:PORT; `make mlflow` starts a server")
        register_all(registry, Manifest.load(arguments.manifest))
    except (MeshError, VisionError, ConfigError) as error:
        print(f"register_existing_models: {error}", file=sys.stderr)
        return 1
    return 0


def register_all(registry: Registry, manifest: Manifest) -> None:
    """Every model of the manifest; a version whose model has none in production yet goes there."""
    for entry in manifest.entries:
        version, new = publish(registry, manifest, entry)
        said = f"{version} is {entry.name} {entry.version}{'' if new else ', as before'}"
        served = any(Stage.PRODUCTION.value in other.aliases for other in registry.versions(entry.name))
        if not served:
            promote(registry, version, Stage.PRODUCTION)
            said += f", {Stage.PRODUCTION.tag}"
        print(said)


if __name__ == "__main__":
    sys.exit(main())
