"""How long a worker takes to have all of its state again: read from the changelog, or found on its disk.

The changelog of the counting service (bench/counting.py) is filled with one record for each key; then an engine starts
three times: with its state in memory, with an empty RocksDB, and with the RocksDB that the second one left.

python -m bench.recovery --keys 1000000
"""

import argparse
import asyncio
import json
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from bench.counting import counter, order
from ops.settings import Settings
from ops.stack import Stack
from schemas.topics import PARTITIONS
from streams.changelog import MARKER_KEY, Marker, Record, encode
from streams.confluent import ConfluentRegistry
from streams.hosting import Hosted
from streams.kafka.engine import KafkaEngine, Site
from streams.kafka.topics import changelog_of, internal_topics
from streams.partitioner import partition_of
from streams.producer import SETTINGS
from streams.state import StateCodec
from streams.step import Entry
from streams.stores import Stores
from streams.stores.memory import MemoryStores
from streams.stores.rocks import RocksStores
from streams.topics import TopicAdmin, plan, wanted

DATA_DIR = Path(__file__).parent.parent / ".orderflow" / "bench-recovery"
ENVIRONMENT = "recovery"
TARGET_SECONDS = 60.0
PATIENCE_SECONDS = 600.0
GLANCE_SECONDS = 0.05


def fill(client: Mapping[str, str], keys: int) -> int:
    """What a service that met so many keys would have left; how many bytes that is."""
    changelog, codec = changelog_of(counter.name, ENVIRONMENT), StateCodec(counter)
    producer = Producer({**SETTINGS, **client, "linger.ms": 5})
    origin = order(0).meta
    written = 0
    for number in range(keys):
        key = f"{number:08x}-0000-4000-8000-000000000000"
        entry = Entry(version=1_700_000_000_000, state=1, absorbed={"orders.commands": number}, origin=origin)
        value = encode(Record(1, number + 1, number, codec.encode(key, entry)))
        written += len(value)
        while True:
            try:
                producer.produce(changelog, value, key, partition_of(key.encode(), PARTITIONS))
                break
            except BufferError:
                producer.poll(0.1)
    for partition in range(PARTITIONS):
        producer.produce(changelog, encode(Marker(1, keys, keys, {})), MARKER_KEY, partition)
    if left := producer.flush(PATIENCE_SECONDS):
        raise TimeoutError(f"Kafka did not take {left} records")
    return written


async def recover(site: Site) -> dict[str, float]:
    engine = KafkaEngine(Hosted(counter), site)
    process = psutil.Process()
    started, cpu = time.perf_counter(), time.process_time()
    await engine.start()
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (engine.status().partitions and engine.status().recovered):
            if engine.failure is not None:
                raise engine.failure
            if time.monotonic() > deadline:
                raise TimeoutError(f"not recovered within {PATIENCE_SECONDS:.0f} s: {engine.status()}")
            await asyncio.sleep(GLANCE_SECONDS)
        seconds = time.perf_counter() - started
    finally:
        await engine.stop()
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "records": engine.counters.restored,
        "rss_mb": round(process.memory_info().rss / 1e6),
    }


def run(keys: int) -> dict[str, Any]:
    with ExitStack() as exits:
        stack = Stack(Settings(data_dir=DATA_DIR))
        exits.callback(stack.down, purge=True)
        addresses = stack.up()
        client = {"bootstrap.servers": addresses.kafka}
        registry = exits.enter_context(closing(ConfluentRegistry({"url": addresses.registry}, registers=True)))
        topics = [wanted(topic, ENVIRONMENT, brokers=1) for topic in counter.topics]
        topics += internal_topics(counter, ENVIRONMENT, brokers=1)
        TopicAdmin(client).apply(plan(topics, {}), topics)
        shutil.rmtree(DATA_DIR / "state", ignore_errors=True)  # of an earlier run
        found: dict[str, Any] = {"keys": keys, "megabytes": round(fill(client, keys) / 1e6)}
        places: list[tuple[str, Stores]] = [
            ("memory", MemoryStores()),
            ("rocksdb_empty", RocksStores(DATA_DIR / "state", partitions=PARTITIONS)),
            ("rocksdb_kept", RocksStores(DATA_DIR / "state", partitions=PARTITIONS)),
        ]
        for name, stores in places:
            site = Site(environment=ENVIRONMENT, client=client, registry=registry, stores=stores)
            found[name] = asyncio.run(recover(site))
        return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="for machines")
    arguments.add_argument("--keys", type=int, default=1_000_000)
    wish = arguments.parse_args()
    found = run(wish.keys)
    if wish.json:
        print(json.dumps(found))
        return
    print(f"{found['keys']} keys, {found['megabytes']} MB of changelog")
    for name in ("memory", "rocksdb_empty", "rocksdb_kept"):
        verdict = "ok" if found[name]["seconds"] < TARGET_SECONDS else f"MORE THAN {TARGET_SECONDS:.0f} s"
        print(f"{name}: {found[name]} ({verdict})")


if __name__ == "__main__":
    main()
