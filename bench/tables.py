"""What a checkout costs the processor when the tables hold many finished ones already.

All services of the pipeline with all of their partitions run in one process, and of a worker everything but Faust,
librdkafka and the calls to the gateway: topics are lists, and what is written is acknowledged at once. A few checkouts
run until the goods are delivered; copies of what they leave, each under ids of its own, fill the stores; then the
partitions begin a new life, as after a restart, and more checkouts are measured. Few and many finished ones have a
process each and take turns.

python -m bench.tables --sagas 1000000
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from struct import Struct
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil

from agents.catalogue import SERVICES
from bench.lanes import BenchError, Broker, Lane, Place
from ops.bench.carts import cart, stock
from ops.worker.process import settle
from ops.worker.surroundings import rocks_stores
from schemas.avsc import avro_schema
from schemas.catalogue import RECORDS
from schemas.checkout import CheckoutCompleted
from schemas.identity import checkout_id, derived_id
from schemas.message import Message, Meta
from schemas.shipping import ShipmentDelivered
from schemas.topics import CHECKOUT_EVENTS, PARTITIONS
from streams.codec import Codec
from streams.kafka.wire import Codecs
from streams.own import OwnCodec
from streams.partitioner import partition_of
from streams.registry import subject_of
from streams.service import Service
from streams.state import StateCodec, header
from streams.tables import Latest
from streams.testing.registry import MemoryRegistry

ENVIRONMENT = "tables"
#: What many are compared with, and how much dearer a checkout may be.
FEW, TARGET = 1_000, 1.20
ROUNDS = 5
#: Checkouts whose entries are copied.
SEEDS = 200
#: Checkouts of a new life that pay for its caches: enough to meet every product.
WARMING = 400
#: Carts that come at once: a worker that keeps up reads small rounds.
WAVE = 100
#: When the first cart comes, in millis. Each comes a milli after the one before, so no retention ends meanwhile.
START = 1_700_000_000_000
COPIES_AT_ONCE = 1_000
PROGRESS_SECONDS = 5.0
#: A process whose threads use so little, for so long, has nothing left to flush or to compact.
REST_SECONDS, REST_CPU_SECONDS = 0.25, 0.005
PATIENCE_SECONDS, STOP_SECONDS = 3_600.0, 30.0

#: As an entry has its times, both in its head and in its fields.
_MILLIS = Struct(">q")

#: Hears how many of how many are there.
Progress = Callable[[int, int], None]


class Filled(NamedTuple):
    seconds: float
    store_mb: float


class Measured(NamedTuple):
    ms_per_saga: float
    rss_mb: float


class Pipeline:
    """All services, with their stores under a directory; between `fill` and `close` as a worker is that owns all."""

    def __init__(self, directory: Path) -> None:
        registry = MemoryRegistry()
        for kind in RECORDS:
            registry.register(subject_of(kind, ENVIRONMENT), avro_schema(kind))
        self.stores = rocks_stores(directory)
        self._codec = Codec(registry, ENVIRONMENT)
        self._broker = Broker(START)
        self.lanes = [
            Lane(codecs, number, self._broker)
            for codecs in (_codecs(service, registry) for service in SERVICES)
            for number in range(PARTITIONS)
        ]
        events = CHECKOUT_EVENTS.name(ENVIRONMENT)
        self._events = [self._broker.reader((events, number)) for number in range(PARTITIONS)]

    def fill(self, sagas: int, progress: Progress) -> None:
        """Have so many finished checkouts in the tables, and own them as after a restart."""
        self._begin()
        self._publish([self._encoded(message) for message in stock(START)])
        self._drain()
        carts = [cart("seed", number, START).cartId for number in range(min(SEEDS, sagas))]
        self.run("seed", len(carts))
        # Only what is with the customer is over: until then three services keep it without an end.
        self._publish([self._encoded(_delivered(cart_id)) for cart_id in carts])
        self._drain()
        self.close()
        self._copy(list(map(_ids, carts)), sagas - len(carts), progress)
        self._begin()
        # Every service that keeps something of a checkout keeps it for a while after its end, and no longer.
        wakes = self.wakes()
        if set(wakes.values()) != {sagas}:
            raise BenchError(
                f"{sagas} finished checkouts should wait for their retention to end, but there are {wakes}"
            )

    def measure(self, run: str, sagas: int) -> float:
        """Millis of the processor for each checkout, RocksDB's own threads included: they merge what was written."""
        wait_for_rest()
        spent = self.run(run, sagas)
        before = time.process_time()
        wait_for_rest()
        return (spent + time.process_time() - before) * 1_000 / sagas

    def wakes(self) -> Counter[str]:
        """By service, the keys that have something to come by themselves."""
        wakes: Counter[str] = Counter()
        for lane in self.lanes:
            if waiting := len(lane.owner.partition.wakes):
                wakes[lane.group.name] += waiting
        return wakes

    def close(self) -> None:
        for lane in self.lanes:
            lane.end()

    def _begin(self) -> None:
        for lane in self.lanes:
            lane.begin(self.stores)

    def run(self, run: str, sagas: int) -> float:
        """Seconds of the processor from the first cart to the last checkout's end."""
        carts = [self._encoded(cart(run, number, self._broker.now + number)) for number in range(sagas)]
        before = time.process_time()
        for start in range(0, sagas, WAVE):
            self._publish(carts[start : start + WAVE])
            self._drain()
        spent = time.process_time() - before
        completed = 0
        for inbox in self._events:
            completed += sum(self._codec.type_of(record.value()) is CheckoutCompleted for record in inbox)
            inbox.clear()
        if completed != sagas:
            raise BenchError(f"of {sagas} checkouts {completed} were completed")
        return spent

    def _encoded(self, message: Message) -> tuple[str, bytes, bytes]:
        topic, key = message.contract.topic, message.record_key
        assert topic is not None  # noqa: S101 - carts and stock travel
        assert key is not None  # noqa: S101 - and have keys
        return topic.name(ENVIRONMENT), key.encode(), self._codec.encode(message)

    def _publish(self, records: Iterable[tuple[str, bytes, bytes]]) -> None:
        for topic, key, value in records:
            self._broker.now += 1
            self._broker.produce(topic, value, key, partition_of(key, PARTITIONS))

    def _drain(self) -> None:
        # Each has its turn, not only those up to the first that is busy.
        while sum(lane.turn() for lane in self.lanes):
            pass

    def _copy(self, seeds: Sequence[tuple[bytes, ...]], copies: int, progress: Progress) -> None:
        """Fill the stores with what finished checkouts left: the entries of the seeds, under other ids."""
        with ExitStack() as exits:
            stores = {
                (lane.group.name, lane.number): self.stores.open(lane.group.name, lane.number) for lane in self.lanes
            }
            for store in stores.values():
                exits.callback(store.close)
            entries: defaultdict[bytes, list[tuple[str, bytes]]] = defaultdict(list)
            for (group, _), store in stores.items():
                for key, raw in store.scan():
                    entries[key].append((group, raw))
            for start in range(0, copies, COPIES_AT_ONCE):
                end = min(start + COPIES_AT_ONCE, copies)
                batches: defaultdict[Place, list[tuple[bytes, bytes | None]]] = defaultdict(list)
                for number in range(start, end):
                    old = seeds[number % len(seeds)]
                    new = _ids(derived_id("copy", number))
                    for old_key, key in zip(old, new, strict=True):
                        partition = partition_of(key, PARTITIONS)
                        for group, raw in entries[old_key]:
                            batches[group, partition].append((key, _copied(raw, old, new, number)))
                for place, batch in batches.items():
                    stores[place].write(batch)
                progress(end, copies)


def _codecs(service: Service[Any, Any], registry: MemoryRegistry) -> Codecs:
    reading = service.reading(Latest(service.reads))
    return Codecs(reading, ENVIRONMENT, Codec(registry, ENVIRONMENT), OwnCodec(service), StateCodec(service))


def _delivered(cart_id: str) -> ShipmentDelivered:
    order_id = checkout_id(cart_id, 1)
    meta = Meta(messageId=f"carrier/{order_id}")
    return ShipmentDelivered(shipmentId=derived_id("shipment", order_id), orderId=order_id, meta=meta)


def _ids(cart_id: str) -> tuple[bytes, ...]:
    """All keys that belong to a checkout."""
    return cart_id.encode(), checkout_id(cart_id, 1).encode()


def _copied(raw: bytes, old: Sequence[bytes], new: Sequence[bytes], number: int) -> bytes:
    """The same of another checkout, which ended so many millis earlier: no two end, and are forgotten, at once."""
    for before, after in zip(old, new, strict=True):
        raw = raw.replace(before, after)
    due = header(raw).due
    assert due is not None  # noqa: S101 - what is over is forgotten at some time
    return raw.replace(_MILLIS.pack(due), _MILLIS.pack(due - number))


def wait_for_rest() -> None:
    """Until RocksDB has done what it had put off."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        before = time.process_time()
        time.sleep(REST_SECONDS)
        if time.process_time() - before < REST_CPU_SECONDS:
            return
    raise BenchError(f"RocksDB was still at work after {PATIENCE_SECONDS:.0f} s")


class Teller:
    """Progress for a person, on stderr."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def __call__(self, done: int, wanted: int) -> None:
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS and done < wanted:
            return
        self._told = now
        rate = done / (now - self._began)
        left = (wanted - done) / rate
        print(f"filled {done} of {wanted}: {rate:.0f} a second, {left:.0f} s to go", file=sys.stderr, flush=True)


class Town:
    """A process with so many finished checkouts in its tables."""

    def __init__(self, directory: Path, sagas: int) -> None:
        # Not a fork: that would share what the other one has.
        context = get_context("spawn")
        self._told, asked = context.Pipe()
        self._process = context.Process(target=_serve, args=(directory, sagas, asked), daemon=True)
        self._process.start()
        asked.close()  # or its end would not be noticed here
        self.filled: Filled = self._hear()

    def measure(self, sagas: int) -> Measured:
        self._told.send(sagas)
        measured: Measured = self._hear()
        return measured

    def close(self) -> None:
        self._told.close()
        self._process.join(STOP_SECONDS)
        self._process.kill()

    def _hear(self) -> Any:
        if not self._told.poll(PATIENCE_SECONDS):
            raise BenchError(f"nothing was heard of a process for {PATIENCE_SECONDS:.0f} s")
        try:
            return self._told.recv()
        except EOFError:
            raise BenchError("a process ended; above it says why") from None


def _serve(directory: Path, sagas: int, asked: "Connection[Any, Any]") -> None:
    """Fill the tables, then measure as often as it is asked for, until nobody asks any more."""
    began = time.monotonic()
    with closing(Pipeline(directory)) as pipeline:
        settle()
        pipeline.fill(sagas, Teller())
        pipeline.run("warm", WARMING)
        wait_for_rest()
        size = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
        asked.send(Filled(time.monotonic() - began, size / 1e6))
        for number in count():
            try:
                wanted = asked.recv()
            except EOFError:
                return
            spent = pipeline.measure(f"measured {number}", wanted)
            asked.send(Measured(spent, psutil.Process().memory_info().rss / 1e6))


def compare(sagas: int, measured: int) -> dict[str, float]:
    with ExitStack() as exits:
        directory = Path(exits.enter_context(TemporaryDirectory(prefix="orderflow-bench-")))
        small = exits.enter_context(closing(Town(directory / "small", FEW)))
        large = exits.enter_context(closing(Town(directory / "large", sagas)))
        rounds = []
        for number in range(1, ROUNDS + 1):
            few, many = small.measure(measured), large.measure(measured)
            rounds.append((few.ms_per_saga, many.ms_per_saga))
            said = f"round {number} of {ROUNDS}: {few.ms_per_saga:.3f} and {many.ms_per_saga:.3f} ms a checkout"
            print(said, file=sys.stderr, flush=True)
    small_ms, large_ms = map(median, zip(*rounds, strict=True))
    return {
        "sagas": sagas,
        "ms_per_saga_small": round(small_ms, 3),
        "ms_per_saga_large": round(large_ms, 3),
        "ratio": round(large_ms / small_ms, 3),
        "rss_mb": round(many.rss_mb, 1),
        "store_mb": round(large.filled.store_mb, 1),
        "fill_seconds": round(large.filled.seconds, 1),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="for machines")
    arguments.add_argument("--sagas", type=int, default=1_000_000, help="finished ones in the tables")
    arguments.add_argument("--measured", type=int, default=2_000, help="more of them, in each round")
    wish = arguments.parse_args()
    found = compare(wish.sagas, wish.measured)
    if wish.json:
        print(json.dumps(found))
        return
    verdict = "ok" if found["ratio"] <= TARGET else f"MORE THAN {TARGET}"
    print(f"finished checkouts  {FEW:>10}  {wish.sagas:>10}")
    print(f"ms a checkout       {found['ms_per_saga_small']:>10}  {found['ms_per_saga_large']:>10}")
    print(f"ratio               {'':>10}  {found['ratio']:>10}  ({verdict})")
    print(f"MB in memory        {'':>10}  {found['rss_mb']:>10}")
    print(f"MB on disk          {'':>10}  {found['store_mb']:>10}  (filled in {found['fill_seconds']} s)")


if __name__ == "__main__":
    main()
