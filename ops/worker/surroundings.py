"""What an engine is built from beside its service, and who builds it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ops.settings import Settings
from streams.confluent import ConfluentRegistry
from streams.hosting import Hosted
from streams.kafka.engine import KafkaEngine, Site
from streams.kafka.status import Engine
from streams.kafka.thread import DataThread
from streams.stores import Stores
from streams.stores.memory import MemoryStores
from streams.stores.rocks import RocksStores
from streams.tracing import Tracer

#: Of all services of a process together: what RocksDB's budget of buffers is divided by.
MOST_PARTITIONS = 64


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The same for every service of the process."""

    settings: Settings
    #: What clients of Kafka and of the registry need to reach them.
    kafka: dict[str, str]
    registry: dict[str, str]
    tracer: Tracer | None = None


EngineFactory = Callable[[Hosted, Surroundings], Engine]


def kafka_engine(hosted: Hosted, surroundings: Surroundings) -> Engine:
    """THE place where the engine on Kafka is built; nothing else in ops knows what it is made of."""
    settings = surroundings.settings
    return KafkaEngine(
        hosted,
        Site(
            environment=settings.environment,
            client=surroundings.kafka,
            registry=ConfluentRegistry(surroundings.registry),
            stores=_stores(settings.state_store, settings.data_dir),
            standbys=settings.standbys,
            session_seconds=settings.session_seconds,
            cloudevents=settings.cloudevents_topics,
            tracer=surroundings.tracer,
            thread=_thread(tuple(surroundings.kafka.items())),
        ),
    )


@cache
def _thread(client: tuple[tuple[str, str], ...]) -> DataThread:
    """One for the process."""
    return DataThread(dict(client))


@cache
def _stores(kind: str, directory: Path) -> Stores:
    """One for the process: its services share a cache."""
    if kind == "memory":
        return MemoryStores()
    return rocks_stores(directory)


def rocks_stores(directory: Path) -> RocksStores:
    """Under a data directory."""
    return RocksStores(directory / "state", partitions=MOST_PARTITIONS)
