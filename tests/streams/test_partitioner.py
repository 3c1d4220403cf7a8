import uuid

import pytest
from confluent_kafka import KafkaError, Message, Producer

from ops.stack import Addresses
from streams.partitioner import murmur2, partition_of
from tests import topics


# From Apache Kafka's own UtilsTest.testMurmur2.
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(data: bytes, expected: int) -> None:
    assert murmur2(data) == expected % 2**32


def test_a_key_stays_on_its_partition() -> None:
    assert [partition_of(b"foobar", count) for count in (1, 4, 12)] == [0, 2, 6]


@pytest.mark.connected
def test_librdkafka_agrees_when_it_is_told_to_use_murmur2(stack: Addresses, unique: str) -> None:
    # Seven: a count that is no power of two tells a masked hash from an unsigned one.
    topics.make(stack.kafka, unique, partitions=7)
    producer = Producer({"bootstrap.servers": stack.kafka, "partitioner": "murmur2_random"})
    places: dict[bytes, int | None] = {}

    def delivered(error: KafkaError | None, record: Message) -> None:
        assert error is None
        places[record.key() or b""] = record.partition()

    keys = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(i))).encode() for i in range(100)]
    for key in keys:
        producer.produce(unique, key=key, on_delivery=delivered)
    assert producer.flush(30) == 0
    assert places == {key: partition_of(key, 7) for key in keys}
