"""What a message costs in the engine, beside idiomatic Faust and beside librdkafka without any framework.

Every variant runs the same service (bench/counting.py) on the same real Kafka, in a process of its own: first it
drains messages that lie there already, then it answers a steady rate. The variants take turns, round by round, so that
a machine that slows down slows all of them; a ratio compares one round's neighbours, and the median of them counts.

python -m bench.engine --json
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from socket import socket
from statistics import median
from typing import Any

import httpx
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from bench.counting import counter, order
from ops.settings import Settings, variable
from ops.stack import Stack
from ops.stack.logs import tail
from schemas.errors import OrderflowError
from schemas.examples import example_of
from schemas.orders import OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.producer import DELIVERY_SECONDS, SETTINGS
from streams.topics import TopicAdmin, Wanted, plan

DATA_DIR = Path(__file__).parent.parent / ".orderflow" / "bench"
#: A worker that shows nothing new for so long never will.
#: Idiomatic Faust takes a minute for its drain on a slow evening.
PATIENCE_SECONDS = 180.0
STOP_SECONDS = 15.0
#: From readiness to rest.
SETTLING_SECONDS = 5.0
GLANCE_SECONDS = 0.02
LOG_TAIL_LINES = 15
#: The first tenth of a drain, and the first fifth of a steady rate, pay for caches and connections.
WARMING_MESSAGES, WARMING_TIME = 0.1, 0.2

_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # they left it untyped

Command = Sequence[str]
_REST = ("-m", "ops.cli", "worker", "--app", "bench.counting:five")
_ENGINE = ("-m", "ops.cli", "worker", "--app", "bench.counting:counter")
_VARIANTS: Mapping[str, Command] = {
    "engine": _ENGINE,
    "engine_rocksdb": _ENGINE,
    "idiomatic": ("-m", "bench.workers.idiomatic", "--loop", "uvloop", "worker", "--without-web", "--loglevel", "warn"),
    "librdkafka": ("-m", "bench.workers.librdkafka"),
}


class BenchError(OrderflowError):
    """There is nothing to report: a worker ended or stood still."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How long to measure."""

    messages: int
    rate: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one variant showed in one round; or, of each figure, the median over the rounds."""

    msgs_per_cpu_s: float
    msgs_per_s: float
    rss_mb: float
    p50_ms: float
    p99_ms: float
    #: Of one core, at the steady rate.
    cpu_share: float


class Worker:
    """One variant at work in its own process, seen from outside."""

    def __init__(self, command: Command, surroundings: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                # Faust makes itself a directory where it is, and leaves it.
                env={**os.environ, **surroundings, "APP_DATADIR": str(log.parent / "faust")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._seen = psutil.Process(self._process.pid)

    def cpu_seconds(self) -> float:
        self.check()
        times = self._seen.cpu_times()
        return times.user + times.system

    def rss_mb(self) -> float:
        return self._seen.memory_info().rss / 1e6

    def check(self) -> None:
        if (code := self._process.poll()) is not None:
            raise self._error(f"the worker ended with {code}")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise self._error(f"no {what} within {PATIENCE_SECONDS:.0f} s")
            time.sleep(GLANCE_SECONDS)

    def _error(self, what: str) -> BenchError:
        # The log leaves with the stack's data, so its end is said here.
        return BenchError(f"{what}; its log ends:\n" + "\n".join(tail(self._log, LOG_TAIL_LINES)))

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)


class Field:
    """The topics of one run: what the service reads and what it sends."""

    def __init__(self, kafka: str, registry: ConfluentRegistry, environment: str) -> None:
        self._kafka = kafka
        # log_level 0: what goes wrong is said by what waits for it.
        self._client: dict[str, str | int | float | bool] = {"bootstrap.servers": kafka, "log_level": 0}
        self._admin = AdminClient(self._client)
        self._commands, self._events = ORDERS_COMMANDS.name(environment), ORDERS_EVENTS.name(environment)
        self._environment = environment
        self._codec = Codec(registry, environment)

    def make(self) -> None:
        changelog = f"{counter.name}.{self._environment}-state-changelog"
        topics = [Wanted(name, PARTITIONS, 1, {}) for name in (self._commands, self._events)]
        topics.append(Wanted(changelog, PARTITIONS, 1, {"cleanup.policy": "compact"}))
        TopicAdmin({"bootstrap.servers": self._kafka}).apply(plan(topics, {}), topics)
        for message in (*counter.consumes, *counter.sends):  # a worker may not register what it sends
            self._codec.encode(example_of(message))

    def remove(self) -> None:
        """Those that a worker made for itself too."""
        names = [name for name in self._admin.list_topics().topics if f".{self._environment}" in name]
        for done in self._admin.delete_topics(names).values():
            done.result(PATIENCE_SECONDS)

    def preload(self, messages: int) -> None:
        producer = self._producer(linger=5)
        for number in range(messages):
            message = order(number)
            while True:
                try:
                    producer.produce(self._commands, self._codec.encode(message), message.orderId)
                    break
                except BufferError:
                    producer.poll(0.1)
        _flush(producer)

    def sent(self) -> int:
        """How many messages the service has sent so far."""
        places = {TopicPartition(self._events, partition): _LATEST for partition in range(PARTITIONS)}
        ends = self._admin.list_offsets(places)
        return sum(end.result(PATIENCE_SECONDS).offset for end in ends.values())

    def pace(self, first: int, wish: Wish) -> list[float]:
        """Seconds from each message, sent at a steady rate, to what the service sends for it; in order of sending."""
        total = int(wish.rate * wish.seconds)
        left: dict[int, float] = {}
        feeding = threading.Thread(target=self._feed, args=(first, total, wish.rate, left))
        came: dict[int, float] = {}
        with closing(self._reader()) as reader:
            feeding.start()
            deadline = time.monotonic() + wish.seconds + PATIENCE_SECONDS
            while len(came) < total:
                if time.monotonic() > deadline:
                    raise BenchError(f"{total - len(came)} of {total} messages were not answered")
                record = reader.poll(1.0)
                if record is None or record.error() is not None:
                    continue
                now = time.perf_counter()
                message = self._codec.decode(record.value())
                if isinstance(message, OrderConfirmed) and message.total >= first:
                    came.setdefault(message.total, now)
        feeding.join()
        return [came[number] - left[number] for number in sorted(left)]

    def _feed(self, first: int, total: int, rate: int, left: dict[int, float]) -> None:
        producer = self._producer(linger=0)
        started = time.perf_counter()
        for number, message in ((number, order(number)) for number in range(first, first + total)):
            value = self._codec.encode(message)
            wait = started + (number - first) / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            left[number] = time.perf_counter()
            producer.produce(self._commands, value, message.orderId)
            producer.poll(0)
        _flush(producer)

    def _producer(self, *, linger: int) -> Producer:
        return Producer({**SETTINGS, **self._client, "linger.ms": linger})

    def _reader(self) -> Consumer:
        """It reads what comes from now on, and has its place before the first message is sent."""
        reader = Consumer({**self._client, "group.id": "bench", "enable.auto.commit": False})
        places = [TopicPartition(self._events, partition) for partition in range(PARTITIONS)]
        for place in places:
            place.offset = reader.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)[1]
        reader.assign(places)
        return reader


def _flush(producer: Producer) -> None:
    if (left := producer.flush(DELIVERY_SECONDS)) > 0:
        raise BenchError(f"Kafka did not acknowledge {left} messages within {DELIVERY_SECONDS} s")


def measure(command: Command, field: Field, surroundings: Mapping[str, str], log: Path, wish: Wish) -> Figures:
    field.preload(wish.messages)
    with closing(Worker(command, surroundings, log)) as worker:
        worker.until(lambda: field.sent() >= wish.messages * WARMING_MESSAGES, "first answers")
        before, cpu_before, started = field.sent(), worker.cpu_seconds(), time.perf_counter()
        worker.until(lambda: field.sent() >= wish.messages, "end of the drain")
        cpu, seconds = worker.cpu_seconds() - cpu_before, time.perf_counter() - started
        rss, drained = worker.rss_mb(), wish.messages - before
        cpu_before, started = worker.cpu_seconds(), time.perf_counter()
        latencies = field.pace(wish.messages, wish)
        share = (worker.cpu_seconds() - cpu_before) / (time.perf_counter() - started)
    settled = sorted(latencies[int(len(latencies) * WARMING_TIME) :])
    return Figures(
        msgs_per_cpu_s=drained / cpu,
        msgs_per_s=drained / seconds,
        rss_mb=rss,
        p50_ms=_percentile(settled, 0.50) * 1e3,
        p99_ms=_percentile(settled, 0.99) * 1e3,
        cpu_share=share,
    )


def rest(surroundings: Mapping[str, str], log: Path, seconds: float) -> float:
    """Of one core, what a worker with five services takes when there is nothing to do."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with closing(Worker(_REST, {**surroundings, variable("http_port"): str(port)}, log)) as worker:
        worker.until(lambda: _is_ready(port), "readiness")
        time.sleep(SETTLING_SECONDS)
        before, started = worker.cpu_seconds(), time.perf_counter()
        time.sleep(seconds)
        return (worker.cpu_seconds() - before) / (time.perf_counter() - started)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=1).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def _stack() -> Iterator[tuple[str, str]]:
    """Kafka's and the registry's address; the local parts leave with their data."""
    stack = Stack(Settings(data_dir=DATA_DIR))
    try:
        addresses = stack.up()
        yield addresses.kafka, addresses.registry
    finally:
        stack.down(purge=True)


def run(variants: Mapping[str, Command], rounds: int, wish: Wish) -> tuple[dict[str, list[Figures]], float | None]:
    """The figures of each variant, and what an engine at rest takes of a core, if an engine is among them."""
    found: dict[str, list[Figures]] = {name: [] for name in variants}
    resting = None
    with ExitStack() as exits:
        kafka, url = exits.enter_context(_stack())
        registry = exits.enter_context(closing(ConfluentRegistry({"url": url}, registers=True)))
        for number in range(rounds):
            for name, command in variants.items():
                environment = f"{name}-{number}".replace("_", "-")
                surroundings = _surroundings(environment, kafka, url)
                field = Field(kafka, registry, environment)
                field.make()
                shutil.rmtree(DATA_DIR / environment, ignore_errors=True)  # the state of an earlier run
                try:
                    log = DATA_DIR / f"{environment}.log"
                    found[name].append(measure(command, field, surroundings, log, wish))
                finally:
                    field.remove()
        if "engine" in variants:
            field = Field(kafka, registry, "rest")
            field.make()
            try:
                resting = rest(_surroundings("rest", kafka, url), DATA_DIR / "rest.log", wish.seconds)
            finally:
                field.remove()
    return found, resting


def _surroundings(environment: str, kafka: str, registry: str) -> dict[str, str]:
    return {
        variable("environment"): environment,
        variable("kafka_bootstrap"): kafka,
        variable("registry_url"): registry,
        variable("data_dir"): str(DATA_DIR / environment),
        # The baselines keep their state in memory, so that is what the ratios compare.
        variable("state_store"): "rocksdb" if "rocksdb" in environment else "memory",
    }


def _medians(rounds: Sequence[Figures]) -> dict[str, float]:
    each = [asdict(figures) for figures in rounds]
    return {name: round(median(figures[name] for figures in each), 3) for name in each[0]}


def report(found: Mapping[str, Sequence[Figures]], resting: float | None) -> dict[str, Any]:
    """One object for machines; a figure of what was not measured is null."""
    engine = _medians(found["engine"]) if "engine" in found else {}
    return {
        "msgs_per_cpu_s": engine.get("msgs_per_cpu_s"),
        "vs_idiomatic_faust": _ratio(found, "idiomatic"),
        "vs_librdkafka": _ratio(found, "librdkafka"),
        "p99_ms": engine.get("p99_ms"),
        "rss_mb": engine.get("rss_mb"),
        "idle_cpu_share": None if resting is None else round(resting, 3),
        "variants": {name: _medians(rounds) for name, rounds in found.items()},
    }


def _ratio(found: Mapping[str, Sequence[Figures]], baseline: str) -> float | None:
    """Messages per CPU second, the engine's to the baseline's: of each round, and then the median."""
    pairs = zip(found.get("engine", ()), found.get(baseline, ()), strict=False)
    ratios = [engine.msgs_per_cpu_s / other.msgs_per_cpu_s for engine, other in pairs]
    return round(median(ratios), 2) if ratios else None


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="for machines")
    arguments.add_argument("--variant", action="append", choices=[*_VARIANTS], help="only these")
    arguments.add_argument("--messages", type=int, default=200_000, help="in a drain")
    arguments.add_argument("--rate", type=int, default=1_000, help="messages a second")
    arguments.add_argument("--seconds", type=float, default=20.0, help="at that rate")
    arguments.add_argument("--rounds", type=int, default=3)
    wanted = arguments.parse_args()
    names = wanted.variant or list(_VARIANTS)
    wish = Wish(wanted.messages, wanted.rate, wanted.seconds)
    try:
        result = report(*run({name: _VARIANTS[name] for name in names}, wanted.rounds, wish))
    except OrderflowError as error:
        raise SystemExit(str(error)) from error
    if wanted.json:
        print(json.dumps(result))
        return
    for name, figures in result["variants"].items():
        print(name, figures)
    print(f"engine to idiomatic Faust: {result['vs_idiomatic_faust']}, to librdkafka: {result['vs_librdkafka']}")
    print(f"five services at rest: {result['idle_cpu_share']} of a core")


if __name__ == "__main__":
    main()
