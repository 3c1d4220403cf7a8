from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.inventory import ReserveInventory, StockLine
from schemas.message import Message, Meta
from schemas.orders import (
    CancellationReason,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    OrderLine,
)
from streams.decision import Decision
from streams.memory.task import Boundary, Grave, Task
from streams.memory.twin import Crash, RestlessError, Twin, by_chance, never
from streams.service import Service
from tests.contract.services import PATIENCE, Order, Pieces, Seen, clerk, orders, reservations, shelves

START = 1_700_000_000_000


def id_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def create(number: int, total: int) -> CreateOrder:
    return CreateOrder(
        orderId=id_of(number),
        cartId=id_of(number),
        customerId=id_of(0),
        items=(OrderLine(productId=id_of(1), quantity=1, unitPrice=total),),
        total=total,
        currency="EUR",
        meta=Meta(messageId=f"create-{number}", traceparent=f"trace-{number}"),
    )


def cancel(number: int) -> CancelOrder:
    return CancelOrder(orderId=id_of(number), reason=CancellationReason.CUSTOMER_REQUESTED)


def started(totals: Iterable[int], *, seed: int = 0, partitions: int = 4, crash: Crash = never) -> Twin:
    twin = Twin([orders, clerk], seed=seed, partitions=partitions, crash=crash)
    publish(twin, totals)
    return twin


def publish(twin: Twin, totals: Iterable[int]) -> None:
    twin.advance(START)
    for number, total in enumerate(totals, start=1):
        twin.publish(create(number, total))


def statuses(twin: Twin) -> dict[str, str]:
    return {key: order.status for key, order in twin.states(orders).items() if isinstance(order, Order)}


def outputs(twin: Twin) -> Counter[Message]:
    """What was said and how often, repeats left out. Two contents under one id are a contradiction."""
    by_id: dict[str, Message] = {}
    for topic in (topics.ORDERS_EVENTS, topics.ORDERS_COMMANDS):
        for message in twin.messages(topic):
            assert message.meta is not None
            assert by_id.setdefault(message.meta.messageId, message) == message
    # The ids follow from the turns of decisions, which a crash may change as long as nobody has heard of them.
    return Counter(message.model_copy(update={"meta": None}) for message in by_id.values())


@dataclass
class Once:
    """The process dies the first time that a service reaches a boundary."""

    service: str
    boundary: Boundary
    happened: bool = False

    def __call__(self, task: Task, boundary: Boundary) -> bool:
        if self.happened or (task.service.name, boundary) != (self.service, self.boundary):
            return False
        self.happened = True
        return True


@pytest.mark.parametrize("partitions", [1, 3])
def test_services_talk_until_every_order_has_its_end(partitions: int) -> None:
    twin = started([100, 101, 102], partitions=partitions)
    twin.run()
    assert statuses(twin) == {id_of(1): "CONFIRMED", id_of(2): "CANCELLED", id_of(3): "CONFIRMED"}
    assert twin.states(clerk)[id_of(1)] == Seen(created=1, confirmed=1)


@pytest.mark.parametrize("service", ["orders", "clerk"])
@pytest.mark.parametrize("boundary", Boundary)
def test_a_crash_at_any_boundary_changes_nothing(service: str, boundary: Boundary) -> None:
    calm = started([100, 101, 102])
    calm.run()
    crash = Once(service, boundary)
    twin = started([100, 101, 102], crash=crash)
    twin.run()
    assert crash.happened
    assert (statuses(twin), twin.states(clerk)) == (statuses(calm), calm.states(clerk))
    assert outputs(twin) == outputs(calm)


@given(seed=st.integers(0, 2**32), one_in=st.integers(6, 60))
def test_many_crashes_in_any_order_change_nothing(seed: int, one_in: int) -> None:
    totals = range(100, 130)
    calm = started(totals)
    calm.run()
    twin = started(totals, seed=seed, crash=by_chance(seed, one_in))
    twin.run()
    assert (statuses(twin), twin.states(clerk)) == (statuses(calm), calm.states(clerk))
    assert outputs(twin) == outputs(calm)


@given(seed=st.integers(0, 2**32), one_in=st.integers(20, 100))
def test_what_keys_tell_other_keys_counts_once_whoever_dies_or_writes_late(seed: int, one_in: int) -> None:
    twin = Twin(
        [reservations, shelves],
        seed=seed,
        partitions=2,
        crash=by_chance(seed, 4 * one_in),
        upheaval=by_chance(seed + 1, one_in),
        compaction=by_chance(seed + 2, 20),
    )
    twin.advance(START)
    products = [id_of(number) for number in range(5)]
    for number in range(30):
        items = tuple(StockLine(productId=products[(number + each) % 5], quantity=1) for each in range(3))
        twin.publish(ReserveInventory(reservationId=id_of(100 + number % 20), cartId=id_of(1), items=items))
    twin.run()
    assert twin.states(shelves) == dict.fromkeys(products, Pieces(18))


@given(seed=st.integers(0, 2**32), one_in=st.integers(8, 60))
def test_owners_that_lose_their_partition_and_write_late_change_nothing(seed: int, one_in: int) -> None:
    totals = range(100, 130)
    calm = started(totals)
    calm.run()
    twin = Twin(
        [orders, clerk],
        seed=seed,
        partitions=2,
        crash=by_chance(seed, 10 * one_in),
        upheaval=by_chance(seed + 1, one_in),
        compaction=by_chance(seed + 2, 20),
    )
    publish(twin, totals)
    twin.run()
    assert (statuses(twin), twin.states(clerk)) == (statuses(calm), calm.states(clerk))
    assert outputs(twin) == outputs(calm)


def test_a_late_tombstone_of_a_key_that_came_back_does_not_bury_it() -> None:
    twin = started([100], partitions=1)
    twin.run()
    before = statuses(twin)
    for task in twin._tasks:  # noqa: SLF001 - what a ghost writes, at the worst of all moments
        task._changelog.append(Grave(id_of(1)))  # noqa: SLF001
        task.crash()
    twin.run()
    for task in twin._tasks:  # noqa: SLF001
        task.compact()
        task.crash()
    twin.run()
    assert statuses(twin) == before == {id_of(1): "CONFIRMED"}


@given(seed=st.integers(0, 2**32))
def test_a_cancel_that_races_never_contradicts_itself(seed: int) -> None:
    twin = started(range(100, 110), seed=seed, crash=by_chance(seed, 10))
    for number in range(1, 11):
        twin.publish(cancel(number))
    twin.run()
    ends = defaultdict(set)
    for message in twin.messages(topics.ORDERS_EVENTS):
        ends[message.record_key].add(type(message).__name__)
    for key, status in statuses(twin).items():
        assert ends[key] == {"OrderCreated", {"CONFIRMED": "OrderConfirmed", "CANCELLED": "OrderCancelled"}[status]}


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = (started(range(100, 120), seed=7, crash=by_chance(7, 8)) for _ in range(2))
    for twin in (first, second):
        twin.run()
    assert first.messages(topics.ORDERS_EVENTS) == second.messages(topics.ORDERS_EVENTS)


def test_a_command_sent_twice_is_decided_twice_but_a_record_read_twice_is_not() -> None:
    twin = started([101], crash=Once("orders", Boundary.PAID))
    twin.publish(create(1, 101))
    twin.run(until=START)
    assert twin.states(orders)[id_of(1)].decisions == 2


def test_a_deadline_fires_at_its_time_and_not_before() -> None:
    twin = started([101])
    twin.run(until=START + PATIENCE - 1)
    assert statuses(twin) == {id_of(1): "CREATED"}
    twin.run(until=START + PATIENCE)
    assert statuses(twin) == {id_of(1): "CANCELLED"}


def test_a_deadline_that_was_moved_does_not_fire() -> None:
    twin = started([101])
    twin.run(until=START + PATIENCE - 1)
    twin.publish(create(1, 101))  # the decider starts the waiting over
    twin.run(until=START + PATIENCE + 1)
    assert statuses(twin) == {id_of(1): "CREATED"}
    twin.run()
    assert statuses(twin) == {id_of(1): "CANCELLED"}
    assert twin.now == START + 2 * PATIENCE - 1


def test_a_decider_that_raises_gives_a_dead_letter_and_the_partition_goes_on() -> None:
    twin = started([13, 100], partitions=1)
    twin.run()
    assert statuses(twin) == {id_of(2): "CONFIRMED"}
    (letter,) = twin.dead_letters
    assert (letter.service, letter.topic, letter.partition, letter.offset) == ("orders", "orders.twin.commands", 0, 0)
    assert letter.refusal.cause == "ValueError: thirteen is not to be sold"
    assert "services.py" in letter.refusal.detail
    assert letter.record.message == create(1, 13)


def test_an_output_says_what_caused_it_and_which_conversation_it_belongs_to() -> None:
    twin = started([100])
    twin.run()
    created = twin.messages(topics.ORDERS_EVENTS)[0].meta
    by_type = {type(message): message.meta for message in twin.messages(topics.ORDERS_COMMANDS)}
    confirm = by_type[ConfirmOrder]
    assert created is not None
    assert confirm is not None
    assert confirm.causationId == created.messageId
    assert (confirm.correlationId, confirm.traceparent) == ("create-1", "trace-1")


def test_what_a_deadline_sends_belongs_to_the_same_conversation() -> None:
    twin = started([101])
    twin.run()
    cancelled = twin.messages(topics.ORDERS_EVENTS)[-1]
    assert cancelled.meta is not None
    assert (cancelled.meta.correlationId, cancelled.meta.traceparent) == ("create-1", "trace-1")


def test_services_that_answer_each_other_for_ever_are_told_apart_from_slow_ones() -> None:
    def echo(state: int | None, message: ConfirmOrder, at: int) -> Decision[int]:
        return Decision((state or 0) + 1, sends=(message,))

    twin = Twin([Service(name="echo", state=int, decide=echo, sends=(ConfirmOrder,))])
    twin.publish(ConfirmOrder(orderId=id_of(1)))
    with pytest.raises(RestlessError):
        twin.run(steps=1_000)
