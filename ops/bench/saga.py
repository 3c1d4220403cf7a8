"""What a checkout costs: carts that lie there already are drained, then carts come at a steady rate."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import psutil

from agents.catalogue import SERVICES
from ops import contract
from ops.bench.carts import cart, stock
from ops.bench.clock import Clock
from ops.environment import Say, register
from ops.reading import Part, Reader
from ops.rig.fleet import Fleet, told, workers
from ops.rig.publisher import Publisher
from ops.rig.slate import cleaned
from ops.settings import Settings, variable
from ops.stack import Stack
from ops.stack.borrowed import borrowed
from ops.stack.progress import Report
from schemas.topics import PARTITIONS
from streams.codec import Codec

#: Its own, because all that lies there is removed first.
ENVIRONMENT = "bench"
#: Of a steady rate the first part pays for caches and connections.
WARMING = 0.2


@dataclass(frozen=True, slots=True)
class Wish:
    """How much to measure."""

    carts: int
    rates: Sequence[int]
    seconds: float
    workers: int
    store: str


@dataclass(frozen=True, slots=True)
class Latency:
    """From CartCheckedOut to CheckoutCompleted, at a steady rate of checkouts a second."""

    rate: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the whole protocol with all its services, on the machine that the broker shares."""

    carts: int
    workers: int
    store: str
    sagas_per_s: float
    cpu_ms_per_saga: float
    #: On all topics, changelogs included.
    records_per_saga: float
    rss_mb: float
    paced: list[Latency]


def run(settings: Settings, report: Report, say: Say, wish: Wish) -> Figures:
    """Start what is missing, measure, and stop it again. Raises StalledError."""
    with ExitStack() as scope:
        addresses = scope.enter_context(borrowed(Stack(settings, report=report)))
        client, access = settings.kafka_client(addresses.kafka), settings.registry_client(addresses.registry)
        register(access, ENVIRONMENT, say)
        cleaned(client, ENVIRONMENT, SERVICES)
        codec = Codec(scope.enter_context(contract.opened(access)), ENVIRONMENT)
        publisher = scope.enter_context(Publisher(client, codec, ENVIRONMENT))
        for message in stock(_now()):
            publisher.send(message)
        for number in range(wish.carts):
            publisher.send(cart("drain", number, _now()))
        publisher.flush()
        say(f"preloaded {wish.carts} carts")
        directory = Path(scope.enter_context(TemporaryDirectory(prefix="orderflow-bench-")))
        clock = scope.enter_context(Clock(client, codec, ENVIRONMENT))
        surroundings = told(addresses, ENVIRONMENT, gateway="calm")
        surroundings |= {
            variable("gateway_ledger"): str(directory / "gateway.sqlite"),
            variable("state_store"): wish.store,
        }
        fleet = scope.enter_context(Fleet(workers(wish.workers), directory, surroundings))
        processes = [psutil.Process(pid) for pid in fleet.pids]
        fleet.await_shared([service.name for service in SERVICES], PARTITIONS)
        sagas_per_s, cpu_ms = _drained(clock, processes, wish.carts)
        rss = sum(process.memory_info().rss for process in processes) / 1e6
        say(f"drained   {sagas_per_s} sagas/s, {cpu_ms} ms of the workers' processor each")
        records = _records(client, codec) / wish.carts
        paced = [_paced(clock, publisher, rate, wish.seconds, say) for rate in wish.rates]
    return Figures(wish.carts, wish.workers, wish.store, sagas_per_s, cpu_ms, round(records, 1), round(rss, 1), paced)


def _drained(clock: Clock, processes: Sequence[psutil.Process], carts: int) -> tuple[float, float]:
    """From here to the last.

    All go through the first services before any goes through the last ones: what it costs from the first completed on
    is not the whole.
    """
    began, cpu = _now(), _cpu_seconds(processes)
    clock.await_completed(carts)
    spent, seconds = _cpu_seconds(processes) - cpu, (max(clock.completed.values()) - began) / 1_000
    return round(carts / seconds, 1), round(spent * 1_000 / carts, 3)


def _paced(clock: Clock, publisher: Publisher, rate: int, seconds: float, say: Say) -> Latency:
    count, run = int(rate * seconds), f"paced {rate} {_now()}"
    before, began = len(clock.completed), time.monotonic()
    carts = []
    for number in range(count):
        each = cart(run, number, _now())
        carts.append(each.cartId)
        while (left := began + number / rate - time.monotonic()) > 0:
            clock.look(min(left, 0.002))
        publisher.send(each)
    publisher.flush()
    clock.await_completed(before + count)
    spent = [clock.completed[each] - clock.published[each] for each in carts[int(count * WARMING) :]]
    cuts = quantiles(spent, n=100, method="inclusive")
    latency = Latency(rate, round(cuts[49], 1), round(cuts[94], 1), round(cuts[98], 1))
    say(f"at {rate}/s  p50 {latency.p50_ms} ms, p95 {latency.p95_ms} ms, p99 {latency.p99_ms} ms")
    return latency


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def _records(client: dict[str, str], codec: Codec) -> int:
    """All that lies in the environment."""
    with Reader(client, codec) as reader:
        there = reader.topics().items()
        parts = [Part(name, number) for name, count in there if f".{ENVIRONMENT}" in name for number in range(count)]
        return sum(end - first for first, end in reader.bounds(parts).values())


def _now() -> int:
    return time.time_ns() // 1_000_000
