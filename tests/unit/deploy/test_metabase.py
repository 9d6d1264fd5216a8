"""What the provisioning asks of Metabase, against a stand-in for its API: nothing is made twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from scripts.metabase import Metabase, provision

KINDS = ("database", "card", "dashboard")


@dataclass
class StandIn:
    """Metabase's API as far as it is used: who may ask, and things by name and number."""

    account: dict[str, str] | None = None
    things: dict[str, dict[int, dict[str, Any]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request."""
        body = json.loads(request.content or b"null")
        _, _, kind, *rest = request.url.path.split("/")
        if (request.method, kind, rest) == ("GET", "session", ["properties"]):
            return httpx.Response(200, json={"has-user-setup": self.account is not None, "setup-token": "t"})
        if (request.method, kind) == ("POST", "setup"):
            assert body["token"] == "t"
            self.account = {"username": body["user"]["email"], "password": body["user"]["password"]}
            return httpx.Response(200, json={"id": "session"})
        if (request.method, kind) == ("POST", "session"):
            good = body == self.account
            return httpx.Response(200 if good else 401, json={"id": "session"})
        assert request.headers["X-Metabase-Session"] == "session"
        return self._thing(request.method, self.things[kind], kind, rest, body)

    def _thing(
        self, method: str, things: dict[int, dict[str, Any]], kind: str, rest: list[str], body: Any
    ) -> httpx.Response:
        if method == "GET":
            found = [{"id": number, "archived": False, **thing} for number, thing in things.items()]
            return httpx.Response(200, json={"data": found} if kind == "database" else found)
        number = int(rest[0]) if rest else len(things) + 1
        things.setdefault(number, {}).update(body)
        return httpx.Response(200, json={"id": number})


def run(stand_in: StandIn, password: str = "secret") -> int:
    """One run of the provisioning."""
    with httpx.Client(base_url="http://mb", transport=httpx.MockTransport(stand_in.answer)) as client:
        return provision(Metabase(client, "admin@ovr.example", password), "of the role")


def test_a_new_metabase_gets_account_database_and_dashboard() -> None:
    """Everything is there after one run; the database is read as the role that sees no plate."""
    stand_in = StandIn()
    number = run(stand_in)
    (database,) = stand_in.things["database"].values()
    assert (database["details"]["user"], database["details"]["schema-filters-patterns"]) == (
        "ovr_metabase",
        "analytics",
    )
    board = stand_in.things["dashboard"][number]
    assert {card["card_id"] for card in board["dashcards"]} == stand_in.things["card"].keys()
    assert len(stand_in.things["card"]) == 6


def test_a_second_run_makes_nothing_twice() -> None:
    """What has its name is changed in place."""
    stand_in = StandIn()
    run(stand_in)
    before = {kind: set(things) for kind, things in stand_in.things.items()}
    run(stand_in)
    assert {kind: set(things) for kind, things in stand_in.things.items()} == before


def test_a_wrong_password_is_said() -> None:
    """The run ends with what Metabase answered."""
    stand_in = StandIn({"username": "admin@ovr.example", "password": "another"})
    with pytest.raises(SystemExit, match="POST /api/session: 401"):
        run(stand_in)
