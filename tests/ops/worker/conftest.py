"""A broker and a registry as a worker finds them."""

from contextlib import closing
from typing import Any

import pytest

from examples.python.patience import patience
from ops.settings import Settings
from ops.stack import Addresses
from ops.worker.checks import Checks
from ops.worker.surroundings import Surroundings
from schemas.avsc import avro_schema
from schemas.message import Message
from schemas.orders import CancelOrder, OrderCancelled, OrderConfirmed, OrderCreated
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS
from streams.confluent import ConfluentRegistry
from streams.registry import subject_of
from streams.service import Service
from streams.topics import plan, wanted
from tests import topics

MESSAGES: tuple[type[Message], ...] = (CancelOrder, OrderCancelled, OrderConfirmed, OrderCreated)


class World:
    """A broker and a registry with what a test put there, under an environment of its own."""

    def __init__(self, stack: Addresses, environment: str) -> None:
        self.environment = environment
        self.stack = stack

    def make_topics(self) -> None:
        admin = topics.admin(self.stack.kafka)
        declared = [wanted(topic, self.environment, brokers=1) for topic in (ORDERS_COMMANDS, ORDERS_EVENTS)]
        admin.apply(plan(declared, {}), declared)

    def register(self, *messages: type[Message]) -> None:
        for message in messages:
            self.put(message, avro_schema(message))

    def put(self, message: type[Message], schema: dict[str, Any]) -> None:
        with closing(ConfluentRegistry({"url": self.stack.registry})) as registry:
            registry.register(subject_of(message, self.environment), schema)

    def check(self, *services: Service[Any, Any], kafka: str | None = None, registry: str | None = None) -> None:
        Checks(
            services or [patience],
            Surroundings(
                Settings(environment=self.environment),
                {"bootstrap.servers": kafka or self.stack.kafka},
                {"url": registry or self.stack.registry},
            ),
        )()

    def own_topics(self) -> list[str]:
        counts = topics.admin(self.stack.kafka).partition_counts()
        return sorted(name for name in counts if name.startswith(f"patience.{self.environment}"))


@pytest.fixture
def world(stack: Addresses, unique: str) -> World:
    return World(stack, unique)
