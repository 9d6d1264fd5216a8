"""The one place where a running service holds its engine, so that another can take its place."""

from __future__ import annotations

from typing import Generic, TypeVar

Engine = TypeVar("Engine")


class Handle(Generic[Engine]):
    """Holds the engine in use. Whoever works takes `current` once for a batch and keeps it to the batch's
    end, so that a replacement drops no request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def current(self) -> Engine:
        """The engine that new work shall use."""
        return self._engine

    def replace(self, engine: Engine) -> Engine:
        """Let new work use `engine`; returns the former one, which may still be busy with its last batch."""
        former, self._engine = self._engine, engine
        return former
