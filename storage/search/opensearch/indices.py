"""The months of an index and their generations: which there are, and who writes to which.

An index is one a month and generation, `plates-2026.03-1`. The alias `plates` is all of them, for reading;
the alias `plates-2026.03` is written to and leads to the month's newest generation. A rebuild makes a new
generation; OpenSearch moves an alias in one step, so whoever writes never has to know of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import RequestError

from mesh.errors import Kind, MeshError
from storage.search.opensearch.client import translated

_EXISTS = "resource_already_exists_exception"


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One index of OpenSearch; `written` if what is written to the month goes there."""

    generation: int
    month: str
    name: str
    written: bool

    def ends_by(self, moment: datetime) -> bool:
        """Whether nothing in it can be as young as `moment`, UTC."""
        return self.month < month_of(moment)


class Indices:
    """The months of the index `name`."""

    def __init__(self, client: AsyncOpenSearch, name: str) -> None:
        self._client = client
        self._name = name
        self._of_ours = re.compile(rf"{re.escape(name)}-(\d{{4,}}\.\d\d)-(\d+)")

    def alias(self, moment: datetime) -> str:
        """What is written to for an event of this time."""
        return f"{self._name}-{month_of(moment)}"

    async def months(self) -> list[Month]:
        """All there are, oldest generation first."""
        with translated():
            found = await self._client.indices.get_alias(index=f"{self._name}-*")
        months = []
        for name, about in found.items():
            if match := self._of_ours.fullmatch(name):
                written = f"{self._name}-{match[1]}" in about["aliases"]
                months.append(Month(int(match[2]), match[1], name, written))
        return sorted(months)

    async def ensure(self, aliases: Collection[str]) -> None:
        """Make the months that these aliases lead to, in the newest generation; others may do so, too.
        FAILED_PRECONDITION if the index template is not there."""
        await self.check_prepared()
        newest = max((month.generation for month in await self.months()), default=1)
        for alias in sorted(aliases):
            name = await self._make(alias, newest)
            await self._update_aliases([_add(name, self._name), _add(name, alias, is_write_index=True)])

    async def check_prepared(self) -> None:
        """FAILED_PRECONDITION if the index template is not there: months without it would be useless."""
        with translated():
            there = await self._client.indices.exists_index_template(name=self._name)
        if not there:
            raise MeshError(
                Kind.FAILED_PRECONDITION,
                "SEARCH_UNPREPARED",
                f"OpenSearch has no index template {self._name}; `ovr storage init` makes it",
            )

    async def renew(self) -> None:
        """Begin a new generation, which all is written to from now on; with one begun before, go on with
        that."""
        months = await self.months()
        generations = {month.generation for month in months}
        if len(generations) == 1:
            await self.check_prepared()
            await self._move(months, generations.pop() + 1)
        await self.old()

    async def old(self) -> list[Month]:
        """The months of older generations than the newest, after nothing is written to them any more and
        searches find all that was: a writer's own refresh may have gone to the new generation already.
        """
        while True:
            months = await self.months()
            old = _outdated(months)
            # one that did not see the new generation yet may have made a month of the old one meanwhile
            late = [month for month in old if month.written]
            if not late:
                if old:
                    with translated():
                        names = ",".join(month.name for month in old)
                        await self._client.indices.refresh(index=names, ignore_unavailable=True)
                return old
            await self._move(late, months[-1].generation)

    async def drop_old(self) -> None:
        """Remove the months of older generations; but one made so late that it is written to still stays, and
        is found by searches, until the next rebuild: nobody has looked yet for what it alone holds.
        """
        await self.drop([month for month in _outdated(await self.months()) if not month.written])

    async def drop(self, months: Sequence[Month]) -> None:
        """Remove months with all that is in them; one that is gone already is no error."""
        for month in months:
            with translated():
                await self._client.indices.delete(index=month.name, ignore_unavailable=True)

    async def _move(self, months: Sequence[Month], generation: int) -> None:
        """Let what is written to `months` go to those of `generation`, and wait for what is under way."""
        actions: list[dict[str, Any]] = []
        for month in months:
            alias = f"{self._name}-{month.month}"
            made = await self._make(alias, generation)
            if month.written:
                actions.append({"remove": {"index": month.name, "alias": alias}})
            actions += [_add(made, self._name), _add(made, alias, is_write_index=True)]
        await self._update_aliases(actions)
        with translated():
            for month in months:
                await self._client.indices.add_block(index=month.name, block="write")

    async def _make(self, alias: str, generation: int) -> str:
        """The name of a month that is there and can be searched; a new one has no alias yet."""
        name = f"{alias}-{generation}"
        with translated():
            try:
                await self._client.indices.create(index=name)
            except RequestError as error:
                if error.error != _EXISTS:
                    raise
            await self._client.cluster.health(index=name, wait_for_status="yellow")
        return name

    async def _update_aliases(self, actions: Sequence[dict[str, Any]]) -> None:
        with translated():
            await self._client.indices.update_aliases(body={"actions": list(actions)})


def _outdated(months: Sequence[Month]) -> list[Month]:
    return [month for month in months if month.generation < months[-1].generation]


def _add(index: str, alias: str, **more: bool) -> dict[str, Any]:
    return {"add": {"index": index, "alias": alias, **more}}


def month_of(moment: datetime) -> str:
    """The month of a time, as the names of indices have it."""
    return f"{moment.astimezone(timezone.utc):%Y.%m}"
