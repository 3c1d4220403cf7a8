"""Questions to the Order Database: bounded in connections, in waiting for one, and in what a statement may take."""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL
from psycopg_pool import AsyncConnectionPool

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]

CONNECTIONS = 10
#: Requests that wait for a connection at once; the next one is turned away at once.
MOST_WAITING = 100
WAIT_SECONDS = 2.0
STATEMENT_SECONDS = 5
_CONNECT_SECONDS = 3
_RECONNECT_SECONDS = 5.0


def pool(dsn: str, *, connections: int = CONNECTIONS, wait_seconds: float = WAIT_SECONDS) -> Pool:
    """Not open yet; once it is, it keeps trying while the database is away."""
    return AsyncConnectionPool(
        dsn,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s",
        },
        min_size=1,
        max_size=connections,
        timeout=wait_seconds,
        max_waiting=MOST_WAITING,
        # Its own pauses grow for as long as it tries. Given up early, the next request tries anew.
        reconnect_timeout=_RECONNECT_SECONDS,
        # A connection that died with the database is found out here, not by the request that gets it.
        check=AsyncConnectionPool.check_connection,
        open=False,
        name="api",
    )


class Reads:
    """One statement each: so each answer is of one moment, also while a read model is swapped for a new one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all(self, statement: SQL, values: Mapping[str, Any]) -> list[DictRow]:
        async with self._pool.connection() as connection:
            return await (await connection.execute(statement, values)).fetchall()

    async def one(self, statement: SQL, values: Mapping[str, Any]) -> DictRow | None:
        return next(iter(await self.all(statement, values)), None)
