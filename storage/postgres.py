"""PostgreSQL as its adapters use it: a bounded pool that connects when it is asked, time limits on both ends,
and errors as `mesh.errors.MeshError`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from mesh.errors import Kind, MeshError
from storage.settings import StorageSettings, secret

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 10.0
# The server's limit comes first and says what was too slow; the client's is for a server that is silent.
SILENCE_SECONDS = 12.0
SWEEP_SECONDS = 600.0

_HOST = r"(?:\[[^\]]+\]|[^][/?#@:,]*)(?::\d{1,5})?"
_ADDRESS = re.compile(rf"postgres(?:ql)?://(?:[^/?#@]*@)?{_HOST}(?:,{_HOST})*(?:[/?].*)?")
_NOT_MIGRATED = {"42P01", "42703", "42883", "3F000"}  # undefined table, column, function, schema
# The one rule of our tables that a value can break; the others of its class come of moving partitions.
_NOT_NULL = "23502"
_DAMAGED = {"XX001", "XX002"}


class Postgres:
    """Runs statements on a server. Each error is a MeshError: UNAVAILABLE for what can pass (no connection,
    too slow, disk full, read-only, password or right missing), INVALID for values that it refuses,
    FAILED_PRECONDITION if `ovr db migrate` was not run, DATA_LOSS for damaged files."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, settings: StorageSettings) -> Postgres:
        """A pool on the database of the settings. Connects to nothing yet: a server that is away is met, and
        waited out, where it is used. FAILED_PRECONDITION for an address that is none."""
        limit = f"{STATEMENT_SECONDS * 1000:.0f}"
        pool = asyncpg.create_pool(
            **login(settings),
            min_size=0,
            max_size=settings.database_connections,
            command_timeout=SILENCE_SECONDS,
            server_settings={
                "application_name": f"ovr {settings.service}",
                "timezone": "UTC",
                "statement_timeout": limit,
                "idle_in_transaction_session_timeout": limit,
                "jit": "off",  # compiling takes longer than our statements do
            },
        )
        with translated():
            await pool
        return cls(pool)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool; waits for one that comes free."""
        with translated():
            async with self._pool.acquire(timeout=STATEMENT_SECONDS) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: committed at the end of the body, rolled back if it raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """All rows of one statement."""
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return rows

    async def fetch_one(self, statement: str, *values: object) -> Any:
        """The first value of the first row of one statement; None if there is no row."""
        async with self.connection() as connection:
            return await connection.fetchval(statement, *values)

    async def sweep(self, statement: str, *values: object) -> Any:
        """The same for one that may take minutes."""
        async with self.transaction() as connection:
            await connection.execute("SET LOCAL statement_timeout = 0")
            return await connection.fetchval(statement, *values, timeout=SWEEP_SECONDS)

    async def check(self, table: str, *, writable: bool = False) -> None:
        """Return if the server answers, `table` may be read, and, if that is asked, the server takes
        writes."""
        await self.fetch(f"SELECT FROM {table} LIMIT 1")
        if writable and await self.fetch_one("SELECT current_setting('transaction_read_only')") == "on":
            raise _unavailable("takes no writes now")

    async def close(self) -> None:
        """Wait a moment for what runs, then close all connections."""
        try:
            await asyncio.wait_for(self._pool.close(), CONNECT_SECONDS)
        except (asyncio.TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()


class Conditions:
    """Conditions to be joined by AND, with their numbered parameters in `values`."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._where: list[str] = []

    def add(self, condition: str, *values: object) -> None:
        """One more; each `{}` stands for a value."""
        self._where.append(condition.format(*map(self.parameter, values)))

    def parameter(self, value: object) -> str:
        """The mark of one more value."""
        self.values.append(value)
        return f"${len(self.values)}"

    def where(self) -> str:
        """All of them as a WHERE clause; empty for none."""
        return f" WHERE {' AND '.join(self._where)}" if self._where else ""


def login(settings: StorageSettings) -> dict[str, Any]:
    """What every connection to the settings' database is made with. FAILED_PRECONDITION for an address that
    is none; it is not shown, for it may hold a password."""
    if _ADDRESS.fullmatch(settings.database) is None:
        raise _unusable("not postgresql://USER@HOST:PORT/NAME; in a password, / ? # @ are %2F %3F %23 %40")
    return {
        "dsn": settings.database,
        "password": secret(settings.database_password, settings.database_password_file) or None,
        "timeout": CONNECT_SECONDS,
    }


def uuid_of(text: str) -> UUID | None:
    """The id, None for a text that is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the client library, within the body, as MeshError."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise _of_server(error) from error
    except asyncpg.ClientConfigurationError as error:
        raise _unusable(str(error)) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a value that no column could hold
            raise MeshError(Kind.INVALID, "VALUE_REFUSED", str(error)) from error
        raise _unavailable(str(error)) from error
    except (asyncio.TimeoutError, TimeoutError) as error:
        raise _unavailable("no answer in time") from error
    except OSError as error:
        raise _unavailable(error.strerror or type(error).__name__) from error


def _of_server(error: asyncpg.PostgresError) -> MeshError:
    state = error.sqlstate or ""
    if state.startswith("22") or state == _NOT_NULL:
        return MeshError(Kind.INVALID, "VALUE_REFUSED", f"the database refuses a value: {error}")
    if state in _NOT_MIGRATED:
        return MeshError(
            Kind.FAILED_PRECONDITION, "STORE_NOT_MIGRATED", f"{error}; `ovr db migrate` makes the tables"
        )
    if state in _DAMAGED:
        return MeshError(Kind.DATA_LOSS, "STORE_DAMAGED", f"the database: {error}")
    return _unavailable(str(error) or type(error).__name__)


def _unusable(why: str) -> MeshError:
    return MeshError(Kind.FAILED_PRECONDITION, "DATABASE_ADDRESS_INVALID", f"OVR_DATABASE: {why}")


def _unavailable(why: str) -> MeshError:
    return MeshError(Kind.UNAVAILABLE, "STORE_UNAVAILABLE", f"the database: {why}")
