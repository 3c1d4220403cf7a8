"""An engine whose wire to its group can be held, while its records flow: SIGUSR1 holds it, SIGUSR2 lets it go."""

import asyncio
import signal
from typing import Any

from ops.worker.surroundings import Surroundings, kafka_engine
from streams.hosting import Hosted
from streams.kafka import control
from streams.kafka.coordinator import Coordinator
from streams.kafka.status import Engine


class _Held(Coordinator):
    flowing: asyncio.Event

    async def _send_req(self, request: Any) -> Any:
        answer = await super()._send_req(request)
        await self.flowing.wait()
        return answer


def engine(hosted: Hosted, surroundings: Surroundings) -> Engine:
    flowing = _Held.flowing = asyncio.Event()
    flowing.set()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, flowing.clear)
    loop.add_signal_handler(signal.SIGUSR2, flowing.set)
    control.Coordinator = _Held  # type: ignore[attr-defined]  # in this process alone
    return kafka_engine(hosted, surroundings)
