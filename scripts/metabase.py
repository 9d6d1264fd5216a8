"""Gives Metabase its first account, our database as a role that sees no plate, a dashboard: `make metabase`.

Safe to repeat: what has the same name is brought up to date. Written to the API of Metabase 0.52.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[1]
DASHBOARD = ROOT / "deploy" / "metabase" / "dashboard.yaml"
DATABASE = "OVR-ALPR"
SECONDS = 60.0


class Metabase:
    """Metabase's API for its administrator."""

    def __init__(self, client: httpx.Client, account: str, password: str) -> None:
        self._client, self._account, self._password = client, account, password

    def log_in(self) -> None:
        """As the administrator, who is made if this Metabase has nobody yet."""
        properties = self._call("GET", "/api/session/properties")
        if properties.get("has-user-setup"):
            body = {"username": self._account, "password": self._password}
            session = self._call("POST", "/api/session", body)
        else:
            user = {
                "email": self._account,
                "password": self._password,
                "first_name": "OVR",
                "last_name": "ALPR",
            }
            prefs = {"site_name": "OVR-ALPR", "allow_tracking": False}
            body = {
                "token": properties["setup-token"],
                "user": {**user, "site_name": "OVR-ALPR"},
                "prefs": prefs,
            }
            session = self._call("POST", "/api/setup", body)
        self._client.headers["X-Metabase-Session"] = session["id"]

    def database(self, password: str) -> int:
        """The id of our database, which Metabase reads as ovr_metabase, and of which it sees `analytics`."""
        details = {
            "host": "timescaledb",
            "port": 5432,
            "dbname": "ovr",
            "user": "ovr_metabase",
            "password": password,
            "schema-filters-type": "inclusion",
            "schema-filters-patterns": "analytics",
        }
        found = {item["name"]: item["id"] for item in self._call("GET", "/api/database")["data"]}
        return self._keep(
            "/api/database", found, {"name": DATABASE, "engine": "postgres", "details": details}
        )

    def question(self, question: Mapping[str, Any], database: int) -> int:
        """The id of a question."""
        found = {item["name"]: item["id"] for item in self._call("GET", "/api/card") if not item["archived"]}
        settings = {"graph.dimensions": question.get("across", []), "graph.metrics": question.get("up", [])}
        native = {"type": "native", "native": {"query": question["query"]}, "database": database}
        body = {
            "name": question["name"],
            "display": question["display"],
            "dataset_query": native,
            "visualization_settings": settings if "up" in question else {},
        }
        return self._keep("/api/card", found, body)

    def dashboard(self, name: str, cards: Mapping[int, list[int]]) -> int:
        """The id of the dashboard, with each question at its place."""
        found = {item["name"]: item["id"] for item in self._call("GET", "/api/dashboard")}
        number = self._keep("/api/dashboard", found, {"name": name})
        places = [
            {"id": -1 - at, "card_id": card, "col": x, "row": y, "size_x": width, "size_y": height}
            for at, (card, (x, y, width, height)) in enumerate(cards.items())
        ]
        self._call("PUT", f"/api/dashboard/{number}", {"dashcards": places})
        return number

    def _keep(self, path: str, found: Mapping[str, int], body: Mapping[str, Any]) -> int:
        """Change what has the name, or make it; its id."""
        number = found.get(body["name"])
        if number is None:
            return int(self._call("POST", path, body)["id"])
        self._call("PUT", f"{path}/{number}", body)
        return number

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            raise SystemExit(f"Metabase: {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()


def provision(metabase: Metabase, password: str) -> int:
    """Bring everything up to date; the dashboard's id."""
    described = yaml.safe_load(DASHBOARD.read_text("utf-8"))
    metabase.log_in()
    database = metabase.database(password)
    cards = {metabase.question(question, database): question["place"] for question in described["questions"]}
    return metabase.dashboard(described["name"], cards)


def main() -> int:
    """Provision the Metabase of docker-compose.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:3001")
    parser.add_argument("--account", default="admin@ovr.example", help="e-mail address of the administrator")
    given = parser.parse_args()
    secrets = ROOT / "secrets"
    admin, reader = (
        (secrets / name).read_text("ascii").strip()
        for name in ("metabase_admin_password", "metabase_password")
    )
    with httpx.Client(base_url=given.url, timeout=SECONDS) as client:
        try:
            number = provision(Metabase(client, given.account, admin), reader)
        except httpx.TransportError as error:
            raise SystemExit(f"Metabase at {given.url}: {error}") from None
    print(f"{given.url}/dashboard/{number}  as {given.account}, password in secrets/metabase_admin_password")
    return 0


if __name__ == "__main__":
    sys.exit(main())
