"""Our engine with the outside of the scenarios: what `orderflow worker` hosts when they start one."""

import os
from pathlib import Path
from typing import Any

from ops.worker.surroundings import Surroundings
from streams.confluent import ConfluentRegistry
from streams.kafka import plane
from streams.kafka.engine import KafkaEngine, Site
from streams.service import Service
from streams.stores.memory import MemoryStores
from tests.wounds.service import GATE, Authorize, authorize

# So that a scenario needn't wait for the default to pass.
plane.TOPICS_SECONDS = 1.0


def engine(service: Service[Any, Any], surroundings: Surroundings) -> KafkaEngine:
    settings, gate = surroundings.settings, Path(os.environ[GATE])
    site = Site(
        environment=settings.environment,
        client=surroundings.kafka,
        registry=ConfluentRegistry(surroundings.registry),
        # A scenario starts each worker on a disk of its own, so all that counts is in the changelog anyway.
        stores=MemoryStores(),
        session_seconds=settings.session_seconds,
    )
    return KafkaEngine(service, site, perform={Authorize: lambda effect, _: authorize(effect, gate)})
