"""Many wait for rows to change, one looks.

A query per waiting request would cost the database more the longer it takes to catch up: exactly when it has no time.
LISTEN/NOTIFY would spare the looking, and make every commit of the projector wait in one queue for all of PostgreSQL.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Generic, TypeVar

from projections.api.problems import BUSY, away

K = TypeVar("K")
V = TypeVar("V")

PAUSE_SECONDS = 0.1
#: Of those who wait at once; each costs a place in the one query.
MOST_WAITING = 1_000


class Poller(Generic[K, V]):
    """`look` says of which keys there is news, and what it is."""

    def __init__(
        self, look: Callable[[Collection[K]], Awaitable[Mapping[K, V]]], *, most_waiting: int = MOST_WAITING
    ) -> None:
        self._look = look
        self._most = most_waiting
        self._waiting: dict[K, set[asyncio.Future[V]]] = {}
        self._looking: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def admit(self) -> None:
        """Raises ProblemError where there is no room for one more."""
        if self.waiting >= self._most:
            raise away(BUSY, f"{self._most} requests wait for news already; ask without waiting, or again later")

    async def news(self, of: K, seconds: float) -> V | None:
        """What is new of it, once something is; None where nothing was in so many seconds. Raises what `look` does."""
        self.admit()
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(of, set()).add(future)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            waiting = self._waiting.get(of, set())
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(of, None)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            asked = list(self._waiting)
            try:
                found = await self._look(asked)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer of those who wait
                for future in self._heard_by(asked):
                    future.set_exception(error)
            else:
                for key, value in found.items():
                    for future in self._heard_by([key]):
                        future.set_result(value)
            await asyncio.sleep(PAUSE_SECONDS)

    def _heard_by(self, keys: Collection[K]) -> Iterator["asyncio.Future[V]"]:
        """Who waits for these, and from now on no longer."""
        return (future for key in keys for future in self._waiting.pop(key, set()) if not future.done())
