"""`python -m gateway`: the gateway as a process of its own."""

from __future__ import annotations

from gateway.app import main
from gateway.settings import GatewaySettings
from mesh.process import run

if __name__ == "__main__":
    run(main, GatewaySettings, "gateway")
