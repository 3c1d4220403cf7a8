from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from agents.payments.gateway import (
    Authorize,
    Authorized,
    Capture,
    Captured,
    CaptureRefused,
    Declined,
    Refund,
    Refunded,
    Void,
    Voided,
)
from ops.gateway.behaviour import BEHAVIOURS, CALM, ROUGH, Behaviour
from ops.gateway.hosting import POLICY
from ops.gateway.ledger import Ledger
from ops.gateway.simulated import SimulatedGateway, slept
from schemas.payments import PaymentFailureReason
from streams.effects import UnavailableError
from streams.memory.task import Slowly

AUTHORIZE = Authorize("payment", "customer", 995, "EUR")


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with closing(Ledger()) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gateway(ledger: Ledger, behaviour: Behaviour, clock: Clock) -> SimulatedGateway:
    return SimulatedGateway(ledger, behaviour, answer=Slowly, clock=clock)


def test_a_calm_gateway_does_what_it_is_asked(ledger: Ledger) -> None:
    calm = SimulatedGateway(ledger, CALM)
    authorized = calm.perform(AUTHORIZE, "1")
    assert isinstance(authorized, Authorized)
    name = authorized.authorization_id
    assert calm.perform(Capture("payment", name, 995, "EUR"), "2") == Captured(995)
    assert calm.perform(Refund("payment", name, "refund", 995, "EUR"), "3") == Refunded(995)
    assert calm.perform(Void("payment", name, 995, "EUR"), "4") == Voided(name)
    assert [type(line.outcome) for line in ledger.movements()] == [Authorized, Captured, Refunded, Voided]


def test_a_call_that_is_made_again_is_answered_as_before_whatever_it_says_now(ledger: Ledger) -> None:
    first = SimulatedGateway(ledger, CALM).perform(AUTHORIZE, "1")
    strict = Behaviour(declined={PaymentFailureReason.CARD_DECLINED: 1.0})
    assert SimulatedGateway(ledger, strict).perform(AUTHORIZE, "1") == first
    assert isinstance(SimulatedGateway(ledger, strict).perform(AUTHORIZE, "2"), Declined)


def test_an_answer_that_is_lost_was_not_for_nothing(ledger: Ledger, clock: Clock) -> None:
    broken = gateway(ledger, Behaviour(lost_answers=1.0), clock)
    with pytest.raises(UnavailableError, match="broke off"):
        broken.perform(AUTHORIZE, "1")
    (line,) = ledger.movements()
    assert broken.perform(AUTHORIZE, "1") == Slowly(0, line.outcome)
    assert ledger.movements() == [line]


def test_an_answer_that_is_late_is_told_at_once_to_who_asks_again(ledger: Ledger, clock: Clock) -> None:
    slow = gateway(ledger, Behaviour(late_answers=1.0, late=5_000), clock)
    late = slow.perform(AUTHORIZE, "1")
    assert late == Slowly(5_000, late.outcome)
    assert slow.perform(AUTHORIZE, "1") == Slowly(0, late.outcome)


def test_in_an_outage_nothing_is_done(ledger: Ledger, clock: Clock) -> None:
    away = gateway(ledger, Behaviour(outage=10, outage_every=100), clock)
    for now in (200, 209):
        clock.now = now
        with pytest.raises(UnavailableError, match="away"):
            away.perform(AUTHORIZE, "1")
    assert ledger.movements() == []
    clock.now = 210
    away.perform(AUTHORIZE, "1")
    assert len(ledger.movements()) == 1


def test_shares_are_kept_and_the_same_payment_meets_the_same_fate() -> None:
    behaviour = Behaviour(
        seed=7,
        declined={PaymentFailureReason.CARD_DECLINED: 0.2, PaymentFailureReason.INSUFFICIENT_FUNDS: 0.1},
        refused=0.05,
        lost_answers=0.3,
        latency=(20, 29),
    )
    names = [f"payment-{number}" for number in range(10_000)]
    objections = Counter(map(behaviour.objection, names))
    assert 1_800 < objections[PaymentFailureReason.CARD_DECLINED] < 2_200
    assert 850 < objections[PaymentFailureReason.INSUFFICIENT_FUNDS] < 1_150
    assert 400 < sum(map(behaviour.refuses, names)) < 600
    assert 2_700 < sum(map(behaviour.loses_answer, names)) < 3_300
    assert Counter(map(behaviour.answers_after, names)).keys() == set(range(20, 30))
    assert Counter(map(behaviour.objection, names)) == objections
    other = Behaviour(seed=8, declined=behaviour.declined)
    assert list(map(other.objection, names)) != list(map(behaviour.objection, names))


def test_a_refused_capture_leaves_the_money_held(ledger: Ledger, clock: Clock) -> None:
    strict = gateway(ledger, Behaviour(refused=1.0), clock)
    capture = strict.perform(Capture("payment", "authorization", 995, "EUR"), "1")
    assert capture.outcome == CaptureRefused(PaymentFailureReason.PROCESSING_ERROR)


def test_in_a_worker_an_answer_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("ops.gateway.simulated.time.sleep", waited.append)
    assert slept(250, Captured(1)) == Captured(1)
    assert slept(0, Captured(2)) == Captured(2)
    assert waited == [0.25]


def test_the_late_answers_of_a_rough_gateway_are_past_the_deadline() -> None:
    assert ROUGH.late > POLICY.deadline > max(ROUGH.latency)
    assert BEHAVIOURS == {"calm": CALM, "rough": ROUGH}
