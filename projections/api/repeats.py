"""A request that is sent again acts once, whatever breaks in between.

What makes it safe is not the table but the ids: all that a command carries follows from client, key and body, so one
that is published twice is one command to the services. The table makes it pleasant: the answer comes back as it was,
and a key that is used for something else is noticed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from projections import queries
from projections.api import SQL_FOLDER
from projections.api.problems import KEY_REUSED, ProblemError
from projections.api.reads import Pool
from schemas.identity import derived_id

#: As long as a client may be cut off and still try again.
STAYS = timedelta(days=1)

_SQL = queries.load("requests", SQL_FOLDER)

#: Does it, as asked for at that time in millis, and says what the answer is.
Act = Callable[[int], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Once:
    """One request of one client under one key."""

    client: str
    key: str
    #: What is asked for: method, path and body.
    asked: str

    @property
    def id(self) -> str:
        """What is asked for is part of it: after the table forgot the key, another body is another request."""
        return derived_id("request", self.client, self.key, self.asked)

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.asked.encode()).digest()


class Repeats:
    """What was asked for under each key."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def once(self, request: Once, subject: str, act: Act) -> dict[str, Any]:
        """The answer, new or as it was the first time. Raises ProblemError where the key was used for something else.

        Two at once, or one that died before it was written down, act again with the same ids and the same time.
        No connection is held while it acts: that waits for Kafka, and others need the database meanwhile.
        """
        whose = {"client": request.client, "key": request.key}
        claim = await self._claim(request, {**whose, "subject": subject})
        if claim["fingerprint"] != request.fingerprint:
            words = f"{request.key!r} was used for another request already: a new request needs a new Idempotency-Key"
            raise ProblemError(KEY_REUSED, words)
        if claim["accepted"] is not None:
            return dict(claim["accepted"])
        accepted = await act(claim["asked_at"])
        async with self._pool.connection() as connection:
            await connection.execute(_SQL["accepted"], {**whose, "accepted": Jsonb(accepted)})
        return accepted

    async def _claim(self, request: Once, values: dict[str, Any]) -> DictRow:
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_SQL["sweep"], values)
            values |= {"fingerprint": request.fingerprint, "stays": STAYS}
            claim = await (await connection.execute(_SQL["claim"], values)).fetchone()
        assert claim is not None  # noqa: S101 - the statement gives a row in either case
        return claim
