"""What a worker finds out before it starts anything, on a real broker and registry."""

import pytest

from ops.stack.ports import choose
from ops.worker.checks import UnfitError
from schemas.avsc import avro_schema, fullname
from schemas.catalogue import RECORDS
from schemas.orders import CancelOrder, ConfirmOrder, OrderCancelled, OrderConfirmed, OrderCreated
from schemas.shopping import ProductListed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PRODUCTS_STATE
from streams.errors import RegistryUnavailableError
from streams.registry import subject_of
from streams.topics import UnreachableError
from tests import topics
from tests.ops.worker.conftest import MESSAGES, World
from tests.streams.pricing import pricing

pytestmark = pytest.mark.connected


def test_where_all_is_as_declared_the_services_own_topics_are_made_and_found_again(world: World) -> None:
    world.make_topics()
    world.register(*MESSAGES)
    for _ in range(2):
        world.check()
        names = [f"patience.{world.environment}{end}" for end in ("-state-changelog", ".dlq", ".own")]
        assert world.own_topics() == names


def test_what_is_missing_is_listed_with_the_commands_that_make_it_and_nothing_is_begun(world: World) -> None:
    env, missing = world.environment, [fullname(each) for each in RECORDS if each in MESSAGES]
    with pytest.raises(UnfitError) as unfit:
        world.check()
    assert unfit.value.problems == (
        f"topics are missing: orders.{env}.commands, orders.{env}.events; run: orderflow topics sync",
        f"the registry has no schema of {', '.join(missing)}; run: orderflow schemas register",
    )
    assert world.own_topics() == []


def test_topics_that_lie_apart_are_refused_because_their_keys_would(world: World) -> None:
    topics.make(world.stack.kafka, ORDERS_EVENTS.name(world.environment), partitions=5)
    topics.make(world.stack.kafka, ORDERS_COMMANDS.name(world.environment), partitions=4)
    world.register(*MESSAGES)
    with pytest.raises(UnfitError, match=rf"orders\.{world.environment}\.events has 5 partitions .* contract says 4"):
        world.check()


def test_reference_data_must_be_there_like_inputs_but_may_be_divided_otherwise(world: World) -> None:
    name = PRODUCTS_STATE.name(world.environment)
    world.make_topics()
    world.register(ConfirmOrder, OrderConfirmed)
    with pytest.raises(UnfitError) as unfit:
        world.check(pricing)
    assert unfit.value.problems == (
        f"topics are missing: {name}; run: orderflow topics sync",
        f"the registry has no schema of {fullname(ProductListed)}; run: orderflow schemas register",
    )
    topics.make(world.stack.kafka, name, partitions=7)
    world.register(ProductListed)
    world.check(pricing)


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
