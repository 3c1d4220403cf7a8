"""What an engine is built from beside its service, and who builds it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ops.settings import Settings
from schemas.errors import OrderflowError
from streams.kafka.status import Engine
from streams.service import Service
from streams.tracing import Tracer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The same for every service of the process."""

    settings: Settings
    #: What clients of Kafka and of the registry need to reach them.
    kafka: dict[str, str]
    registry: dict[str, str]
    tracer: Tracer | None = None


EngineFactory = Callable[[Service[Any, Any], Surroundings], Engine]


class NoEngineError(OrderflowError):
    """The service is declared, and nothing can run it on Kafka."""


def kafka_engine(service: Service[Any, Any], surroundings: Surroundings) -> Engine:
    """THE place where the engine on Kafka is built; nothing else in ops knows what it is made of."""
    where = surroundings.kafka["bootstrap.servers"]
    raise NoEngineError(f"{service.name}: there is no engine for Kafka at {where} yet; run it in the twin")
