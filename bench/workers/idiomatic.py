"""Faust as its own documentation has it, an agent and a table, with every setting that makes it faster.

It is not safe: tests/wounds shows how it loses messages.
"""

import logging

import faust
from faust.transport import producer
from faust.types import StreamT

from bench.counting import count
from bench.workers.surroundings import surroundings
from schemas.orders import CreateOrder
from schemas.topics import PARTITIONS

here = surroundings()

# A hundred by default, and no setting for it: the agent would wait for the producer most of the time.
producer.ProducerBuffer.max_messages = 5_000

app = faust.App(
    here.application,
    broker=f"kafka://{here.kafka}",
    store="memory://",
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    broker_session_timeout=10.0,
    broker_heartbeat_interval=1.0,
    broker_commit_interval=1.0,
    broker_max_poll_records=5_000,
    stream_buffer_maxsize=16_384,
    stream_wait_empty=True,
    stream_recovery_delay=0.0,
    cython_optimizations=True,
    consumer_auto_offset_reset="earliest",
    producer_acks=-1,
    producer_linger=0.005,
    producer_max_batch_size=262_144,
    producer_compression_type="lz4",
)
commands = app.topic(here.commands, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
events = app.topic(here.events, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
# Numbers as bytes: else each of them goes through JSON on its way to the changelog.
counts = app.Table("counts", key_type=bytes, value_type=bytes, partitions=PARTITIONS)


@app.task  # type: ignore[untyped-decorator]  # they left it untyped
async def quieten() -> None:
    # It counts and times every event for a web page that nobody asks for.
    app.sensors.remove(app.monitor)
    # The worker's `--loglevel` is its handlers' alone: five records a message would be made and thrown away.
    for name in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


@app.agent(commands)
async def counting(stream: StreamT[bytes]) -> None:
    async for event in stream.events():
        message = here.codec.decode(event.value)
        assert isinstance(message, CreateOrder)  # noqa: S101 - the bench sends nothing else
        decision = count(int(counts.get(event.key, 0)), message, int(event.message.timestamp * 1000))
        counts[event.key] = b"%d" % (decision.state or 0)
        # The key's partition is known: it need not be hashed, which aiokafka does in Python.
        value, partition = here.codec.encode(decision.sends[0]), event.message.partition
        await events.send(key=event.key, value=value, partition=partition)


if __name__ == "__main__":
    app.main()
