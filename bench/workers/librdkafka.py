"""No framework: consume, decide, produce outputs and changelog, wait for both, commit.

It is the floor of what Python and librdkafka cost: it recovers no state, sets no timers, fences no zombie.
"""

from collections import defaultdict

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from bench.counting import count
from bench.workers.surroundings import Surroundings, surroundings
from schemas.orders import CreateOrder
from streams.producer import DELIVERY_SECONDS, SETTINGS

LARGEST_ROUND = 2_000
IDLE_SECONDS = 1.0


def main() -> None:
    here = surroundings()
    consumer = Consumer(
        {
            "bootstrap.servers": here.kafka,
            "group.id": here.application,
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 1_000,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": here.kafka,
            **SETTINGS,
            # A report for each that arrived would cost more than sending it.
            "delivery.report.only.error": True,
            "on_delivery": _refuse,
        }
    )
    consumer.subscribe([here.commands])
    states: dict[bytes, int] = {}
    while True:
        first = consumer.poll(IDLE_SECONDS)
        if first is not None:
            # What is there and no more: waiting for a fuller round would be paid in latency.
            _round(here, states, consumer, producer, [first, *consumer.consume(LARGEST_ROUND - 1, 0)])


def _round(
    here: Surroundings, states: dict[bytes, int], consumer: Consumer, producer: Producer, records: list[Message]
) -> None:
    outgoing: dict[tuple[str, int], list[dict[str, bytes]]] = defaultdict(list)
    read: dict[int, int] = {}
    changelog = f"{here.application}-state-changelog"
    for record in records:
        if (error := record.error()) is not None:
            raise KafkaException(error)
        partition, key = record.partition() or 0, record.key() or b""
        message = here.codec.decode(record.value())
        assert isinstance(message, CreateOrder)  # noqa: S101 - the bench sends nothing else
        assert isinstance(key, bytes)  # noqa: S101
        decision = count(states.get(key), message, record.timestamp()[1])
        states[key] = decision.state or 0
        outgoing[changelog, partition].append({"key": key, "value": b"%d" % states[key]})
        outgoing[here.events, partition].append({"key": key, "value": here.codec.encode(decision.sends[0])})
        read[partition] = (record.offset() or 0) + 1
    for (topic, partition), batch in outgoing.items():
        producer.produce_batch(topic, batch, partition)
    if producer.flush(DELIVERY_SECONDS) > 0:
        raise TimeoutError(f"Kafka did not acknowledge a round within {DELIVERY_SECONDS} s")
    consumer.store_offsets(offsets=[TopicPartition(here.commands, *place) for place in read.items()])


def _refuse(error: KafkaError | None, _: Message) -> None:
    if error is not None:
        raise KafkaException(error)


if __name__ == "__main__":
    main()
