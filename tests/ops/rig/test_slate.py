import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from agents.orders.service import orders
from ops.rig import slate
from ops.rig.errors import OccupiedError
from ops.rig.slate import cleaned
from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.topics import PARTITIONS
from streams.kafka.topics import group_of
from streams.producer import Outgoing, deliver
from tests.topics import admin

pytestmark = pytest.mark.connected

SECONDS = 30


def held(consumer: Consumer, topic: str) -> int | None:
    """How many records there are; None while the broker is still making up its mind who leads."""
    try:
        marks = [consumer.get_watermark_offsets(TopicPartition(topic, number), SECONDS) for number in range(PARTITIONS)]
    except KafkaException:
        return None
    return sum(high - low for low, high in marks)


def test_an_environment_that_was_used_is_empty_again_and_nobody_elses_is_touched(stack: Addresses, unique: str) -> None:
    client = {"bootstrap.servers": stack.kafka}
    ours, theirs = f"orders.{unique}.commands", f"orders.{unique}-2.commands"
    made = cleaned(client, unique, [orders])
    cleaned(client, f"{unique}-2", [orders])
    deliver(client, [Outgoing(topic, "key", b"value") for topic in (ours, theirs)])
    assert cleaned(client, unique, [orders]) == made
    consumer = Consumer(client | {"group.id": unique})
    try:
        assert wait_until(lambda: (held(consumer, ours), held(consumer, theirs)) == (0, 1), seconds=SECONDS)
    finally:
        consumer.close()
    assert f"orders.{unique}-state-changelog" in admin(stack.kafka).partition_counts()


def test_an_environment_where_somebody_works_is_left_alone(
    stack: Addresses, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = {"bootstrap.servers": stack.kafka}
    topic = f"orders.{unique}.commands"
    cleaned(client, unique, [orders])
    deliver(client, [Outgoing(topic, "key", b"value")])
    consumer = Consumer(client | {"group.id": group_of("orders", unique), "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        assert wait_until(lambda: bool(consumer.consume(1, 0.1)), seconds=SECONDS)
        monkeypatch.setattr(slate, "LEAVE_SECONDS", 0.5)
        with pytest.raises(OccupiedError, match=f"orders.{unique} had members"):
            cleaned(client, unique, [orders])
        assert held(consumer, topic) == 1
    finally:
        consumer.close()
