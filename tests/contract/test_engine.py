"""What the engine promises, asked of the twin and of real Kafka alike."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, count

import pytest

from schemas import topics
from schemas.message import Message, Meta
from schemas.orders import ConfirmOrder, OrderConfirmed
from schemas.topics import Topic
from streams.memory.task import Boundary
from streams.partitioner import partition_of
from tests.contract.services import Seen, clerk, orders
from tests.contract.test_twin import create, id_of
from tests.contract.waiting import Alarm, Visits, alarm, shop
from tests.contract.worlds import MakeWorld, World
from tests.contract.worlds.moments import Moment
from tests.contract.worlds.twin import TwinWorld
from tests.streams.kafka.counting import Count, counter

counts = counter("counts")
KEYS = [id_of(number) for number in range(1, 9)]

TWIN = "twin"
MEMORY = pytest.param("kafka, in memory", marks=pytest.mark.connected)
ROCKS = pytest.param("kafka, in RocksDB", marks=pytest.mark.connected)


def cuts(*moments: Moment) -> Sequence[object]:
    """Every boundary of the twin, and these moments of a real process."""
    real = [pytest.param("kafka, in memory", each, id=f"kafka-{each}", marks=pytest.mark.connected) for each in moments]
    return [pytest.param(TWIN, each, id=f"twin-{each}") for each in Boundary] + real


def worths(number: int, first: int = 0) -> list[ConfirmOrder]:
    """So many for each key, key by key in turns; each is worth something else, so that their order can be told."""
    return [
        ConfirmOrder(orderId=key, inventoryReservationId=str(each**2 + 1), meta=Meta(messageId=f"{key}-{each}"))
        for each in range(first, first + number)
        for key in KEYS
    ]


def sums(number: int) -> list[int]:
    return list(accumulate(each**2 + 1 for each in range(number)))


def contents(messages: Iterable[Message]) -> dict[str, Message]:
    """By message id, in the order in which each came first. Two contents under one id are a contradiction."""
    by_id: dict[str, Message] = {}
    for message in messages:
        assert message.meta is not None
        assert by_id.setdefault(message.meta.messageId, message) == message
    return by_id


def totals(world: World) -> dict[str, list[int]]:
    """What the counter passed on, by key."""
    found = defaultdict(list)
    for message in contents(world.messages(topics.ORDERS_EVENTS)).values():
        assert isinstance(message, OrderConfirmed)
        found[message.orderId].append(message.total)
    return dict(found)


def decisions(world: World, topic: Topic) -> dict[tuple[str, str], list[str]]:
    """By sender and key: what it said about the key, in order, repeats left out. The same whatever the clock says."""
    said = defaultdict(list)
    for message_id, message in contents(world.messages(topic)).items():
        sender, _, rest = message_id.partition("/")
        key, _, place = rest.partition("/")
        said[sender, key].append(([int(each) for each in place.split("/") if each], type(message).__name__))
    return {about: [name for _, name in sorted(names)] for about, names in said.items()}


def test_records_of_a_key_are_decided_in_order_and_so_are_its_outputs(make_world: MakeWorld) -> None:
    world = make_world(counts)
    world.publish(*worths(20))
    world.run()
    assert totals(world) == dict.fromkeys(KEYS, sums(20))
    assert world.states(counts) == dict.fromkeys(KEYS, Count(20, sums(20)[-1]))


def test_inputs_that_are_read_once_more_change_nothing_and_nothing_new_is_said(make_world: MakeWorld) -> None:
    world = make_world(orders, clerk)
    world.publish(*(create(number, 100) for number in range(1, 9)))
    world.run()
    states, said = (world.states(orders), world.states(clerk)), contents(world.messages(topics.ORDERS_EVENTS))
    for service in (orders, clerk):
        world.rewind(service)
    world.run()
    assert (world.states(orders), world.states(clerk)) == states
    assert contents(world.messages(topics.ORDERS_EVENTS)) == said


@pytest.mark.parametrize(
    ("make_world", "dies_at"),
    cuts(
        Moment.FOLDED,
        Moment.CLAIMED,
        Moment.OWNED,
        Moment.DECIDED,
        Moment.CHANGELOG_WRITTEN,
        Moment.CHANGELOG_ACKNOWLEDGED,
        Moment.PUBLISHED,
        Moment.OUTPUTS_ACKNOWLEDGED,
        Moment.PAID,
        Moment.MARKED,
        Moment.COMMITTED,
    ),
    indirect=["make_world"],
)
def test_a_crash_at_any_moment_changes_nothing(make_world: MakeWorld, dies_at: object) -> None:
    creates = [create(number, 100) for number in range(1, 9)]
    calm, world = TwinWorld(orders, clerk), make_world(orders, clerk, dies_at=dies_at)
    for each in (calm, world):
        each.publish(*creates)
        each.run()
    assert world.crashes() == 2
    assert world.states(orders) == calm.states(orders)
    assert world.states(clerk) == calm.states(clerk) == dict.fromkeys(KEYS, Seen(created=1, confirmed=1))
    for topic in (topics.ORDERS_COMMANDS, topics.ORDERS_EVENTS):
        assert decisions(world, topic) == decisions(calm, topic)


def test_partitions_that_change_hands_while_records_flow_lose_and_repeat_nothing(make_world: MakeWorld) -> None:
    world, rounds = make_world(counts), count()

    def publish() -> None:
        world.publish(*worths(10, first=10 * next(rounds)))

    publish()
    world.until(lambda: bool(world.states(counts)))
    world.join(counts, publish)
    world.leave(counts, publish)
    publish()
    world.run()
    number = 10 * next(rounds)
    assert world.states(counts) == dict.fromkeys(KEYS, Count(number, sums(number)[-1]))
    assert totals(world) == dict.fromkeys(KEYS, sums(number))


@pytest.mark.parametrize("make_world", [TWIN, MEMORY, ROCKS], indirect=True)
def test_a_worker_goes_on_from_where_a_dead_one_stood(make_world: MakeWorld) -> None:
    world = make_world(counts)
    world.publish(*worths(5))
    world.run()
    world.publish(*worths(5, first=5))
    world.crash(counts)
    world.publish(*worths(5, first=10))
    world.run()
    assert world.states(counts) == dict.fromkeys(KEYS, Count(15, sums(15)[-1]))
    assert totals(world) == dict.fromkeys(KEYS, sums(15))


def test_a_deadline_outlives_the_worker_that_set_it(make_world: MakeWorld) -> None:
    world = make_world(alarm)
    world.publish(*(create(number, 400 * number) for number in range(1, 5)))
    world.until(lambda: len(world.states(alarm)) == 4)
    world.crash(alarm)
    world.run()
    assert world.states(alarm) == {id_of(number): Alarm(id_of(number), rung=1) for number in range(1, 5)}


@pytest.mark.parametrize(
    ("make_world", "dies_at"), cuts(Moment.ANSWERED, Moment.TOLD, Moment.COMMITTED), indirect=["make_world"]
)
def test_a_deadline_rings_once_whenever_its_worker_dies(make_world: MakeWorld, dies_at: object) -> None:
    world = make_world(alarm, dies_at=dies_at)
    began = world.now
    world.publish(create(1, 200))
    world.run()
    assert world.crashes() == 1
    assert world.states(alarm) == {id_of(1): Alarm(id_of(1), rung=1)}
    (rang,) = contents(world.messages(topics.ORDERS_EVENTS)).values()
    assert rang.model_dump()["cancelledAt"] >= began + 200


def test_a_key_that_waits_holds_up_no_other_and_keeps_its_order_over_a_crash(make_world: MakeWorld) -> None:
    world = make_world(shop)
    opening = world.now + 5_000
    world.publish(
        create(1, opening),
        *(create(number, 0) for number in range(1, 9)),  # the first of them waits behind
    )
    world.until(lambda: {key for key, visits in world.states(shop).items() if visits} == set(KEYS[1:]))
    world.crash(shop)
    world.run()
    assert world.states(shop) == {KEYS[0]: Visits((opening, 0))} | dict.fromkeys(KEYS[1:], Visits((0,)))
    assert world.now >= opening


def test_a_decider_that_raises_gives_a_dead_letter_and_its_partition_goes_on(make_world: MakeWorld) -> None:
    world = make_world(orders, clerk)
    world.publish(create(1, 13), create(1, 100))
    world.run()
    assert {key: order.status for key, order in world.states(orders).items()} == {id_of(1): "CONFIRMED"}
    (letter,) = world.dead_letters(orders)
    assert letter[:3] == (topics.ORDERS_COMMANDS.name(world.environment), partition_of(id_of(1).encode(), 4), 0)
    assert (letter.cause, letter.attempts) == ("ValueError: thirteen is not to be sold", 1)
    assert "services.py" in letter.detail
