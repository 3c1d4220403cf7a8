"""Calls to the outside, in the twin: made once the state is safe, under one id, until their outcome is absorbed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.message import Meta
from schemas.payments import AuthorizePayment, PaymentFailureReason, PaymentVoided, VoidPayment
from schemas.topics import PARTITIONS
from streams.decision import Decision
from streams.effects import Policy, UnavailableError
from streams.memory.task import Boundary, Slowly
from streams.memory.twin import Crash, Twin, by_chance, never
from streams.service import Service, ServiceError
from tests.contract.payments import Charge, Payment, Refused, decide, payments
from tests.contract.test_twin import START, Once, id_of


@dataclass
class Gateway:
    """A ledger by idempotency key. Refuses odd amounts; is away at first as often as it is told, or slow."""

    away: int = 0
    slow: Mapping[int, int] = field(default_factory=dict)  #: by the number of the call, from 1: millis until it answers
    ledger: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def charge(self, charge: Charge, effect_id: str) -> Refused | Slowly | None:
        self.asked.append(effect_id)
        if len(self.asked) <= self.away:
            raise UnavailableError("the gateway is away")
        if charge.amount % 2:
            return Refused(PaymentFailureReason.CARD_DECLINED)
        self.ledger[effect_id] = charge.amount
        return Slowly(self.slow[len(self.asked)], None) if len(self.asked) in self.slow else None


def started(
    gateway: Gateway, amounts: range, *, seed: int = 0, crash: Crash = never, policy: Policy | None = None
) -> Twin:
    """With a policy of its own, on one partition: there its limits hold."""
    twin = Twin(
        [payments],
        seed=seed,
        partitions=1 if policy else PARTITIONS,
        crash=crash,
        perform={Charge: gateway.charge},
        policies={Charge: policy or Policy()},
    )
    twin.advance(START)
    for amount in amounts:
        command = AuthorizePayment(paymentId=id_of(amount), cartId=id_of(amount), amount=amount, currency="EUR")
        twin.publish(command.model_copy(update={"meta": Meta(messageId=f"authorize-{amount}")}))
    return twin


def test_an_effect_is_performed_and_its_outcome_decided() -> None:
    gateway = Gateway()
    twin = started(gateway, range(10, 14))
    twin.run()
    assert sorted(gateway.ledger.values()) == [10, 12]
    assert {key: payment.answers for key, payment in twin.states(payments).items()} == {
        id_of(amount): 1 for amount in range(10, 14)
    }
    assert {message.record_key for message in twin.messages(topics.PAYMENTS_EVENTS)} == {id_of(11), id_of(13)}


@pytest.mark.parametrize("boundary", Boundary)
def test_a_crash_at_any_boundary_asks_under_the_same_id_again(boundary: Boundary) -> None:
    gateway, crash = Gateway(), Once("payments", boundary)
    twin = started(gateway, range(10, 14), crash=crash)
    twin.run()
    assert crash.happened
    assert sorted(gateway.ledger.values()) == [10, 12]
    assert all(payment.answers == 1 for payment in twin.states(payments).values())


@given(seed=st.integers(0, 2**32), one_in=st.integers(6, 60), away=st.integers(0, 20))
def test_whatever_crashes_and_whoever_is_away_each_amount_is_charged_once(seed: int, one_in: int, away: int) -> None:
    gateway = Gateway(away=away)
    twin = started(gateway, range(10, 30), seed=seed, crash=by_chance(seed, one_in))
    twin.run()
    assert sorted(gateway.ledger.values()) == list(range(10, 30, 2))
    assert len(set(gateway.asked)) == 20
    assert [payment.answers for payment in twin.states(payments).values()] == [1] * 20


@given(seed=st.integers(0, 2**32))
def test_where_all_goes_well_each_effect_is_called_once_whatever_else_its_key_hears(seed: int) -> None:
    gateway = Gateway()
    twin = started(gateway, range(0), seed=seed)
    for amount in range(10, 50, 2):
        twin.publish(AuthorizePayment(paymentId=id_of(1), cartId=id_of(1), amount=amount, currency="EUR"))
    twin.run()
    assert len(gateway.asked) == len(set(gateway.asked)) == 20


def test_a_performer_that_is_away_is_asked_later_and_later() -> None:
    gateway = Gateway(away=3)
    twin = started(gateway, range(10, 11))
    twin.run(until=START)
    assert len(gateway.asked) == 1
    twin.run()
    assert len(gateway.asked) == 4
    assert len(set(gateway.asked)) == 1
    assert twin.now == START + sum(Policy().pause(gateway.asked[0], attempt) for attempt in (1, 2, 3))


def test_keys_whose_performer_was_away_come_back_one_by_one() -> None:
    gateway = Gateway(away=8)
    twin = started(gateway, range(10, 26, 2), policy=Policy(breaker_failures=1_000))
    moments = [twin.now]
    while len(gateway.ledger) < 8:
        moments.append(twin.now + 1)
        twin.run(until=moments[-1])
    pauses = {Policy().pause(effect_id, 1) for effect_id in gateway.asked}
    assert len(pauses) > 4
    assert moments[-1] == START + max(pauses)


def test_a_call_past_its_deadline_is_made_again_under_the_same_id_and_the_first_answer_counts() -> None:
    gateway = Gateway(slow={1: 50_000, 2: 40_000})
    twin = started(gateway, range(10, 11), policy=Policy(deadline=30_000))
    twin.run(until=START + 40_000)
    assert gateway.asked == [gateway.asked[0]] * 2
    assert twin.states(payments) == {id_of(10): Payment(10)}
    twin.run(until=START + 50_000)
    assert twin.states(payments) == {id_of(10): Payment(10, answers=1)}
    twin.run()
    assert twin.states(payments) == {id_of(10): Payment(10, answers=1)}
    assert gateway.ledger == {gateway.asked[0]: 10}
    assert twin.published == len(["command", "outcome"])


def test_an_answer_that_comes_on_the_deadline_is_in_time() -> None:
    gateway = Gateway(slow={1: 30_000})
    twin = started(gateway, range(10, 11), policy=Policy(deadline=30_000))
    twin.run()
    assert (len(gateway.asked), twin.now) == (1, START + 30_000)


def test_no_more_calls_are_in_flight_than_its_policy_allows() -> None:
    gateway = Gateway(slow=dict.fromkeys(range(1, 10), 50))
    twin = started(gateway, range(10, 26, 2), policy=Policy(at_once=3))
    for called, answered in ((3, 0), (6, 3), (8, 6), (8, 8)):
        twin.run(until=twin.now)
        assert len(gateway.asked) == called
        assert sum(payment.answers for payment in twin.states(payments).values()) == answered
        twin.advance(50)


def test_an_outside_that_is_away_is_left_alone_until_one_call_finds_it_well() -> None:
    gateway = Gateway(away=4)
    twin = started(gateway, range(10, 30, 2), policy=Policy(at_once=1, breaker_failures=3, breaker_pause=5_000))
    twin.run(until=START + 4_999)
    assert len(gateway.asked) == 3
    twin.run(until=START + 9_999)
    assert (len(gateway.asked), gateway.ledger) == (4, {})
    twin.run()
    assert sorted(gateway.ledger.values()) == list(range(10, 30, 2))
    assert twin.now == START + 10_000
    assert len(gateway.asked) == 4 + 10


def test_a_performer_that_never_comes_back_holds_up_no_other_key() -> None:
    gateway = Gateway(away=1_000_000)
    twin = started(gateway, range(10, 12))
    twin.publish(VoidPayment(paymentId=id_of(11), orderId=id_of(11)))
    twin.run(until=START + 60_000)
    assert set(twin.states(payments)) == {id_of(10)}
    assert [type(message) for message in twin.messages(topics.PAYMENTS_EVENTS)] == [PaymentVoided]


def test_an_effect_of_a_key_that_was_forgotten_is_given_up() -> None:
    gateway = Gateway(away=1)
    twin = started(gateway, range(10, 11))
    twin.run(until=START)
    twin.publish(VoidPayment(paymentId=id_of(10), orderId=id_of(10)))
    twin.run()
    assert (len(gateway.asked), gateway.ledger) == (1, {})


def test_a_bug_of_a_performer_ends_the_run_of_the_twin() -> None:
    twin = Twin([payments], perform={Charge: lambda _effect, _id: 1 // 0})
    twin.publish(AuthorizePayment(paymentId=id_of(1), cartId=id_of(1), amount=1, currency="EUR"))
    with pytest.raises(ZeroDivisionError):
        twin.run()


def test_effects_without_a_performer_are_refused_before_anything_runs() -> None:
    with pytest.raises(ServiceError, match="service payments: nobody performs Charge"):
        Twin([payments])


def test_effects_without_a_decider_for_their_outcome_are_refused() -> None:
    def deaf(state: Payment | None, message: AuthorizePayment, at: int) -> Decision[Payment]:
        return Decision(state)

    with pytest.raises(ServiceError, match=r"its decider takes no Performed\[\.\.\.\]"):
        Service(name="payments", state=Payment, decide=deaf, effects=(Charge,))


def test_an_effect_that_was_not_declared_is_a_dead_letter() -> None:
    twin = Twin([Service(name="payments", state=Payment, decide=decide, sends=payments.sends)])
    twin.publish(AuthorizePayment(paymentId=id_of(1), cartId=id_of(1), amount=1, currency="EUR"))
    twin.run()
    (letter,) = twin.dead_letters
    assert letter.refusal.cause == "TypeError: payments asks for Charge, which its declaration does not list"
