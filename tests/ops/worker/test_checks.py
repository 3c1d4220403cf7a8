"""What a worker finds out before it starts anything, on a real broker and registry."""

from contextlib import closing
from typing import Any

import pytest

from examples.python.patience import patience
from ops.settings import Settings
from ops.stack import Addresses
from ops.stack.ports import choose
from ops.worker.checks import Checks, UnfitError
from ops.worker.surroundings import Surroundings
from schemas.avsc import avro_schema
from schemas.message import Message
from schemas.orders import CancelOrder, OrderCancelled, OrderConfirmed, OrderCreated
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS
from streams.confluent import ConfluentRegistry
from streams.errors import RegistryUnavailableError
from streams.registry import subject_of
from streams.topics import UnreachableError, plan, wanted
from tests import topics

MESSAGES: tuple[type[Message], ...] = (CancelOrder, OrderCancelled, OrderConfirmed, OrderCreated)

pytestmark = pytest.mark.connected


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

    def check(self, *, kafka: str | None = None, registry: str | None = None) -> None:
        Checks(
            [patience],
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


def test_where_all_is_as_declared_the_services_own_topics_are_made_and_found_again(world: World) -> None:
    world.make_topics()
    world.register(*MESSAGES)
    for _ in range(2):
        world.check()
        names = [f"patience.{world.environment}{end}" for end in ("-state-changelog", ".dlq", ".own")]
        assert world.own_topics() == names


def test_what_is_missing_is_listed_with_the_commands_that_make_it_and_nothing_is_begun(world: World) -> None:
    env = world.environment
    with pytest.raises(UnfitError) as unfit:
        world.check()
    assert unfit.value.problems == (
        f"topics are missing: orders.{env}.commands, orders.{env}.events; run: orderflow topics sync",
        "the registry has no schema of "
        "orders.CancelOrder, orders.OrderCancelled, orders.OrderConfirmed, orders.OrderCreated; "
        "run: orderflow schemas register",
    )
    assert world.own_topics() == []


def test_topics_that_lie_apart_are_refused_because_their_keys_would(world: World) -> None:
    topics.make(world.stack.kafka, ORDERS_EVENTS.name(world.environment), partitions=5)
    topics.make(world.stack.kafka, ORDERS_COMMANDS.name(world.environment), partitions=4)
    world.register(*MESSAGES)
    with pytest.raises(UnfitError, match=rf"orders\.{world.environment}\.events has 5 partitions .* contract says 4"):
        world.check()


def test_own_topics_that_somebody_made_otherwise_are_refused(world: World) -> None:
    world.make_topics()
    world.register(*MESSAGES)
    topics.make(world.stack.kafka, f"patience.{world.environment}-state-changelog", partitions=3)
    with pytest.raises(UnfitError, match=r"-state-changelog: partitions 3 -> 4 \(keys would move away"):
        world.check()


def test_a_version_that_we_could_not_read_is_refused(world: World) -> None:
    world.make_topics()
    world.register(CancelOrder, OrderCancelled, OrderConfirmed)
    theirs = avro_schema(OrderCreated)
    stranger = {"name": "customsCode", "type": "string"}  # no default, so neither side reads what lacks it
    world.put(OrderCreated, {**theirs, "fields": [*theirs["fields"], stranger]})
    with pytest.raises(UnfitError, match="OrderCreated: the registry's version and ours can't read each other"):
        world.check()


def test_what_we_send_must_be_registered_as_we_send_it(world: World) -> None:
    world.make_topics()
    world.register(OrderCancelled, OrderConfirmed, OrderCreated)
    ours = avro_schema(CancelOrder)
    added = {"name": "addedLater", "type": ["null", "string"], "default": None}
    world.put(CancelOrder, {**ours, "fields": [*ours["fields"], added]})
    subject = subject_of(CancelOrder, world.environment)
    with pytest.raises(UnfitError, match=rf"{subject}: our version is not in the registry"):
        world.check()


def test_a_broker_or_registry_that_is_away_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.topics.REACH_SECONDS", 1.0)
    nobody = f"127.0.0.1:{choose(1)}"
    with pytest.raises(UnreachableError, match=nobody):
        world.check(kafka=nobody)
    world.make_topics()
    with pytest.raises(RegistryUnavailableError, match=nobody):
        world.check(registry=f"http://{nobody}")
