"""What lies on topics, as it is read back."""

from collections.abc import Iterator

import pytest

from ops.reading import Part, Reader, Said, in_order
from ops.stack import Addresses
from schemas.examples import example_of
from schemas.message import Meta
from schemas.orders import OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, PARTITIONS
from streams.codec import Undecodable
from tests.streams.kafka.counting import counter
from tests.streams.kafka.engines import Ground, confirm, orders

SERVICE = counter("reading")


def said(message_id: str, cause: str | None, at: int) -> Said:
    meta = Meta(messageId=message_id, causationId=cause)
    message = example_of(OrderConfirmed).model_copy(update={"meta": meta})
    return Said(Part("topic", 0), 0, at, "key", message, [])


def test_of_one_millisecond_a_cause_comes_before_what_it_caused() -> None:
    told = [said("c", "b", 1), said("a", None, 1), said("b", "a", 1), said("d", "nobody knows", 0)]
    assert [each.id for each in in_order(told)] == ["d", "a", "b", "c"]


def test_causes_that_go_round_in_a_circle_hold_nobody_up() -> None:
    assert {each.id for each in in_order([said("a", "b", 1), said("b", "a", 1)])} == {"a", "b"}


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(SERVICE)
    return ground


@pytest.fixture
def reader(ground: Ground) -> Iterator[Reader]:
    with Reader(ground.client, ground.codec) as reader:
        yield reader


def parts(ground: Ground) -> list[Part]:
    return [Part(ORDERS_COMMANDS.name(ground.environment), number) for number in range(PARTITIONS)]


@pytest.mark.connected
def test_what_lies_there_is_read_once_and_again(ground: Ground, reader: Reader) -> None:
    keys = [next(orders(number)) for number in range(PARTITIONS)]
    ground.publish(*map(confirm, keys), confirm(keys[0]))
    for _ in range(2):
        assert sorted(each.key for each in reader.to_the_end(parts(ground))) == sorted([*keys, keys[0]])
    one = reader.to_the_end(parts(ground), {keys[1].encode()})
    assert [each.key for each in one] == [keys[1]]
    assert one[0].id == f"{one[0].part.topic}-1-0"


@pytest.mark.connected
def test_where_nothing_lies_nothing_is_waited_for(ground: Ground, reader: Reader) -> None:
    assert reader.to_the_end(parts(ground)) == []


@pytest.mark.connected
def test_what_can_not_be_read_is_there_all_the_same(ground: Ground, reader: Reader) -> None:
    ground.put(ORDERS_COMMANDS, b"no avro", b"key")
    ground.flush()
    (found,) = reader.to_the_end(parts(ground))
    assert isinstance(found.message, Undecodable)
    assert (found.id, found.cause) == (found.place, None)


@pytest.mark.connected
def test_it_reads_on_from_any_place(ground: Ground, reader: Reader) -> None:
    key = next(orders(0))
    ground.publish(confirm(key))
    reader.start({part: end for part, (_, end) in reader.bounds(parts(ground)).items()})
    ground.publish(confirm(key))
    found: list[Said] = []
    while not found:
        found = reader.next(1.0)
    assert [(each.key, each.offset) for each in found] == [(key, 1)]
