"""Faust's consumer with a broker that refuses the first commit. Prints what the broker was asked, as JSON."""

import asyncio
import json
import sys
from unittest.mock import AsyncMock, patch

import faust
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP


async def main() -> None:
    app = faust.App("commits", broker="kafka://")
    moved, place = AsyncMock(), TP("orders", 0)
    consumer = Consumer(app.transport, AsyncMock(), on_partitions_revoked=moved, on_partitions_assigned=moved)
    consumer._acked[place] = [0]  # noqa: SLF001 - as an agent's acknowledgement leaves it
    with (
        patch.object(consumer, "_commit", AsyncMock(side_effect=[False, True])) as broker,
        patch.object(consumer, "assignment", return_value={place}),
        patch.object(app.producer, "flush", AsyncMock()),
    ):
        await consumer.commit()
        await consumer.commit()
    json.dump([asked.args[0][place] for asked in broker.await_args_list], sys.stdout)


asyncio.run(main())
