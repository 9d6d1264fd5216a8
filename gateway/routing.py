"""A route whose template (`/v1/events/{event_id}`) is known to what observes requests."""

from __future__ import annotations

from starlette.routing import Match, Route
from starlette.types import Scope

TEMPLATE = "ovr.template"


class Path(Route):
    """Starlette's route; what it matched is left in the scope, for metrics and traces."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the request is for this route, and what it adds to the scope."""
        match, child_scope = super().matches(scope)
        if match is not Match.NONE:
            child_scope[TEMPLATE] = self.path
        return match, child_scope
