"""Whether the API lives, and whether what it answers is fresh."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaException, TopicPartition
from fastapi import APIRouter, Depends

from projections import queries
from projections.api import SQL_FOLDER
from projections.api.answers import Alive, ModelPosition, Positions, Ready
from projections.api.doors import Doors
from projections.api.keys import Scope
from projections.api.problems import BEHIND, DATABASE_AWAY, KAFKA_AWAY, ProblemError, away, documented
from projections.api.reads import Reads
from projections.models import MODELS

_SQL = queries.load("progress", SQL_FOLDER)
#: A projector applies as many in about a second: whoever is further behind has stopped, or is being rebuilt.
MOST_BEHIND = 20_000
#: Whoever asks more often gets the same answer: these questions go to every partition, and need no key.
FRESH_SECONDS = 1.0
_ANSWER_SECONDS = 2.0

Place = tuple[str, int]


class Ends:
    """Where topics end, as Kafka says."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self._client = {**client, "group.id": "orderflow-api", "enable.auto.commit": False, "log_level": 0}
        self._consumer: Consumer | None = None

    def of(self, places: Iterable[Place]) -> dict[Place, int]:
        """Blocks. Raises KafkaException where Kafka doesn't answer in time."""
        self._consumer = self._consumer or Consumer(self._client)
        return {place: self._end(self._consumer, place) for place in places}

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    @staticmethod
    def _end(consumer: Consumer, place: Place) -> int:
        _, end = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ANSWER_SECONDS)
        return int(end)


class Freshness:
    """How far the read models are behind their topics."""

    def __init__(self, reads: Reads, ends: Ends) -> None:
        self._reads = reads
        self._ends = ends
        self._asking = asyncio.Lock()
        self._known: tuple[float, Positions] | None = None

    async def positions(self) -> Positions:
        """Raises ProblemError or OperationalError where somebody doesn't say."""
        async with self._asking:
            if self._known is None or time.monotonic() > self._known[0] + FRESH_SECONDS:
                self._known = time.monotonic(), await self._look()
            return self._known[1]

    async def check(self) -> None:
        """Raises ProblemError where what can be read is too old."""
        known = {each.model: each.behind for each in (await self.positions()).models}
        if missing := [model.name for model in MODELS if model.name not in known]:
            words = f"nothing has been projected into {', '.join(missing)} yet: is `orderflow projection run` at work?"
            raise away(BEHIND, words)
        if behind := [f"{model} by {count}" for model, count in known.items() if count > MOST_BEHIND]:
            words = f"read models are behind: {', '.join(behind)} records; more than {MOST_BEHIND} is too old"
            raise away(BEHIND, words)

    async def _look(self) -> Positions:
        rows = await self._reads.all(_SQL["all"], {})
        applied = {(row["model"], (row["topic"], row["partition"])): row["next_offset"] for row in rows}
        try:
            ends = await asyncio.to_thread(self._ends.of, {place for _, place in applied})
        except KafkaException as error:
            raise _kafka_away() from error
        behind = Counter[str]()
        for (model, place), next_offset in applied.items():
            behind[model] += max(0, ends[place] - next_offset)
        return Positions(models=tuple(ModelPosition(model=model, behind=count) for model, count in behind.items()))


def _kafka_away() -> ProblemError:
    return away(KAFKA_AWAY, "Kafka doesn't say where its topics end, so nobody knows how fresh the answers are")


def router(freshness: Freshness, doors: Doors) -> APIRouter:
    routes = APIRouter(tags=["operating"])

    @routes.get("/health", summary="Whether the process lives")
    async def health() -> Alive:
        return Alive()

    @routes.get(
        "/ready",
        summary="Whether it can answer, with what is fresh",
        responses=documented(DATABASE_AWAY, KAFKA_AWAY, BEHIND),
    )
    async def ready() -> Ready:
        await freshness.check()
        return Ready()

    @routes.get(
        "/positions",
        summary="How far the read models are behind",
        dependencies=[Depends(doors.needs(Scope.OPERATE))],
        responses=documented(KAFKA_AWAY),
    )
    async def positions() -> Positions:
        return await freshness.positions()

    return routes
