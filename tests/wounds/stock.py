"""The service on Faust as its documentation has it: an agent, a table, a codec; no setting that makes it unsafe."""

import asyncio
import os
from pathlib import Path

import faust
from faust.types import StreamT

from ops.settings import load
from schemas.message import Message
from schemas.orders import CreateOrder
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.codec import Codec, Undecodable
from streams.confluent import ConfluentRegistry
from streams.decision import Performed
from tests.wounds.service import GATE, MAX_POLL, Tally, authorize, count

settings = load()
assert settings.kafka_bootstrap is not None
assert settings.registry_url is not None
codec = Codec(ConfluentRegistry(settings.registry_client(settings.registry_url)), settings.environment)


class Contract(faust.Codec):
    """Our messages as Faust serializes values: what it can't read it says with an exception, as Faust expects."""

    def _loads(self, s: bytes) -> Message:
        message = codec.decode(s)
        if isinstance(message, Undecodable):
            raise ValueError(str(message))  # noqa: TRY004 - the type is right, the bytes are wrong
        return message

    def _dumps(self, obj: Message) -> bytes:
        return codec.encode(obj)


app = faust.App(
    f"counter.{settings.environment}",
    broker=f"kafka://{settings.kafka_bootstrap}",
    topic_partitions=PARTITIONS,
    # None, so that a worker more than there are partitions has nothing to do, not even for Faust's default of one.
    table_standby_replicas=0,
    # The shortest that the broker allows, so that a scenario needn't wait for the defaults to pass.
    broker_session_timeout=6.0,
    broker_heartbeat_interval=1.0,
    broker_commit_interval=0.5,
    broker_max_poll_interval=float(os.environ.get(MAX_POLL, "1000")),
)
commands = app.topic(
    ORDERS_COMMANDS.name(settings.environment), key_type=str, key_serializer="raw", value_serializer=Contract()
)
events = app.topic(
    ORDERS_EVENTS.name(settings.environment), key_type=str, key_serializer="raw", value_serializer=Contract()
)
counts = app.Table("counts", key_type=str, value_type=int)


@app.agent(commands, concurrency=2)
async def counting(stream: StreamT[CreateOrder]) -> None:
    async for event in stream.events():
        key, at = event.key, int(event.message.timestamp * 1000)
        before = counts.get(key)
        decision = count(None if before is None else Tally(key, before), event.value, at)
        for effect in decision.effects:
            outcome = await asyncio.to_thread(authorize, effect, Path(os.environ[GATE]))
            decision = count(decision.state, Performed("", outcome), at)
        if decision.state is not None:
            counts[key] = decision.state.met
        for message in decision.sends:
            await events.send(key=key, value=message)


if __name__ == "__main__":
    app.main()
