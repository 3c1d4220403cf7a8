"""Whom to call and when, on a clock that the test owns."""

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.effects import Call, Circuit, Outside, Policy, PolicyError, UnavailableError

AWAY = UnavailableError("away")


@dataclass(frozen=True)
class Charge:
    amount: int = 0


@dataclass(frozen=True)
class Mail:
    to: int = 0


def asked(count: int, **policy: int) -> Outside:
    outside = Outside({Charge: Policy(**policy)})
    for number in range(count):
        outside.ask(f"key-{number}", f"charge-{number}", Charge(number), 0)
    return outside


def only(outside: Outside, now: int) -> Call:
    (call,) = outside.start(now)
    return call


def ids(calls: list[Call]) -> list[str]:
    return [call.effect_id for call in calls]


def circuit(outside: Outside) -> Circuit:
    return outside.loads()[Charge].circuit


def test_a_call_says_what_to_do_for_whom_and_until_when() -> None:
    outside = asked(1, deadline=70)
    assert outside.start(5) == [Call("key-0", "charge-0", Charge(0), attempt=1, deadline=75)]
    assert outside.start(6) == []


def test_an_effect_is_asked_for_once_however_often_it_is_said() -> None:
    outside = asked(2)
    outside.ask("key-0", "charge-0", Charge(0), 0)
    calls = outside.start(0)
    outside.ask("key-0", "charge-0", Charge(0), 0)
    assert ids(calls + outside.start(0)) == ["charge-0", "charge-1"]


def test_no_more_are_in_flight_than_may_be_and_the_rest_goes_in_the_order_of_asking() -> None:
    outside = asked(5, at_once=2)
    first, second = outside.start(0)
    assert outside.start(0) == []
    assert outside.answered(second)
    outside.failed(first, 0, AWAY)
    assert ids(outside.start(0)) == ["charge-2", "charge-3"]


def test_a_full_type_holds_up_no_other() -> None:
    outside = asked(2, at_once=1)
    outside.ask("key", "mail", Mail(), 0)
    assert ids(outside.start(0)) == ["charge-0", "mail"]


def test_the_answer_of_one_call_counts_once() -> None:
    outside = asked(1)
    call = only(outside, 0)
    assert outside.answered(call)
    assert not outside.answered(call)
    assert (outside.start(100_000), outside.next_at()) == ([], None)


def test_a_failed_call_is_made_again_after_its_pause_and_not_before() -> None:
    outside, policy = asked(1), Policy()
    outside.failed(only(outside, 0), 7, AWAY)
    again = 7 + policy.pause("charge-0", 1)
    assert outside.next_at() == again
    assert outside.start(again - 1) == []
    assert only(outside, again).attempt == 2
    assert outside.loads()[Charge].retries == 1


def test_who_fell_due_first_goes_first_so_that_one_that_always_fails_holds_up_nobody() -> None:
    outside = asked(2, at_once=1)
    outside.failed(only(outside, 0), 0, AWAY)
    assert ids(outside.start(100_000)) == ["charge-1"]


def test_those_who_stay_keep_their_order_when_most_are_given_up() -> None:
    outside, policy = asked(1_000, at_once=1_000, breaker_failures=2_000), Policy()
    for call in outside.start(0):
        outside.failed(call, 0, AWAY)
    for number in range(600):
        outside.give_up(f"charge-{number}")
    pauses = [policy.pause(call.effect_id, 1) for call in outside.start(100_000)]
    assert len(pauses) == 400
    assert pauses == sorted(pauses)


@given(effect_id=st.text(), attempt=st.integers(1, 100_000), first=st.integers(1, 1_000), most=st.integers(1, 100_000))
def test_a_pause_is_never_longer_than_the_doubling_allows(effect_id: str, attempt: int, first: int, most: int) -> None:
    policy = Policy(first_pause=first, longest_pause=most)
    assert 0 <= policy.pause(effect_id, attempt) <= min(first * 2 ** (attempt - 1), most)


def test_pauses_are_spread_over_all_that_is_allowed_but_the_same_for_the_same_attempt() -> None:
    pauses = [Policy().pause(f"charge-{number}", 4) for number in range(1_000)]
    assert pauses == [Policy().pause(f"charge-{number}", 4) for number in range(1_000)]
    for quarter in range(4):
        assert 200 < sum(quarter * 200 <= pause < (quarter + 1) * 200 for pause in pauses) < 300
    assert {Policy(first_pause=1).pause(f"charge-{number}", 1) for number in range(100)} == {0, 1}


def test_a_call_past_its_deadline_frees_its_place_and_is_made_again_under_the_same_id() -> None:
    outside = asked(2, deadline=70, at_once=1)
    slow = only(outside, 0)
    assert outside.next_at() == 70
    assert outside.start(69) == []
    other = only(outside, 70)
    assert other.effect_id == "charge-1"
    assert outside.answered(other)
    again = only(outside, 1_000)
    assert (again.effect_id, again.attempt) == (slow.effect_id, 2)
    load = outside.loads()[Charge]
    assert (load.overdue, load.error) == (1, "UnavailableError: no answer within 70 ms")


def test_a_late_answer_counts_if_it_is_the_first() -> None:
    outside = asked(1, deadline=70)
    late = only(outside, 0)
    outside.start(70)
    assert outside.answered(late)
    assert (outside.start(100_000), outside.next_at()) == ([], None)


def test_of_two_attempts_the_second_answer_is_nobodys() -> None:
    outside = asked(1, deadline=70)
    late = only(outside, 0)
    outside.start(70)
    again = only(outside, 1_000)
    assert outside.answered(late)
    assert outside.loads()[Charge].in_flight == 1
    assert not outside.answered(again)
    assert (outside.loads()[Charge].in_flight, outside.next_at()) == (0, None)


def test_the_late_error_of_a_call_past_its_deadline_is_not_held_against_the_next_one() -> None:
    outside = asked(1, deadline=70)
    late = only(outside, 0)
    outside.start(70)
    again = only(outside, 1_000)
    outside.failed(late, 1_001, AWAY)
    assert outside.loads()[Charge].in_flight == 1
    assert outside.answered(again)


def test_an_effect_that_was_given_up_is_never_called() -> None:
    outside = asked(2)
    outside.give_up("charge-0")
    assert ids(outside.start(0)) == ["charge-1"]


def test_the_outcome_of_an_effect_that_was_given_up_in_flight_is_nobodys() -> None:
    outside = asked(1)
    call = only(outside, 0)
    outside.give_up("charge-0")
    assert not outside.answered(call)


def test_an_effect_that_was_given_up_in_flight_keeps_its_place_until_it_lands_and_is_not_called_again() -> None:
    outside = asked(2, at_once=1)
    call = only(outside, 0)
    outside.give_up("charge-0")
    assert outside.start(0) == []
    outside.failed(call, 0, AWAY)
    assert ids(outside.start(100_000)) == ["charge-1"]


def test_an_effect_that_is_asked_for_again_in_flight_is_not_called_twice_at_once() -> None:
    outside = asked(1)
    call = only(outside, 0)
    outside.give_up("charge-0")
    outside.ask("key-0", "charge-0", Charge(0), 0)
    assert outside.start(0) == []
    assert outside.answered(call)


def test_after_some_failures_in_a_row_nobody_is_called_for_a_while_and_then_one_tries_for_all() -> None:
    outside = asked(10, at_once=4, breaker_failures=3, breaker_pause=500, longest_pause=1)
    for number, call in enumerate(outside.start(0)[:3]):
        assert circuit(outside) is Circuit.CLOSED
        outside.failed(call, number, AWAY)
    assert (circuit(outside), outside.start(501), outside.next_at()) == (Circuit.OPEN, [], 502)
    trial = only(outside, 502)
    assert (circuit(outside), outside.start(600)) == (Circuit.HALF_OPEN, [])
    assert outside.answered(trial)
    assert (circuit(outside), len(outside.start(600))) == (Circuit.CLOSED, 3)


def test_a_trial_that_fails_holds_all_back_for_as_long_again_and_another_one_is_next() -> None:
    outside = asked(3, at_once=1, breaker_failures=1, breaker_pause=500)
    outside.failed(only(outside, 0), 0, AWAY)
    trial = only(outside, 500)
    outside.failed(trial, 510, AWAY)
    assert (outside.start(1_009), outside.next_at()) == ([], 1_010)
    assert only(outside, 1_010).effect_id != trial.effect_id


def test_a_trial_past_its_deadline_has_failed() -> None:
    outside = asked(2, at_once=1, breaker_failures=1, breaker_pause=500, deadline=70)
    outside.failed(only(outside, 0), 0, AWAY)
    only(outside, 500)
    assert (outside.start(570), circuit(outside), outside.next_at()) == ([], Circuit.OPEN, 1_070)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    outside = asked(5, breaker_failures=3)
    first, second, third, fourth, fifth = outside.start(0)
    for failing in (first, second):
        outside.failed(failing, 0, AWAY)
    outside.answered(third)
    for failing in (fourth, fifth):
        outside.failed(failing, 0, AWAY)
    assert circuit(outside) is Circuit.CLOSED


def test_what_was_in_flight_when_the_circuit_opened_holds_it_open_no_longer_but_closes_it_by_an_answer() -> None:
    outside = asked(4, breaker_failures=2, breaker_pause=500)
    first, second, third, fourth = outside.start(0)
    for at, failing in ((0, first), (0, second), (100, third)):
        outside.failed(failing, at, AWAY)
    assert outside.next_at() == 500
    outside.answered(fourth)
    assert circuit(outside) is Circuit.CLOSED


def test_a_trial_that_was_overtaken_by_an_answer_is_a_call_like_any_other() -> None:
    outside = asked(4, at_once=3, breaker_failures=2, breaker_pause=500)
    first, second, third = outside.start(0)
    for failing in (first, second):
        outside.failed(failing, 0, AWAY)
    trial = only(outside, 500)
    outside.answered(third)
    outside.failed(trial, 500, AWAY)
    assert circuit(outside) is Circuit.CLOSED


def test_a_late_answer_says_nothing_about_the_circuit() -> None:
    outside = asked(1, deadline=70, breaker_failures=1)
    late = only(outside, 0)
    outside.start(70)
    assert outside.answered(late)
    assert circuit(outside) is Circuit.OPEN


def test_an_open_circuit_holds_up_no_other_type() -> None:
    outside = asked(2, at_once=1, breaker_failures=1)
    outside.failed(only(outside, 0), 0, AWAY)
    outside.ask("key", "mail", Mail(), 0)
    assert ids(outside.start(0)) == ["mail"]


def test_a_failure_that_no_performer_foresaw_is_tried_again_too_but_counted_apart() -> None:
    outside = asked(2)
    first, second = outside.start(0)
    outside.failed(first, 0, AWAY)
    assert outside.loads()[Charge].faults == 0
    outside.failed(second, 0, ZeroDivisionError("division by zero"))
    load = outside.loads()[Charge]
    assert (load.waiting, load.faults, load.error) == (2, 1, "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("setting", ["deadline", "first_pause", "longest_pause", "at_once", "breaker_failures"])
def test_a_policy_that_would_call_nobody_is_refused(setting: str) -> None:
    with pytest.raises(PolicyError, match=f"{setting}=0"):
        Policy(**{setting: 0})


def test_effects_that_come_and_go_behind_an_open_circuit_leave_nothing_behind() -> None:
    outside = asked(1, at_once=1, breaker_failures=1, breaker_pause=10**9)
    outside.failed(only(outside, 0), 0, AWAY)

    def come_and_go() -> None:
        for number in range(10_000):
            outside.ask("key", f"passing-{number}", Charge(number), number)
            outside.give_up(f"passing-{number}")
            assert outside.start(number) == []

    come_and_go()
    tracemalloc.start()
    come_and_go()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # What other threads of the test run keep meanwhile is no tenth of one word for each.
    assert kept < 100_000


def lines_run(run: Callable[[], object]) -> int:
    """Lines of Python: a measure of work that is the same on any machine."""
    count = 0

    def watch(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


def test_the_work_of_a_start_depends_on_what_is_started_not_on_what_waits() -> None:
    few, many = asked(10, at_once=2), asked(100_000, at_once=2)
    assert lines_run(lambda: few.start(0)) == lines_run(lambda: many.start(0))
    assert lines_run(lambda: few.give_up("charge-7")) == lines_run(lambda: many.give_up("charge-70000"))
    assert lines_run(lambda: few.start(0)) == lines_run(lambda: many.start(0))
    assert lines_run(few.next_at) == lines_run(many.next_at)


POLICIES: dict[type, Policy] = {
    Charge: Policy(deadline=60, first_pause=10, longest_pause=40, at_once=3, breaker_failures=2, breaker_pause=100),
    Mail: Policy(deadline=25, first_pause=5, longest_pause=200, at_once=1, breaker_failures=4, breaker_pause=30),
}


@dataclass
class Naive:
    """The same rules for one type, by looking at everything every time."""

    policy: Policy
    #: By id: when it is due, when it was queued (a running number), how often it was called.
    waiting: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    flying: list[Call] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)
    failures: int = 0
    opened_at: int | None = None
    trial: Call | None = None
    queued: int = 0

    def queue(self, effect_id: str, due: int, attempts: int) -> None:
        self.queued += 1
        self.waiting[effect_id] = (due, self.queued, attempts)

    def knows(self, effect_id: str) -> bool:
        return effect_id in self.waiting or any(call.effect_id == effect_id for call in self.flying)

    def ask(self, effect_id: str, now: int) -> None:
        self.given_up.discard(effect_id)
        if not self.knows(effect_id):
            self.queue(effect_id, now, 0)

    def give_up(self, effect_id: str) -> None:
        self.waiting.pop(effect_id, None)
        if self.knows(effect_id):
            self.given_up.add(effect_id)

    def land(self, call: Call) -> bool:
        before = len(self.flying)
        self.flying = [other for other in self.flying if other is not call]
        return len(self.flying) < before

    def failed(self, call: Call, now: int) -> None:
        if not self.land(call):
            return
        self.failures += 1
        if call is self.trial or (self.opened_at is None and self.failures >= self.policy.breaker_failures):
            self.opened_at, self.trial = now, None
        if call.effect_id not in self.given_up:
            self.queue(call.effect_id, now + self.policy.pause(call.effect_id, call.attempt), call.attempt)
        self.given_up.discard(call.effect_id)

    def answered(self, call: Call) -> bool:
        counts = self.knows(call.effect_id) and call.effect_id not in self.given_up
        if self.land(call):
            self.failures, self.opened_at, self.trial = 0, None, None
            self.given_up.discard(call.effect_id)
        self.give_up(call.effect_id)
        return counts

    def overdue(self, now: int) -> list[Call]:
        return [call for call in self.flying if call.deadline <= now]

    def startable(self, now: int) -> list[tuple[str, int]]:
        free = self.policy.at_once - len(self.flying)
        if self.opened_at is not None:
            free = min(free, int(self.trial is None and now >= self.opened_at + self.policy.breaker_pause))
        due = sorted((place, effect_id) for effect_id, place in self.waiting.items() if place[0] <= now)
        return [(effect_id, attempts + 1) for (_, _, attempts), effect_id in due[:free]]

    def started(self, call: Call) -> None:
        del self.waiting[call.effect_id]
        self.flying.append(call)
        if self.opened_at is not None:
            self.trial = call

    @property
    def circuit(self) -> Circuit:
        if self.opened_at is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self.trial else Circuit.OPEN


class OutsideMachine(RuleBasedStateMachine):
    """Anything in any order; the model says what must come of it."""

    kinds = st.sampled_from((Charge, Mail))
    numbers = st.integers(0, 7)

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.outside = Outside(POLICIES)
        self.models = {kind: Naive(policy) for kind, policy in POLICIES.items()}
        self.calls: list[Call] = []
        self.open: set[str] = set()

    def model(self, call: Call) -> Naive:
        return self.models[type(call.effect)]

    @rule(kind=kinds, number=numbers)
    def ask(self, kind: type, number: int) -> None:
        effect_id = f"{kind.__name__}-{number}"
        self.outside.ask(f"key-{number}", effect_id, kind(number), self.now)
        self.models[kind].ask(effect_id, self.now)
        self.open.add(effect_id)

    @rule(kind=kinds, number=numbers)
    def give_up(self, kind: type, number: int) -> None:
        effect_id = f"{kind.__name__}-{number}"
        self.outside.give_up(effect_id)
        self.models[kind].give_up(effect_id)
        self.open.discard(effect_id)

    @rule(millis=st.integers(1, 120))
    def let_time_pass(self, millis: int) -> None:
        self.now += millis

    @rule()
    def start(self) -> None:
        expected = []
        for kind, model in self.models.items():
            for call in model.overdue(self.now):
                model.failed(call, self.now)
            expected += [(kind, *each) for each in model.startable(self.now)]
        calls = self.outside.start(self.now)
        assert sorted((type(call.effect).__name__, call.effect_id, call.attempt) for call in calls) == sorted(
            (kind.__name__, effect_id, attempt) for kind, effect_id, attempt in expected
        )
        for kind in self.models:
            mine = [call.effect_id for call in calls if type(call.effect) is kind]
            assert mine == [effect_id for of, effect_id, _ in expected if of is kind]
        for call in calls:
            assert call.effect_id in self.open
            assert call.deadline == self.now + self.model(call).policy.deadline
            self.model(call).started(call)
        self.calls += calls

    @rule(which=st.integers(0, 1_000))
    def an_answer_comes(self, which: int) -> None:
        if self.calls:
            self.answer(self.calls.pop(which % len(self.calls)))

    @rule(which=st.integers(0, 1_000), error=st.sampled_from((AWAY, ValueError("bug"))))
    def an_error_comes(self, which: int, error: Exception) -> None:
        if self.calls:
            call = self.calls.pop(which % len(self.calls))
            self.outside.failed(call, self.now, error)
            self.model(call).failed(call, self.now)

    @rule()
    def go_on_when_there_is_something_to_do(self) -> None:
        upcoming = self.outside.next_at()
        if upcoming is None:
            return
        if upcoming > self.now:
            before = self.outside.loads()
            assert self.outside.start(upcoming - 1) == []
            assert self.outside.loads() == before
            self.now = upcoming
        before = self.outside.loads()
        self.start()
        assert self.outside.loads() != before

    @invariant()
    def agrees_with_the_model(self) -> None:
        for kind, load in self.outside.loads().items():
            model = self.models[kind]
            assert (load.waiting, load.in_flight) == (len(model.waiting), len(model.flying))
            assert load.in_flight <= model.policy.at_once
            assert load.circuit is model.circuit

    def answer(self, call: Call) -> None:
        counts = self.outside.answered(call)
        assert counts == self.model(call).answered(call)
        assert counts == (call.effect_id in self.open)
        self.open.discard(call.effect_id)

    def teardown(self) -> None:
        """Once the outside is well, all that is still asked for is called and answered, and nothing is left."""
        for _ in range(1_000):
            if (upcoming := self.outside.next_at()) is None:
                break
            self.now = max(self.now, upcoming)
            self.start()
            while self.calls:
                self.answer(self.calls.pop())
        assert not self.open
        assert all((load.waiting, load.in_flight) == (0, 0) for load in self.outside.loads().values())


TestOutsideAgainstItsModel = OutsideMachine.TestCase
