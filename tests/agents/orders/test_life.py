"""Whatever is asked of orders, in whatever order and however often: what they tell adds up."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from agents.orders.service import orders
from schemas.identity import derived_id
from schemas.message import Message
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderStatusChanged,
)
from schemas.topics import CHECKOUT_COMMANDS, ORDERS_EVENTS
from streams.memory.twin import Twin, by_chance
from tests.agents.orders.stories import (
    CANCEL,
    CANCEL_FOR_FRAUD,
    CONFIRM,
    CREATE,
    CREATE_PLACED,
    DELIVERED,
    ORDER,
    PLACE,
    PLACE_ELSEWHERE,
    SUM,
    TOTAL,
    an_order,
    costing,
    paid,
)
from tests.agents.talk import START

ASKED = st.sampled_from(
    [
        CREATE,
        CREATE_PLACED,
        costing(TOTAL - 1),
        costing(SUM + 1),
        CONFIRM,
        CANCEL,
        CANCEL_FOR_FRAUD,
        PLACE,
        PLACE_ELSEWHERE,
        paid(1),
        DELIVERED,
    ]
)
STORIES = st.lists(ASKED, max_size=12)
ENOUGH = 3_600_000


def about(order_id: str, message: Message) -> Message:
    """The same, of another order; only the checkout of one from outside has its id for a cart."""
    ids = {"orderId": order_id, "meta": None}
    if isinstance(message, CreateOrder) and message.cartId == ORDER:
        ids["cartId"] = order_id
    return message.model_copy(update=ids)


def told_of_one(answers: Iterable[Message]) -> None:
    """What must hold of all that was ever said of one order."""
    answers = list(answers)
    said = set(answers)
    once = Counter(type(answer) for answer in said)
    for kind in (OrderCreated, OrderConfirmed, OrderCancelled, OrderCompleted):
        assert once[kind] <= 1, "what is said again is the same"
    path = [answer for answer in answers if isinstance(answer, OrderStatusChanged)]
    assert [changed.sequence for changed in path] == list(range(1, len(path) + 1))
    statuses = ["CREATED", *(changed.newStatus for changed in path)]
    assert [changed.previousStatus for changed in path] == statuses[:-1]
    assert not (once[OrderCompleted] and once[OrderCancelled])
    assert once[OrderConfirmed] == statuses.count("CONFIRMED")
    assert once[OrderCompleted] == statuses.count("COMPLETED")


@given(story=STORIES)
def test_all_that_is_told_of_an_order_adds_up(story: Sequence[Message]) -> None:
    order = an_order()
    told_of_one([answer for message in story for answer in order.hear(message)])


@given(story=STORIES, asked=ASKED)
def test_whoever_asks_the_saga_s_questions_is_answered(story: Sequence[Message], asked: Message) -> None:
    order = an_order().after(*story)
    answered = order.hear(asked)
    assert answered or not isinstance(asked, CreateOrder | ConfirmOrder | CancelOrder)


@given(story=STORIES, asked=ASKED)
def test_asking_twice_changes_nothing_that_asking_once_did_not(story: Sequence[Message], asked: Message) -> None:
    once = an_order().after(*story, asked).state
    assert an_order().after(*story, asked, asked).state == once


@given(stories=st.lists(STORIES, min_size=4, max_size=8), seed=st.integers(0, 2**32), one_in=st.integers(15, 60))
def test_whatever_becomes_of_the_workers_it_still_adds_up(
    stories: Sequence[Sequence[Message]], seed: int, one_in: int
) -> None:
    twin = Twin(
        [orders],
        seed=seed,
        partitions=2,
        crash=by_chance(seed, 10 * one_in),
        upheaval=by_chance(seed + 1, one_in),
        compaction=by_chance(seed + 2, 20),
    )
    twin.advance(START)
    for number, story in enumerate(stories):
        for message in story:
            twin.publish(about(derived_id("order", number), message))
    twin.run(until=START + ENOUGH)
    assert not twin.dead_letters
    told: dict[str | None, dict[str, Message]] = defaultdict(dict)
    for topic in (ORDERS_EVENTS, CHECKOUT_COMMANDS):
        for message in twin.messages(topic):
            assert message.meta
            # Said again after a crash under the same id, it is the same.
            known = told[message.record_key].setdefault(message.meta.messageId, message)
            assert known == message
    for answers in told.values():
        in_order = sorted(answers.values(), key=decided)
        told_of_one(answer.model_copy(update={"meta": None}) for answer in in_order)


def decided(answer: Message) -> list[int]:
    """A decision's number, and the place among what it sent."""
    assert answer.meta
    return [int(part) for part in answer.meta.messageId.split("/")[-2:]]
