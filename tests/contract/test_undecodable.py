"""What can't be read, which only real Kafka can hold: it is kept as it came, with all that is known of it."""

from struct import pack

import pytest

from schemas import topics
from streams.codec import Reason
from streams.kafka.wire import DEAD_LETTER
from streams.partitioner import partition_of
from tests.contract.services import orders
from tests.contract.test_twin import create, id_of
from tests.contract.worlds import MakeWorld
from tests.contract.worlds.kafka import KafkaWorld

pytestmark = [
    pytest.mark.connected,
    pytest.mark.parametrize("make_world", ["kafka, in memory"], indirect=True),
]

KEY = id_of(1)
UNREADABLE = {
    b"": Reason.TRUNCATED,
    b"not framed at all": Reason.WRONG_MAGIC,
    pack(">BI", 0, 2_000_000_000) + b"\0": Reason.UNKNOWN_SCHEMA,
}


def test_it_becomes_a_dead_letter_and_its_key_goes_on(make_world: MakeWorld) -> None:
    world = make_world(orders)
    assert isinstance(world, KafkaWorld)
    for value in UNREADABLE:
        world.publish_bytes(topics.ORDERS_COMMANDS, KEY, value, [("tenant", b"blue")])
    world.publish(create(1, 100))
    world.until(lambda: bool(world.states(orders)) and len(world.dead_records(orders)) == len(UNREADABLE))
    commands, number = topics.ORDERS_COMMANDS.name(world.environment), partition_of(KEY.encode(), 4)
    for offset, (record, (value, reason)) in enumerate(
        zip(world.dead_records(orders), UNREADABLE.items(), strict=True)
    ):
        headers = dict(record.headers() or ())
        assert (record.key(), record.value(), record.partition()) == (KEY.encode(), value, number)
        assert headers.pop(f"{DEAD_LETTER}detail")
        assert int(headers.pop(f"{DEAD_LETTER}timestamp") or 0) > 0
        assert headers == {
            "tenant": b"blue",
            f"{DEAD_LETTER}cause": reason.encode(),
            f"{DEAD_LETTER}service": b"orders",
            f"{DEAD_LETTER}topic": commands.encode(),
            f"{DEAD_LETTER}partition": str(number).encode(),
            f"{DEAD_LETTER}offset": str(offset).encode(),
            f"{DEAD_LETTER}attempts": b"1",
        }


def test_it_is_refused_once_more_when_it_is_read_once_more(make_world: MakeWorld) -> None:
    world = make_world(orders)
    assert isinstance(world, KafkaWorld)
    world.publish_bytes(topics.ORDERS_COMMANDS, KEY, b"not framed at all")
    world.run()
    world.rewind(orders)
    world.run()
    first, second = world.dead_letters(orders)
    assert first == second
