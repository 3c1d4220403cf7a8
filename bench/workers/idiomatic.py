"""Faust as its own documentation has it, an agent and a table, with every setting that makes it faster.

It is not safe: tests/wounds shows how it loses messages.
"""

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
counts = app.Table("counts", key_type=bytes, value_type=int, partitions=PARTITIONS)


@app.agent(commands)
async def counting(stream: StreamT[bytes]) -> None:
    async for event in stream.events():
        message = here.codec.decode(event.value)
        assert isinstance(message, CreateOrder)  # noqa: S101 - the bench sends nothing else
        decision = count(counts.get(event.key), message, int(event.message.timestamp * 1000))
        counts[event.key] = decision.state
        await events.send(key=event.key, value=here.codec.encode(decision.sends[0]))


if __name__ == "__main__":
    app.main()
