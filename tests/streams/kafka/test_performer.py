"""Calls on real threads. Every wait has a deadline."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Barrier, Event, Semaphore
from time import monotonic
from typing import Any

import pytest

from streams.effects import Call, Circuit, Outside, Perform, Policy, UnavailableError
from streams.kafka import performer as module
from streams.kafka.performer import Performer, Result

PATIENCE = 10.0


@dataclass(frozen=True)
class Charge:
    amount: int = 0


@dataclass(frozen=True)
class Mail:
    to: int = 0


def call(number: int, effect: Any = None) -> Call:
    return Call(f"key-{number}", f"charge-{number}", effect or Charge(number), attempt=1, deadline=0)


class Telling(Performer):
    """Says when there is a result, on the thread that made it."""

    def __init__(self, perform: Mapping[type, Perform], done: Callable[[], object], **options: Any) -> None:
        self._done = done
        super().__init__(perform, **options)

    def _report(self, result: Result) -> None:
        super()._report(result)
        self._done()


@dataclass
class Office:
    """A performer with somebody who waits for its results."""

    perform: Callable[[Any, str], Any]
    at_once: int = 4
    mail: Callable[[Any, str], Any] = lambda _effect, _id: None
    came: Semaphore = field(default_factory=lambda: Semaphore(0))
    enabled: bool = True

    def __post_init__(self) -> None:
        self.performer = Telling(
            {Charge: self.perform, Mail: self.mail},
            self.came.release,
            policies={Charge: Policy(at_once=self.at_once)},
            enabled=self.enabled,
        )

    def submit(self, *calls: Call) -> None:
        for each in calls:
            self.performer.submit(each)

    def results(self, count: int) -> list[Result]:
        """As many as that, or a failure."""
        for _ in range(count):
            assert self.came.acquire(timeout=PATIENCE)
        return self.performer.results()


@pytest.fixture
def gate() -> Iterator[Event]:
    """What hung calls wait for; in the end they all go."""
    gate = Event()
    yield gate
    gate.set()


@pytest.fixture
def open_office(gate: Event) -> Iterator[Callable[..., Office]]:
    """Opens offices that are closed when the test is over."""
    offices: list[Office] = []

    def opened(*arguments: Any, **options: Any) -> Office:
        offices.append(Office(*arguments, **options))
        return offices[-1]

    yield opened
    gate.set()
    assert [office.performer.close(PATIENCE) for office in offices] == [0] * len(offices)


def test_a_call_is_made_under_its_id_on_a_thread_of_its_own_and_its_outcome_comes_back(
    open_office: Callable[..., Office],
) -> None:
    office = open_office(lambda effect, effect_id: (effect.amount, effect_id, threading.current_thread().name))
    office.submit(call(7))
    assert office.results(1) == [Result(call(7), (7, "charge-7", "Charge-0"))]
    assert office.performer.results() == []


def test_as_many_calls_as_may_be_are_made_at_once(open_office: Callable[..., Office]) -> None:
    together = Barrier(4)
    office = open_office(lambda _effect, _id: together.wait(PATIENCE))
    office.submit(*map(call, range(4)))
    assert sorted(result.outcome for result in office.results(4)) == [0, 1, 2, 3]


def test_a_thread_is_kept_for_the_next_call_which_may_come_as_soon_as_its_result_is_out() -> None:
    came, submitted = Semaphore(0), Semaphore(0)

    def done() -> None:
        came.release()
        assert submitted.acquire(timeout=PATIENCE)

    performer = Telling({Charge: lambda _effect, _id: threading.get_ident()}, done, policies={})
    threads = set()
    performer.submit(call(0))
    for number in range(1, 20):
        assert came.acquire(timeout=PATIENCE)
        threads |= {result.outcome for result in performer.results()}
        performer.submit(call(number))
        submitted.release()
    submitted.release()
    assert performer.close(PATIENCE) == 0
    assert len(threads) == 1


def test_an_outside_that_is_away_is_a_result_and_no_news(
    open_office: Callable[..., Office], caplog: pytest.LogCaptureFixture
) -> None:
    away = UnavailableError("away")

    def perform(_effect: Charge, _id: str) -> None:
        raise away

    office = open_office(perform)
    office.submit(call(1))
    assert office.results(1) == [Result(call(1), error=away)]
    assert caplog.records == []


def test_a_bug_is_a_result_with_its_traceback_in_the_log_once_a_minute_and_type(
    open_office: Callable[..., Office], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)

    def perform(_effect: Charge | Mail, _id: str) -> float:
        return 1 / 0

    office = open_office(perform, mail=perform)

    def logged(number: int, effect: Charge | Mail) -> list[str]:
        caplog.clear()
        office.submit(call(number, effect))
        (result,) = office.results(1)
        assert isinstance(result.error, ZeroDivisionError)
        assert all(record.levelno == logging.ERROR for record in caplog.records)
        assert caplog.text.count("1 / 0") == len(caplog.records)
        return caplog.messages

    (first,) = logged(1, Charge())
    assert "the performer of Charge failed on charge-1" in first
    assert logged(2, Charge()) == []
    assert len(logged(3, Mail())) == 1
    now += 60
    assert len(logged(4, Charge())) == 1


def test_even_a_performer_that_exits_loses_neither_its_effect_nor_its_thread(
    open_office: Callable[..., Office], caplog: pytest.LogCaptureFixture
) -> None:
    office = open_office(lambda _effect, _id: sys.exit(3))
    for number in range(2 * office.at_once + 1):
        office.submit(call(number))
        (result,) = office.results(1)
        assert isinstance(result.error, SystemExit)


def test_a_thread_that_hangs_is_replaced_up_to_a_bound_and_taken_back_when_it_returns(
    open_office: Callable[..., Office], gate: Event
) -> None:
    office = open_office(lambda effect, _id: effect.amount >= 4 or gate.wait(PATIENCE), at_once=2)
    office.submit(call(0), call(1))
    office.submit(call(4))
    assert [result.call for result in office.results(1)] == [call(4)]
    office.submit(call(2), call(3), call(5))
    (refused,) = office.results(1)
    assert refused.call == call(5)
    assert isinstance(refused.error, UnavailableError)
    assert str(refused.error) == "all 4 threads of Charge hang in its performer; set a timeout on its client"
    gate.set()
    assert len(office.results(4)) == 4
    office.submit(call(6))
    assert office.results(1) == [Result(call(6), True)]


def test_a_type_whose_threads_all_hang_holds_up_no_other(open_office: Callable[..., Office], gate: Event) -> None:
    office = open_office(lambda _effect, _id: gate.wait(PATIENCE), at_once=1, mail=lambda _effect, _id: "sent")
    office.submit(call(0), call(1), call(2, Mail()))
    assert [result.outcome for result in office.results(1)] == ["sent"]


def test_closing_waits_for_the_calls_in_flight(open_office: Callable[..., Office], gate: Event) -> None:
    before = threading.enumerate()
    office = open_office(lambda _effect, _id: gate.wait(PATIENCE))
    office.submit(call(0), call(1))
    threads = [thread for thread in threading.enumerate() if thread not in before]
    threading.Timer(0.05, gate.set).start()
    assert office.performer.close(PATIENCE) == 0
    assert len(office.performer.results()) == 2
    assert [thread for thread in threads if thread.is_alive()] == []


def test_closing_waits_no_longer_than_it_may_and_says_what_it_left(
    open_office: Callable[..., Office], gate: Event
) -> None:
    office = open_office(lambda effect, _id: effect.amount or gate.wait(PATIENCE))
    office.submit(call(0), call(1), call(0))
    office.results(1)
    began = monotonic()
    assert office.performer.close(0.1) == 2
    assert monotonic() - began < PATIENCE / 2


def test_a_call_that_hangs_does_not_keep_the_process_from_ending() -> None:
    script = """
from threading import Event
from streams.effects import Call
from streams.kafka.performer import Performer
called = Event()
def hang(effect, effect_id):
    called.set()
    Event().wait()
performer = Performer({int: hang}, {})
performer.submit(Call("key", "id", 1, 1, 0))
assert called.wait(10)
assert performer.close(0.01) == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


def test_in_a_replay_nothing_is_called(open_office: Callable[..., Office]) -> None:
    called: list[str] = []
    before = threading.active_count()
    office = open_office(lambda _effect, effect_id: called.append(effect_id), enabled=False)
    office.submit(call(0))
    assert (threading.active_count(), office.performer.close(PATIENCE), called) == (before, 0, [])
    assert office.performer.results() == []


def test_with_the_outside_every_effect_is_answered_though_the_first_calls_hang_and_some_fail(gate: Event) -> None:
    """As the data thread does it: the first two tries hang, one in four later ones finds the gateway away."""
    lock, tries, charged = threading.Lock(), [0], list[str]()

    def perform(_effect: Charge, effect_id: str) -> str:
        with lock:
            tries[0] += 1
            mine = tries[0]
        if mine <= 2:
            gate.wait(PATIENCE)
        if mine % 4 == 3:
            raise UnavailableError("away")
        charged.append(effect_id)
        return effect_id

    policies: dict[type, Policy] = {
        Charge: Policy(deadline=200, first_pause=5, longest_pause=20, at_once=2, breaker_failures=2, breaker_pause=50)
    }
    came = Event()
    outside, performer = Outside(policies), Telling({Charge: perform}, came.set, policies=policies)
    until, began = monotonic() + PATIENCE, monotonic()
    for number in range(40):
        outside.ask(f"key-{number}", f"charge-{number}", Charge(number), 0)
    answers: list[str] = []
    opened = False
    while (upcoming := outside.next_at()) is not None:
        assert monotonic() < until
        came.wait(max(0.0, began + upcoming / 1000 - monotonic()))
        came.clear()
        now = int((monotonic() - began) * 1000)
        for result in performer.results():
            if result.error is not None:
                outside.failed(result.call, now, result.error)
            elif outside.answered(result.call):
                answers.append(result.outcome)
        for started in outside.start(now):
            performer.submit(started)
        opened |= outside.loads()[Charge].circuit is not Circuit.CLOSED
    assert sorted(answers) == sorted(f"charge-{number}" for number in range(40))
    assert sorted(answers) == sorted(charged)
    assert performer.close(0.0) == 2
    assert opened
    assert outside.loads()[Charge].overdue == 2
