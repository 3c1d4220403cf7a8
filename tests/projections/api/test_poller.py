import asyncio
from collections.abc import Callable, Collection, Mapping

import pytest

from projections.api.poller import Poller
from projections.api.problems import BUSY, ProblemError


class News:
    """What is new, as a test says it; and how often anybody looked."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.looks: list[Collection[str]] = []
        self.failure: Exception | None = None

    async def look(self, keys: Collection[str]) -> Mapping[str, int]:
        self.looks.append(keys)
        if self.failure:
            raise self.failure
        return {key: self.known[key] for key in keys if key in self.known}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what it waits for knows of no event
            await asyncio.sleep(0)


def test_many_who_wait_are_one_question_at_a_time() -> None:
    async def run() -> None:
        news = News()
        poller = Poller(news.look)
        waiting = [asyncio.create_task(poller.news(f"key {number % 10}", 10)) for number in range(200)]
        await until(lambda: len(news.looks) > 1)
        news.known = {f"key {number}": number for number in range(10)}
        assert await asyncio.gather(*waiting) == [number % 10 for number in range(200)]
        assert len(news.looks[-1]) == 10
        assert len(news.looks) < 10
        await poller.close()

    asyncio.run(run())


def test_who_waited_for_nothing_hears_that_in_time_and_is_forgotten() -> None:
    async def run() -> None:
        news = News()
        poller = Poller(news.look)
        assert await poller.news("never", 0.01) is None
        assert poller.waiting == 0
        await poller.close()

    asyncio.run(run())


def test_nobody_looks_while_nobody_waits() -> None:
    async def run() -> None:
        news = News()
        news.known = {"key": 1}
        poller = Poller(news.look)
        assert await poller.news("key", 10) == 1
        looked = len(news.looks)
        await until(lambda: poller._looking is None or poller._looking.done())  # noqa: SLF001 - its task is the question
        assert len(news.looks) == looked
        assert await poller.news("key", 10) == 1

    asyncio.run(run())


def test_a_failure_is_the_answer_of_all_who_wait_and_the_next_one_looks_again() -> None:
    async def run() -> None:
        news = News()
        news.failure = OSError("away")
        poller = Poller(news.look)
        with pytest.raises(OSError, match="away"):
            await poller.news("key", 10)
        news.failure, news.known = None, {"key": 1}
        assert await poller.news("key", 10) == 1
        await poller.close()

    asyncio.run(run())


def test_one_more_than_there_is_room_for_is_turned_away() -> None:
    async def run() -> None:
        poller = Poller(News().look, most_waiting=2)
        waiting = [asyncio.create_task(poller.news("key", 0.2)) for _ in range(2)]
        await until(lambda: poller.waiting == 2)
        with pytest.raises(ProblemError) as refused:
            await poller.news("other", 10)
        assert refused.value.kind is BUSY
        assert await asyncio.gather(*waiting) == [None, None]
        await poller.close()

    asyncio.run(run())


def test_who_leaves_takes_no_place_any_more() -> None:
    async def run() -> None:
        poller = Poller(News().look)
        waiting = asyncio.create_task(poller.news("key", 10))
        await until(lambda: poller.waiting == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert poller.waiting == 0
        await poller.close()

    asyncio.run(run())
