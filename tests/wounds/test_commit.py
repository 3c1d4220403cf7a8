"""A fault that shows within Faust's consumer alone: what it takes for committed. The engine has a commit of its own."""

import asyncio
from unittest.mock import AsyncMock, call

import faust
import pytest
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP

from tests.wounds.subject import OverdueError


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="stock Faust: a commit that failed counts as done, so the offset is not committed until another follows",
)
def test_a_commit_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_commit_twice(monkeypatch))


async def _commit_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    app = faust.App("commits", broker="kafka://")
    consumer = Consumer(
        app.transport, AsyncMock(), on_partitions_revoked=AsyncMock(), on_partitions_assigned=AsyncMock()
    )
    place = TP("orders", 0)
    broker = AsyncMock(side_effect=[False, True])
    monkeypatch.setattr(consumer, "_commit", broker)
    monkeypatch.setattr(consumer, "assignment", lambda: {place})
    monkeypatch.setattr(app.producer, "flush", AsyncMock())
    consumer._acked[place] = [0]  # noqa: SLF001 - as an agent's acknowledgement leaves it
    await consumer.commit()
    if broker.await_args_list != [call({place: 1})]:
        raise OverdueError("the first commit did not come as far as the broker")
    await consumer.commit()
    assert broker.await_count == 2
