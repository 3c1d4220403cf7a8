"""Who a scenario is played with, and the stage that it is played on.

A subject says how one of its workers is started and how its state is read; the stage does all the rest, the same for
every subject. A scenario is written for any of them: it names the fault that stock Faust is known to have, and the
suite proves at every run that it still has it, so a fault that Faust heals is told to us by a failing test.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from ops.settings import variable
from ops.stack import Addresses
from ops.stack.ports import any_free
from ops.stack.waiting import wait_until
from schemas.examples import example_of
from schemas.message import Message
from schemas.orders import CreateOrder, OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.changelog import Marker, Place, Record, decode
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.fold import Fold
from streams.kafka.topics import changelog_of, dead_letters_of, group_of
from streams.producer import Outgoing, deliver
from streams.state import StateCodec
from streams.topics import TopicAdmin, Wanted, plan
from tests.wounds.service import ASKED, GATE, MAX_POLL, counter

STOP_SECONDS = 20.0
#: For what has to come before a scenario can begin: servers start, groups form.
SETTLE_SECONDS = 40.0


#: The first group of a new broker has to wait for one, and has committed nothing.
_NO_COORDINATOR = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


class OverdueError(Exception):
    """The scenario did not come as far as its claim; that is no proof of anything."""


class Subject(Protocol):
    """A kind of worker."""

    #: Its consumer group, its changelog and its dead letters.
    group: str
    changelog: str
    dead_letters: str

    def call(self, web_port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        """What starts one worker, which serves HTTP on that port of the loopback: arguments of Python, and variables
        beside those that say where the stack is.
        """

    def counts(self, changelog: Iterable[tuple[bytes, bytes]]) -> dict[str, int]:
        """Orders and how often each was met, as whoever reads this changelog will have it."""


class Stock:
    """Faust as shipped."""

    def __init__(self, environment: str) -> None:
        self.group = f"counter.{environment}"
        self.changelog = f"{self.group}-counts-changelog"
        # It has none; this is where they would be.
        self.dead_letters = f"{self.group}.dlq"

    def call(self, web_port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        web = ("--web-bind", "127.0.0.1", "--web-port", str(web_port))
        return ("-m", "tests.wounds.stock", "worker", *web, "--loglevel", "info"), {}

    def counts(self, changelog: Iterable[tuple[bytes, bytes]]) -> dict[str, int]:
        return {json.loads(key): json.loads(value) for key, value in changelog}


class Engine:
    """Ours, as the command `orderflow worker` hosts it."""

    def __init__(self, environment: str) -> None:
        self.group = group_of(counter.name, environment)
        self.changelog = changelog_of(counter.name, environment)
        self.dead_letters = dead_letters_of(counter.name, environment)

    def call(self, web_port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        ours = ("--app", "tests.wounds.hosting:hosted")
        settings = {
            variable("http_port"): str(web_port),
            variable("session_seconds"): "6",
            variable("state_store"): "memory",
        }
        return ("-m", "ops.cli", "worker", *ours), settings

    def counts(self, changelog: Iterable[tuple[bytes, bytes]]) -> dict[str, int]:
        fold, states, counts = Fold(), StateCodec(counter), {}
        for offset, (key, value) in enumerate(changelog):
            place = Place(self.changelog, 0, offset, key)
            match decode(place, value):
                case Marker() as marker:
                    fold.marker(marker)
                case Record(epoch, round_, paid, entry, owed) if fold.written(
                    place, key.decode(), epoch, round_, paid, owed
                ):
                    tally = states.decode(key.decode(), entry).state
                    assert tally is not None
                    counts[tally.order] = tally.met
        return counts


def wound(fault: str) -> pytest.MarkDecorator:
    """A scenario for both. Stock Faust must fail at its claim, which is an `assert`, and nowhere before."""
    fails = pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"stock Faust: {fault}")
    return pytest.mark.parametrize(
        "subject",
        [pytest.param(Stock, marks=[fails, pytest.mark.proof], id="stock"), pytest.param(Engine, id="engine")],
    )


class Worker:
    """One worker in a process of its own, which a scenario can treat badly."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, web_port: int) -> None:
        self.log = log
        self.web = f"http://127.0.0.1:{web_port}"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, **environment},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """As an operator does."""
        self._process.terminate()
        self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """As the kernel does when memory ends."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


class Stage:
    """The topics of one scenario, and all that happens around the workers."""

    def __init__(self, subject: Subject, stack: Addresses, environment: str, directory: Path) -> None:
        self.subject = subject
        self.commands, self.events = ORDERS_COMMANDS.name(environment), ORDERS_EVENTS.name(environment)
        self._gate = (directory / "gate").open("w")
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        self._stack = stack
        self._environment = environment
        self._directory = directory
        self._workers: list[Worker] = []
        self._registry = ConfluentRegistry({"url": stack.registry}, registers=True)
        self._codec = Codec(self._registry, environment)
        self._client = {"bootstrap.servers": stack.kafka}
        # log_level 0: what goes wrong is said by what waits for it.
        self._admin = AdminClient({**self._client, "log_level": 0})

    def set(self, events_config: Mapping[str, str] = MappingProxyType({})) -> None:
        """Make what has to be there before the first worker."""
        for message in (CreateOrder, OrderConfirmed):  # a worker registers no schema
            self._codec.encode(example_of(message))
        self._make(Wanted(self.commands, PARTITIONS, 1, {}), Wanted(self.events, PARTITIONS, 1, dict(events_config)))

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._gate.close()
        self._registry.close()

    @property
    def admin(self) -> TopicAdmin:
        return TopicAdmin(self._client)

    def start(self, *, max_poll_seconds: float | None = None) -> Worker:
        """`max_poll_seconds`: after how long of nothing to do stock Faust leaves its group; ours never does."""
        number = len(self._workers)
        port = any_free()
        command, variables = self.subject.call(port)
        environment = {
            variable("environment"): self._environment,
            variable("kafka_bootstrap"): self._stack.kafka,
            variable("registry_url"): self._stack.registry,
            GATE: self._gate.name,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **variables,
        }
        if max_poll_seconds is not None:
            environment[MAX_POLL] = str(max_poll_seconds)
        log = self._directory / f"worker-{number}" / "log"
        log.parent.mkdir()
        worker = Worker(command, environment, log, port)
        self._workers.append(worker)
        return worker

    def publish(self, *messages: Message) -> None:
        self.publish_raw(*((message.record_key or "", self._codec.encode(message)) for message in messages))

    def publish_raw(self, *records: tuple[str, bytes]) -> None:
        deliver(self._client, [Outgoing(self.commands, key, value) for key, value in records])

    def confirmations(self) -> list[str]:
        """The orders that were confirmed so far, as often as they were."""
        messages = [self._codec.decode(value) for _, value in self.records(self.events)]
        return [message.orderId for message in messages if isinstance(message, OrderConfirmed)]

    def counts(self) -> dict[str, int]:
        """The state as whoever comes next will find it: the fold of the changelog."""
        return self.subject.counts(self.records(self.subject.changelog))

    def committed(self) -> int:
        """How far the group says that it has come."""
        consumer = Consumer({**self._client, "group.id": self.subject.group})
        try:
            [place] = consumer.committed([TopicPartition(self.commands, 0)], timeout=SETTLE_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _NO_COORDINATOR:
                raise
            return 0
        finally:
            consumer.close()
        return max(place.offset, 0)

    def members(self) -> int:
        """How many workers the group has, in the broker's eyes."""
        group = self._admin.describe_consumer_groups([self.subject.group])[self.subject.group]
        return len(group.result(SETTLE_SECONDS).members)

    def open_gate(self) -> None:
        """Let the outside answer from now on."""
        fcntl.flock(self._gate, fcntl.LOCK_UN)

    def asked(self) -> int:
        """How often the outside was asked."""
        asked = self._directory / ASKED
        return len(asked.read_text(encoding="utf-8").splitlines()) if asked.exists() else 0

    def records(self, topic: str) -> list[tuple[bytes, bytes]]:
        """All of a topic's first partition; none of a topic that isn't there."""
        if topic not in self.admin.partition_counts():
            return []
        consumer = Consumer({**self._client, "group.id": "stage", "enable.partition.eof": True})
        found: list[tuple[bytes, bytes]] = []
        try:
            consumer.assign([TopicPartition(topic, 0, 0)])
            while (record := consumer.poll(SETTLE_SECONDS)) is not None:
                if record.error() is not None:
                    break
                found.append((_bytes(record.key()), _bytes(record.value())))
        finally:
            consumer.close()
        return found

    def length(self, topic: str) -> int:
        """Where its first partition ends now; to read it to its end would be to run after whoever writes."""
        [end] = self._admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.latest()}).values()  # type: ignore[no-untyped-call]  # they left it untyped
        return int(end.result(SETTLE_SECONDS).offset)

    def make_anew(self, topic: str) -> None:
        """Delete it, and have another, empty one by its name."""
        for done in self._admin.delete_topics([topic]).values():
            done.result(SETTLE_SECONDS)
        self.until(lambda: topic not in self.admin.partition_counts(), f"end of {topic}")
        self._make(Wanted(topic, PARTITIONS, 1, {}))

    def _make(self, *topics: Wanted) -> None:
        self.admin.apply(plan(topics, {}), topics)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """A step on the way to the claim."""
        if not wait_until(condition, seconds=SETTLE_SECONDS):
            logs = "\n".join(worker.log.read_text(encoding="utf-8")[-4_000:] for worker in self._workers)
            raise OverdueError(f"no {what} within {SETTLE_SECONDS:.0f} s\n{logs}")


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
