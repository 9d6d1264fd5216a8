"""Makes what docker-compose.yml needs and nobody ships: `make secrets`. Needs no package; safe to repeat.

Every secret is a file in `secrets/`, made at random, never overwritten: to change one, remove its file, run
this again, and follow docs/operations.md. `.env` is copied from `.env.example` if there is none.

The folder is its owner's alone. The files in it can be read by others, because containers see them as files
of their own and run as users of their own.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GATEWAY_KEY_NAME = "operator"


def password() -> str:
    """192 random bits, without characters that an address or a shell would take for something else."""
    return secrets.token_urlsafe(24)


def encryption_key() -> str:
    """A key of MinIO's own key store: its name and 256 random bits."""
    return f"ovr:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def gateway_key() -> str:
    """An API key of the gateway."""
    return "ovr_" + secrets.token_urlsafe(32)


MADE: Mapping[str, Callable[[], str]] = {
    "postgres_password": password,
    "writer_password": password,
    "reader_password": password,
    "alert_password": password,
    "mlflow_password": password,
    "monitor_password": password,
    "metabase_password": password,
    "metabase_app_password": password,
    "metabase_admin_password": password,
    "minio_root_password": password,
    "minio_kms_key": encryption_key,
    "s3_secret_key": password,
    "mlflow_s3_secret_key": password,
    "grafana_password": password,
    "gateway_key": gateway_key,
}


def main(root: Path = ROOT) -> int:
    """Make what is missing, and say what was made."""
    folder = root / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    made = [name for name, make in MADE.items() if _write_new(folder / name, make)]
    if _write_new(folder / "gateway_keys", lambda: _key_line((folder / "gateway_key").read_text("ascii"))):
        made.append("gateway_keys")
    if not (root / ".env").exists():
        shutil.copyfile(root / ".env.example", root / ".env")
        made.append(".env")
    print(f"made: {', '.join(made)}" if made else "everything is there already")
    return 0


def _write_new(path: Path, make: Callable[[], str]) -> bool:
    """Write a file that is not there; False if it is."""
    if path.exists():
        return False
    draft = path.with_suffix(".new")
    draft.write_text(make() + "\n", "ascii")
    draft.chmod(0o444)
    draft.rename(path)
    return True


def _key_line(key: str) -> str:
    """The gateway's file of keys holds only the digest; `secrets/gateway_key` is the operator's."""
    return f"{GATEWAY_KEY_NAME}:write:{hashlib.sha256(key.strip().encode()).hexdigest()}"


if __name__ == "__main__":
    sys.exit(main())
