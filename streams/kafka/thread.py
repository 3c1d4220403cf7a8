"""The data thread of a process: it reads and writes for all of its services, on librdkafka alone.

One thread, one producer and one consumer. With a thread for each service they took turns at the interpreter at every
record, and brokers were asked by each of them; together they read and write what there is for all in one go.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streams.kafka.clients import PRODUCER
from streams.kafka.inputs import Inputs, Share

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: Records of one read: more would not be faster, and a round is repeated as a whole after a crash.
MOST_RECORDS = 2_000
#: How long a thread with nothing to do waits for a record; also how long a command may have to wait for it.
IDLE_SECONDS = 0.1
#: Between two looks at what is on its way. An acknowledgement ends it; a record that comes meanwhile waits for that.
BUSY_SECONDS = 0.005
#: So long all wait for a service that can't take what was read for it; then it is read for apart from the others.
STALL_SECONDS = 1.0
#: Between two looks at who may be read for together.
TOGETHER_SECONDS = 1.0
#: A thread that has not come round for so long hangs.
STUCK_SECONDS = 60.0
CLOSE_SECONDS = 10.0


class Tenant(Protocol):
    """A service, as the thread sees it. Whatever it raises ends this service and no other."""

    @property
    def name(self) -> str: ...

    @property
    def full(self) -> bool:
        """Whether it has not taken all that was read for it."""

    @property
    def busy(self) -> bool:
        """Whether something of it is on its way."""

    @property
    def resting(self) -> bool:
        """Whether it has nothing to do before it is commanded."""

    def enter(self) -> None: ...

    def restore(self, now: float) -> int:
        """Read on what is not inputs; how many records there were."""

    def patience(self) -> float | None:
        """After how many millis it has something to do if no record comes; None for never."""

    def take(self, share: Share) -> None: ...

    def go_on(self, now: float) -> None: ...

    def step_aside(self) -> None:
        """Be read for no more, for as long as it is full."""

    def leave(self) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class DataThread:
    """It lives from the first tenant to the last."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self.client: dict[str, Any] = {**client, "log_level": 3, "logger": logging.getLogger("librdkafka")}
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._tenants: list[Tenant] = []
        self._beat = 0.0
        self._thread: Thread | None = None
        self._guard = Lock()
        #: Why it has ended, if it was for a reason.
        self.failure: BaseException | None = None
        self._entered = False
        self._fatal: KafkaError | None = None
        self._full_since: float | None = None
        self._together_at = 0.0

    # From any thread.

    def host(self, tenant: Tenant) -> None:
        with self._guard:
            if self._thread is None:
                self._entered = False
                self._beat = time.monotonic()
                self._thread = Thread(target=self._main, name="orderflow-data", daemon=True)
                self._thread.start()
            self._commands.put(lambda: self._enter(tenant))

    def command(self, command: Callable[[], None]) -> None:
        self._commands.put(command)

    @property
    def alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    @property
    def stuck(self) -> bool:
        return self.alive and time.monotonic() - self._beat > STUCK_SECONDS

    async def dismiss(self, tenant: Tenant) -> None:
        """Let go of it. The last one takes the thread along."""
        thread, loop = self._thread, asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()

        def leave() -> None:
            self._put_out(tenant)
            loop.call_soon_threadsafe(resolve, gone)

        if thread is None:
            return
        self._commands.put(leave)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.done(gone)
                while thread.is_alive() and not self._tenants:
                    await asyncio.to_thread(thread.join, IDLE_SECONDS)

    async def done(self, done: "asyncio.Future[None]") -> None:
        """Wait for what a command resolves; a thread that died does nothing any more."""
        while not done.done() and self.alive:
            await asyncio.wait({done}, timeout=IDLE_SECONDS)

    # All the rest is the thread's.

    def _main(self) -> None:
        try:
            self.producer = Producer({**self.client, **PRODUCER, "error_cb": self._heard})
            self.admin = AdminClient(self.client)
            with closing(Inputs[Tenant](self.client)) as self.inputs:
                self._live()
        except BaseException as error:
            log.exception("the data thread ends")
            self.failure = error

    def _live(self) -> None:
        try:
            while self._wanted():
                self._beat = time.monotonic()
                self._obey()
                self._turn()
        except BaseException as error:
            for tenant in list(self._tenants):
                self._fail(tenant, error)
            raise

    def _wanted(self) -> bool:
        if self._tenants:
            return True
        with self._guard:
            # Whoever is about to enter has said so.
            wanted = not (self._entered and self._commands.empty())
            if not wanted:
                self._thread = None
        return wanted

    def _obey(self) -> None:
        resting = all(tenant.resting for tenant in self._tenants)
        while True:
            try:
                command = self._commands.get(timeout=IDLE_SECONDS) if resting else self._commands.get_nowait()
            except Empty:
                return
            command()
            resting = False

    def _enter(self, tenant: Tenant) -> None:
        self._entered = True
        self._tenants.append(tenant)
        self._of(tenant, tenant.enter)

    def _turn(self) -> None:
        now = time.monotonic()
        restored = sum(self._of(tenant, tenant.restore, now) or 0 for tenant in list(self._tenants))
        full = [tenant for tenant in self._tenants if tenant.full]
        read = self._read(restored) if self._may_read(full, now) else False
        waiting = bool(full) or any(tenant.busy for tenant in self._tenants)
        self.producer.poll(BUSY_SECONDS if waiting and not read else 0)
        if self._fatal is not None:
            raise KafkaException(self._fatal)
        for tenant in list(self._tenants):
            self._of(tenant, tenant.go_on, now)
        if now >= self._together_at:
            self._together_at = now + TOGETHER_SECONDS
            self.inputs.bring_together()

    def _may_read(self, full: list[Tenant], now: float) -> bool:
        """Not while somebody has not taken what there was, unless it takes him too long."""
        if not full:
            self._full_since = None
            return True
        if self._full_since is None:
            self._full_since = now
        if now - self._full_since < STALL_SECONDS:
            return False
        for tenant in full:
            tenant.step_aside()
        return True

    def _read(self, restored: int) -> bool:
        shares = self.inputs.read(MOST_RECORDS, self._patience(restored))
        for tenant, share in shares.items():
            self._of(tenant, tenant.take, share)
        return bool(shares)

    def _patience(self, restored: int) -> float:
        """How long to wait for a record when there is none."""
        if restored or any(tenant.busy for tenant in self._tenants):
            return 0
        waits = [wait for tenant in self._tenants if (wait := tenant.patience()) is not None]
        return min(IDLE_SECONDS, max(0.0, min(waits) / 1000)) if waits else IDLE_SECONDS

    def _of(self, tenant: Tenant, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """What a step of a tenant returned; where it raised, the tenant has ended."""
        try:
            return step(*arguments, **named)
        except BaseException as error:
            log.exception("the data thread of %s ends", tenant.name)
            self._fail(tenant, error)
            return None

    def _fail(self, tenant: Tenant, error: BaseException) -> None:
        tenant.fail(error)
        self._put_out(tenant)

    def _put_out(self, tenant: Tenant) -> None:
        if tenant not in self._tenants:
            return
        self._tenants.remove(tenant)
        self.inputs.remove(tenant)
        tenant.leave()

    def _heard(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error


def resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
