"""A worker's life in this process, with engines that do as they are told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from ops.worker import run as module
from ops.worker.run import ServiceFailedError, UndrainedError, run
from ops.worker.surroundings import Surroundings
from schemas.errors import OrderflowError
from streams.hosting import Hosted
from streams.topics import UnreachableError
from tests.ops.worker.fakes import DiesEngine, FakeEngine, WontStartEngine, WontStopEngine, hosted, surroundings

SECONDS = 10


@dataclass
class Life:
    """One worker, and what was seen of it."""

    factory: Callable[[Hosted, Surroundings], FakeEngine] = FakeEngine
    check: Callable[[], None] = lambda: None
    wait_seconds: float = 0
    drain_seconds: float = SECONDS
    engines: list[FakeEngine] = field(default_factory=list)
    started: int = 0
    ended: int = 0
    log: list[Any] = field(default_factory=list)

    def live(self, *, until: str = "started") -> None:
        """Tell it to stop once it has logged `until`."""
        with capture_logs() as self.log:
            asyncio.run(asyncio.wait_for(self._living(until), SECONDS))

    async def _living(self, until: str) -> None:
        stop = asyncio.Event()
        stopping = asyncio.ensure_future(self._stop_after(until, stop))
        try:
            await run(
                hosted,
                surroundings(drain_seconds=self.drain_seconds),
                self._made,
                check=self.check,
                wait_seconds=self.wait_seconds,
                stop=stop,
                started=self._started,
                ends=self._ends,
            )
        finally:
            stopping.cancel()

    async def _stop_after(self, event: str, stop: asyncio.Event) -> None:
        while event not in self.events:  # noqa: ASYNC110 - a log is no event
            await asyncio.sleep(0.01)
        stop.set()

    def _made(self, hosted: Hosted, surroundings: Surroundings) -> FakeEngine:
        engine = self.factory(hosted, surroundings)
        self.engines.append(engine)
        return engine

    def _started(self) -> None:
        self.started += 1

    def _ends(self) -> None:
        assert not any(engine.stopped for engine in self.engines)
        self.ended += 1

    @property
    def events(self) -> list[str]:
        return [each["event"] for each in self.log]

    @property
    def stopped(self) -> list[bool]:
        return [engine.stopped for engine in self.engines]


def test_told_to_stop_it_drains_every_service_and_returns() -> None:
    life = Life()
    life.live()
    assert life.events == ["starting", "started", "draining", "drained"]
    assert (life.stopped, life.started, life.ended) == ([True, True], 1, 1)


def test_the_first_line_says_what_runs_and_where_to_ask() -> None:
    life = Life()
    life.live()
    first = life.log[0]
    assert (first["services"], first["environment"]) == (["patience", "kindness"], "dev")
    assert first["http"].startswith("http://127.0.0.1:")


def test_a_service_that_fails_ends_the_process_and_the_others_are_drained() -> None:
    life = Life(DiesEngine)
    with pytest.raises(ServiceFailedError, match="patience can't go on: Kafka was away for 600 s"):
        life.live(until="never")
    [told] = [each for each in life.log if each["event"] == "a service can't go on"]
    assert (told["service"], told["exc_info"]) == ("patience", life.engines[0].failure)
    assert (life.stopped, life.ended) == ([True, True], 1)


def test_one_that_does_not_start_ends_the_process_while_the_others_are_still_starting() -> None:
    life = Life(WontStartEngine)
    with pytest.raises(ServiceFailedError, match="patience can't go on: no group would have us"):
        life.live(until="never")
    assert (life.stopped, life.started) == ([True, True], 0)


def test_told_to_stop_while_it_starts_it_starts_no_further() -> None:
    class Starts(FakeEngine):
        async def start(self) -> None:
            structlog.get_logger().info("joining")
            await asyncio.Event().wait()

    life = Life(Starts)
    life.live(until="joining")
    assert life.events == ["starting", "joining", "joining", "draining", "drained"]
    assert life.stopped == [True, True]


def test_a_drain_that_takes_too_long_is_cut_short_and_says_who_did_not_end() -> None:
    life = Life(WontStopEngine, drain_seconds=0.1)
    with pytest.raises(UndrainedError, match=r"patience, kindness did not drain in 0\.1 s"):
        life.live()


def test_a_check_that_fails_starts_nothing() -> None:
    def wrong() -> None:
        raise OrderflowError("topics are missing")

    life = Life(check=wrong)
    with pytest.raises(OrderflowError, match="topics are missing"):
        life.live(until="never")
    assert (life.engines, life.events) == ([], ["starting"])


def test_a_broker_that_is_away_is_waited_for_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    tries: list[int] = []

    def away_at_first() -> None:
        tries.append(1)
        if len(tries) % 3:
            raise UnreachableError("Kafka doesn't answer")

    Life(check=away_at_first, wait_seconds=SECONDS).live()
    assert len(tries) == 3
    with pytest.raises(UnreachableError):
        Life(check=away_at_first).live(until="never")


def test_told_to_stop_while_it_waits_for_the_broker_it_ends() -> None:
    def away() -> None:
        raise UnreachableError("Kafka doesn't answer")

    life = Life(check=away, wait_seconds=60)
    life.live(until="waiting")
    assert life.engines == []


def test_what_waits_for_it_hears_while_it_checks_and_while_it_drains() -> None:
    """Both ask the endpoints from a thread: the loop answers, whatever blocks."""
    seen: dict[str, dict[str, str]] = {}
    life = Life(check=lambda: _ask(life, seen, "checks"))

    class Asks(FakeEngine):
        async def stop(self) -> None:
            await asyncio.to_thread(_ask, life, seen, "drain")

    life.factory = Asks
    life.live()
    assert seen == {
        "checks": {"worker": "its start-up checks"},
        "drain": {"worker": "it drains: it was told to stop"},
    }


def _ask(life: Life, seen: dict[str, dict[str, str]], name: str) -> None:
    seen[name] = httpx.get(f"{life.log[0]['http']}/ready", timeout=5).json()["missing"]
