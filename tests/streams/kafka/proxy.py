"""A wire to the broker that can be cut and held, for one member at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest
from aiokafka.conn import create_conn

#: The wire of whoever connects in this context; tasks inherit it from their starter.
WIRE: ContextVar["Wire | None"] = ContextVar("WIRE", default=None)


class Wire:
    """Passes bytes on in both directions, unless it is frozen; what was sent meanwhile arrives later."""

    def __init__(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._to: tuple[str, int] = ("", 0)
        self.port = 0

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def cut(self) -> None:
        """Break every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._pumps.clear()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def lead_to(self, host: str, port: int) -> None:
        self._to = (host, port)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(*self._to)
        for source, sink in ((reader, onward_writer), (onward_reader, writer)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    await self._flowing.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.close()


@asynccontextmanager
async def wire(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    """A wire that reaches the brokers wherever they say they are."""
    through = Wire()
    await through.mend()

    async def connect(host: str, port: int, **settings: Any) -> Any:
        mine = WIRE.get()
        if mine is None:
            return await create_conn(host, port, **settings)
        mine.lead_to(host, port)
        return await create_conn("127.0.0.1", mine.port, **settings)

    monkeypatch.setattr("aiokafka.client.create_conn", connect)
    try:
        yield through
    finally:
        await through.cut()


@contextmanager
def by(through: Wire) -> Iterator[None]:
    """Whoever starts in this block talks to its brokers through the wire, also later."""
    token = WIRE.set(through)
    try:
        yield
    finally:
        WIRE.reset(token)
