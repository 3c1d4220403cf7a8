"""Whatever is asked of payments, and however the gateway behaves: no money moves twice, and none is left behind."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import permutations
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.payments.gateway import (
    Authorized,
    Captured,
    CaptureRefused,
    Declined,
    Effect,
    Refunded,
    Voided,
)
from agents.payments.service import payments
from agents.payments.state import Status
from ops.gateway.behaviour import CALM, ROUGH, Behaviour
from ops.gateway.hosting import POLICY
from ops.gateway.ledger import Ledger, Movement
from ops.gateway.simulated import SimulatedGateway
from schemas.identity import derived_id
from schemas.message import Message
from schemas.payments import PaymentCaptured, PaymentFailureReason, PaymentVoided, RefundProcessed
from schemas.topics import PAYMENTS_EVENTS
from streams.memory.task import Slowly
from streams.memory.twin import Crash, Twin, by_chance, never
from tests.agents.payments.stories import (
    AMOUNT,
    AUTHORIZE,
    AUTHORIZED,
    CANCELLED,
    CAPTURE,
    CAPTURED,
    COMPLETED,
    DECLINED,
    REFUND,
    REFUNDED,
    REFUSED,
    UNDOS,
    VOID,
    VOIDED,
    a_payment,
    taking,
)
from tests.agents.talk import START

ASKED = st.sampled_from(
    [AUTHORIZE, CAPTURE, taking(AMOUNT - 1), taking(AMOUNT + 1), VOID, REFUND, CANCELLED, COMPLETED]
)
SAID = st.sampled_from([AUTHORIZED, DECLINED, CAPTURED, REFUSED, VOIDED, REFUNDED])
#: Most begin as payments do, or the rest would have nothing to meet.
STORIES = st.builds(
    lambda first, rest: [*first, *rest],
    st.sampled_from([[], [AUTHORIZE], [AUTHORIZE, CAPTURE]]),
    st.lists(ASKED, max_size=8),
)
TAKEN = [AUTHORIZE, AUTHORIZED, CAPTURE, CAPTURED]
TALES = st.builds(lambda steps, rest: [*TAKEN[:steps], *rest], st.integers(0, 4), st.lists(ASKED | SAID, max_size=12))
SHARES = st.sampled_from([0.0, 0.3])
BEHAVIOURS = st.builds(
    Behaviour,
    seed=st.integers(0, 2**32),
    declined=st.sampled_from([{}, {PaymentFailureReason.CARD_DECLINED: 0.2, PaymentFailureReason.EXPIRED_CARD: 0.1}]),
    refused=SHARES,
    lost_answers=SHARES,
    late_answers=SHARES,
    latency=st.sampled_from([(0, 0), (10, 300)]),
    outage=st.sampled_from([0, 15_000]),
)
#: More than the longest pause and the longest outage, over and over.
ENOUGH = 3_600_000

WAITING = {Status.AUTHORIZING, Status.CAPTURING, Status.VOIDING, Status.REFUNDING}
STORY_OF_A_SALE = [AUTHORIZE, CAPTURE]


def payment_of(number: int) -> str:
    return derived_id("payment", number)


def about(payment_id: str, message: Message) -> Message:
    """The same, of another payment."""
    ids: dict[str, Any] = {name: payment_id for name in ("paymentId", "orderId") if name in type(message).model_fields}
    return message.model_copy(update={**ids, "meta": None})


def lived(
    stories: Sequence[Sequence[Message]],
    behaviour: Behaviour,
    *,
    seed: int = 0,
    crash: Crash = never,
    upheaval: Crash = never,
    pause: int = 0,
) -> tuple[Twin, list[Movement]]:
    """All stories at once, message by message with a pause between them."""
    with closing(Ledger()) as ledger:
        gateway = SimulatedGateway(ledger, behaviour, answer=Slowly, clock=lambda: twin.now)
        kinds = get_args(Effect)
        twin = Twin(
            [payments],
            seed=seed,
            partitions=2,
            crash=crash,
            upheaval=upheaval,
            perform=dict.fromkeys(kinds, gateway.perform),
            policies=dict.fromkeys(kinds, POLICY),
        )
        twin.advance(START)
        for turn in range(max(map(len, stories))):
            for number, story in enumerate(stories):
                for message in story[turn : turn + 1]:
                    twin.publish(about(payment_of(number), message))
            if pause:
                twin.run(until=twin.now + pause)
        twin.run(until=twin.now + ENOUGH)
        return twin, ledger.movements()


def told(twin: Twin) -> Mapping[str, set[Message]]:
    """By payment; what was said again under one id, after a crash, is one."""
    by_id: dict[str, Message] = {}
    for message in twin.messages(PAYMENTS_EVENTS):
        assert message.meta
        assert by_id.setdefault(message.meta.messageId, message) == message
    by_payment = defaultdict(set)
    for message in by_id.values():
        by_payment[message.record_key or ""].add(message.model_copy(update={"meta": None}))
    return by_payment


def moved_at_most_once(movements: Iterable[Movement]) -> Counter[type]:
    """Of one payment: how often what was done. A no is a line too, but moves nothing."""
    done = Counter(type(movement.outcome) for movement in movements)
    assert done[Authorized] + done[Declined] <= 1
    assert done[Captured] + done[CaptureRefused] <= done[Authorized]
    assert done[Refunded] <= done[Captured]
    assert done[Voided] + done[Captured] <= done[Authorized]
    return done


def balance(movements: Iterable[Movement]) -> int:
    signs = {Captured: 1, Refunded: -1}
    return sum(signs.get(type(movement.outcome), 0) * movement.amount for movement in movements)


def adds_up(stories: Sequence[Sequence[Message]], twin: Twin, movements: Sequence[Movement]) -> None:
    assert not twin.dead_letters
    assert not {payment.status for payment in twin.states(payments).values()} & WAITING
    answers = told(twin)
    for number, story in enumerate(stories):
        payment_id = payment_of(number)
        moved = [movement for movement in movements if movement.payment_id == payment_id]
        said = answers.get(payment_id, set())
        done = moved_at_most_once(moved)
        taken = sum(message.amount for message in said if isinstance(message, PaymentCaptured))
        returned = sum(message.amount for message in said if isinstance(message, RefundProcessed))
        assert balance(moved) == taken - returned
        if any(type(message) in map(type, UNDOS) for message in story):
            assert balance(moved) == 0
            assert done[Authorized] == done[Voided] + done[Refunded], "nothing is held and nothing is kept"
            assert any(isinstance(message, PaymentVoided | RefundProcessed) for message in said), "it is answered"
        else:
            assert not done[Voided] + done[Refunded]


@given(story=TALES)
def test_whatever_is_asked_and_said_in_any_order_no_call_is_made_twice(story: Sequence[Any]) -> None:
    payment = a_payment().after(*story)
    calls = Counter(map(type, payment.effects))
    assert not calls or max(calls.values()) == 1


@given(story=TALES, asked=ASKED)
def test_asking_twice_changes_nothing_that_asking_once_did_not(story: Sequence[Any], asked: Message) -> None:
    once, twice = a_payment().after(*story, asked), a_payment().after(*story, asked, asked)
    assert (twice.state, twice.effects) == (once.state, once.effects)


@given(
    stories=st.lists(STORIES, min_size=3, max_size=8),
    behaviour=BEHAVIOURS,
    seed=st.integers(0, 2**32),
    one_in=st.integers(15, 60),
    pause=st.sampled_from([0, 50, 5_000]),
)
def test_whatever_becomes_of_the_workers_and_the_gateway_no_money_moves_twice_or_is_left_behind(
    stories: Sequence[Sequence[Message]], behaviour: Behaviour, seed: int, one_in: int, pause: int
) -> None:
    twin, movements = lived(
        stories,
        behaviour,
        seed=seed,
        crash=by_chance(seed, 10 * one_in),
        upheaval=by_chance(seed + 1, one_in),
        pause=pause,
    )
    adds_up(stories, twin, movements)


@pytest.mark.parametrize("undo", UNDOS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_undo_at_any_moment_of_a_sale_brings_all_of_the_money_back(undo: Message, place: int) -> None:
    stories = [[*story[:place], undo, *story[place:]] for story in permutations(STORY_OF_A_SALE)]
    for pause in (0, 100, 10_000):
        twin, movements = lived(stories, Behaviour(latency=(150, 150)), pause=pause)
        adds_up(stories, twin, movements)


def test_a_hundred_sales_at_a_rough_gateway_all_come_to_an_end() -> None:
    stories = [STORY_OF_A_SALE] * 100
    twin, movements = lived(stories, ROUGH, pause=10_000)
    adds_up(stories, twin, movements)
    statuses = Counter(payment.status for payment in twin.states(payments).values())
    assert statuses.total() == 100
    assert statuses[Status.CAPTURED] > 70
    assert statuses[Status.DECLINED] > 0


def test_calm_sales_are_taken_in_full() -> None:
    twin, movements = lived([STORY_OF_A_SALE] * 10, CALM, pause=1)
    adds_up([STORY_OF_A_SALE] * 10, twin, movements)
    assert balance(movements) == 10 * AMOUNT
