"""The embedded search index: a SQLite file with the texts, their deletions and their runs of three
characters."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from plates.confusables import fold
from plates.event import PlateEvent
from plates.matching import edits
from storage.events.sql import COLUMNS, Value, columns, conditions, from_us, marks, to_us, where_clause
from storage.paging import decode_token, encode_token
from storage.search.patterns import (
    GRAM,
    after_prefix,
    deletions,
    grams,
    literal_prefix,
    longest_run,
    marked,
    normalise_query,
)
from storage.search.port import SearchHit, SearchMode, SearchPage, SearchQuery
from storage.sqlite import Database

MIGRATIONS = (
    """
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        best_seen_us INTEGER NOT NULL,
        camera_id TEXT NOT NULL,
        site_id TEXT NOT NULL,
        outcome TEXT NOT NULL,
        region TEXT,
        confidence REAL,
        text TEXT NOT NULL,
        folded TEXT NOT NULL
    );
    CREATE INDEX entries_by_time ON entries (best_seen_us, event_id);
    CREATE INDEX entries_by_text ON entries (text, best_seen_us, event_id);
    CREATE INDEX entries_by_folded ON entries (folded, best_seen_us, event_id);
    CREATE TABLE deletions (
        variant TEXT NOT NULL,
        folded TEXT NOT NULL,
        PRIMARY KEY (variant, folded)
    ) WITHOUT ROWID;
    CREATE TABLE grams (
        gram TEXT NOT NULL,
        folded TEXT NOT NULL,
        PRIMARY KEY (gram, folded)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE entries ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
    CREATE TABLE newest (generation INTEGER NOT NULL);
    INSERT INTO newest VALUES (1);
    CREATE INDEX entries_by_generation ON entries (generation, event_id);
    """,
)

_BY_TEXT = "entries_by_text"
_BY_FOLDED = "entries_by_folded"
_BY_TIME = "entries_by_time"
_MANY_MATCHES = 4000
_DELETE_CHUNK = 500


@dataclass(frozen=True, slots=True)
class _Tier:
    """Events whose text fulfils `condition`, all as many edits away, and the index that finds them.

    `broad`: it can hold for a large share of all events, so that walking back in time may find a page sooner
    than sorting all that match.
    """

    edits: int
    index: str
    condition: str
    values: tuple[Value, ...]
    broad: bool = False


class SqliteSearchIndex:
    """`storage.search.port.SearchIndex` on a file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path) -> SqliteSearchIndex:
        """Open or make the index in `path`; its directory is made, too."""
        return cls(await Database.open(path, MIGRATIONS, readers=3))

    async def index(self, events: Sequence[PlateEvent]) -> None:
        """See the port."""
        rows = [
            (event.plate.text, fold(event.plate.text), columns(event))
            for event in events
            if event.plate is not None and event.plate.text
        ]

        def work(connection: sqlite3.Connection) -> None:
            newest = _newest(connection)
            for text, folded, values in rows:
                _insert(connection, text, folded, (*values, newest))

        await self._database.write(work)

    async def search(self, query: SearchQuery, page_size: int, page_token: str = "") -> SearchPage:
        """See the port."""
        text = normalise_query(query)
        request = ("search", text, query.mode, query.confusables, query.filter)
        after = decode_token(request, page_token, (int, int, str))

        def work(connection: sqlite3.Connection) -> list[SearchHit]:
            hits: list[SearchHit] = []
            for tier in _tiers(connection, text, query):
                if after is None or tier.edits >= int(after[0]):
                    start = after[1:] if after is not None and tier.edits == after[0] else None
                    hits += _select(connection, tier, query, start, page_size + 1 - len(hits))
                if len(hits) > page_size:
                    break
            return hits

        hits = await self._database.read(work)
        page = hits[:page_size]
        if len(hits) <= page_size:
            return SearchPage(tuple(page), "")
        last = page[-1]
        return SearchPage(
            tuple(page), encode_token(request, (last.edits, to_us(last.best_seen_at), last.event_id))
        )

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port."""
        before = to_us(moment)
        return await self._database.sweep(lambda c: _delete_chunk(c, "best_seen_us < ?", before))

    async def renew(self) -> None:
        """See the port. An entry is of one generation: indexing it again makes it anew in the newest."""

        def work(connection: sqlite3.Connection) -> None:
            newest = _newest(connection)
            old = "SELECT 1 FROM entries WHERE generation < ? LIMIT 1"
            if connection.execute(old, (newest,)).fetchone() is None:
                connection.execute("UPDATE newest SET generation = ?", (newest + 1,))

        await self._database.write(work)

    async def left_behind(self, limit: int, after: str = "") -> list[str]:
        """See the port."""

        def work(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(
                "SELECT event_id FROM entries WHERE generation < ? AND event_id > ?"
                " ORDER BY event_id LIMIT ?",
                (_newest(connection), after, limit),
            )
            return [event_id for (event_id,) in rows]

        return await self._database.read(work)

    async def finish_renewal(self) -> None:
        """See the port."""
        newest = await self._database.read(_newest)
        await self._database.sweep(lambda c: _delete_chunk(c, "generation < ?", newest))

    async def check(self) -> None:
        """See the port."""
        await self._database.check()

    async def check_writable(self) -> None:
        """See the port."""
        await self._database.check()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()


def _newest(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT generation FROM newest").fetchone()[0])


def _insert(connection: sqlite3.Connection, text: str, folded: str, values: tuple[Value, ...]) -> None:
    names = (*COLUMNS, "generation", "text", "folded")
    row = (*values, text, folded)
    known = connection.execute("SELECT 1 FROM entries WHERE folded = ? LIMIT 1", (folded,)).fetchone()
    old = connection.execute(
        "DELETE FROM entries WHERE event_id = ? AND generation < ?", (values[0], values[-1])
    )
    connection.execute(f"INSERT OR IGNORE INTO entries ({', '.join(names)}) VALUES ({marks(row)})", row)
    if known is None or old.rowcount:
        connection.executemany(
            "INSERT OR IGNORE INTO deletions VALUES (?, ?)", [(v, folded) for v in deletions(folded)]
        )
        connection.executemany(
            "INSERT OR IGNORE INTO grams VALUES (?, ?)", [(gram, folded) for gram in grams(marked(folded))]
        )


def _tiers(connection: sqlite3.Connection, text: str, query: SearchQuery) -> list[_Tier]:
    column, index, wanted = (
        ("folded", _BY_FOLDED, fold(text)) if query.confusables else ("text", _BY_TEXT, text)
    )
    if query.mode is SearchMode.EXACT:
        return [_Tier(0, index, f"{column} = ?", (wanted,))]
    if query.mode is SearchMode.PREFIX:
        bounds = f"{column} >= ? AND {column} < ?"
        return [_Tier(0, index, bounds, (wanted, after_prefix(wanted)), broad=True)]
    if query.mode is SearchMode.WILDCARD:
        return [_wildcard(column, index, wanted)]
    return _one_edit(connection, column, index, wanted)


def _wildcard(column: str, index: str, pattern: str) -> _Tier:
    prefix, run = literal_prefix(pattern), longest_run(pattern)
    if prefix and (len(prefix) >= GRAM or len(run) < GRAM):
        bounds = f"{column} >= ? AND {column} < ? AND {column} GLOB ?"
        return _Tier(0, index, bounds, (prefix, after_prefix(prefix), pattern), broad=True)
    if len(run) >= GRAM:
        needed = sorted(grams(fold(run)))
        folded = " INTERSECT ".join(["SELECT folded FROM grams WHERE gram = ?"] * len(needed))
        return _Tier(0, _BY_FOLDED, f"folded IN ({folded}) AND {column} GLOB ?", (*needed, pattern))
    # nothing to look up: all texts, but from the index alone
    texts = f"{column} IN (SELECT DISTINCT {column} FROM entries WHERE {column} GLOB ?)"
    return _Tier(0, index, texts, (pattern,))


def _one_edit(connection: sqlite3.Connection, column: str, index: str, wanted: str) -> list[_Tier]:
    variants = deletions(fold(wanted))
    candidates = [
        folded
        for (folded,) in connection.execute(
            f"SELECT DISTINCT folded FROM deletions WHERE variant IN ({marks(list(variants))})",
            tuple(variants),
        )
        if edits(folded, fold(wanted)) <= 1
    ]
    texts = candidates
    if column == "text":
        texts = [
            text
            for folded in candidates
            for (text,) in connection.execute("SELECT DISTINCT text FROM entries WHERE folded = ?", (folded,))
            if edits(text, wanted) <= 1
        ]
    equal = [text for text in texts if text == wanted]
    other = [text for text in texts if text != wanted]
    return [
        _Tier(distance, index, f"{column} IN ({marks(found)})", tuple(found))
        for distance, found in enumerate((equal, other))
        if found
    ]


def _select(
    connection: sqlite3.Connection,
    tier: _Tier,
    query: SearchQuery,
    after: tuple[int | str, ...] | None,
    limit: int,
) -> list[SearchHit]:
    where, values = conditions(query.filter)
    if after is not None:
        where.append("(best_seen_us, event_id) < (?, ?)")
        values.extend(after)
    rows = connection.execute(
        f"SELECT event_id, text, best_seen_us FROM entries INDEXED BY {_index(connection, tier)}"
        f"{where_clause([tier.condition, *where])} ORDER BY best_seen_us DESC, event_id DESC LIMIT ?",
        (*tier.values, *values, limit),
    )
    return [SearchHit(event_id, text, from_us(us), tier.edits) for event_id, text, us in rows]


def _index(connection: sqlite3.Connection, tier: _Tier) -> str:
    if not tier.broad:
        return tier.index
    (matches,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM entries"
        f" INDEXED BY {tier.index} WHERE {tier.condition} LIMIT ?)",
        (*tier.values, _MANY_MATCHES),
    ).fetchone()
    return _BY_TIME if matches >= _MANY_MATCHES else tier.index


def _delete_chunk(connection: sqlite3.Connection, condition: str, bound: int) -> int:
    rows = connection.execute(
        f"SELECT number, folded FROM entries WHERE {condition} LIMIT ?", (bound, _DELETE_CHUNK)
    ).fetchall()
    connection.executemany("DELETE FROM entries WHERE number = ?", [(number,) for number, _ in rows])
    for folded in {folded for _, folded in rows}:
        if connection.execute("SELECT 1 FROM entries WHERE folded = ? LIMIT 1", (folded,)).fetchone():
            continue
        connection.executemany(
            "DELETE FROM deletions WHERE variant = ? AND folded = ?", [(v, folded) for v in deletions(folded)]
        )
        connection.executemany(
            "DELETE FROM grams WHERE gram = ? AND folded = ?",
            [(gram, folded) for gram in grams(marked(folded))],
        )
    return len(rows)
