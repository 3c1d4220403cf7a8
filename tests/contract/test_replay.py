"""What was decided on is not decided on again because somebody published it once more."""

from typing import Any

from schemas import topics
from schemas.message import Message
from schemas.orders import ConfirmOrder
from streams.service import Service
from tests.contract.services import clerk, orders
from tests.contract.test_twin import create, id_of
from tests.contract.worlds import MakeWorld, World

KEYS = [id_of(number) for number in range(1, 9)]
SERVICES: tuple[Service[Any, Any], ...] = (orders, clerk)
TOPICS = (topics.ORDERS_COMMANDS, topics.ORDERS_EVENTS)


def said(world: World) -> dict[str, list[Message]]:
    return {topic.domain + topic.channel: world.messages(topic) for topic in TOPICS}


def test_copies_of_all_that_was_said_change_nothing(make_world: MakeWorld) -> None:
    world = make_world(*SERVICES)
    world.publish(*(create(number, total=2) for number in range(1, 9)))
    world.run()
    states = {service.name: world.states(service) for service in SERVICES}
    assert {order.status for order in states["orders"].values()} == {"CONFIRMED"}
    before = said(world)
    world.copy(*(message for topic in TOPICS for message in world.messages(topic)))
    world.run()
    assert {service.name: world.states(service) for service in SERVICES} == states
    assert {name: len(messages) for name, messages in said(world).items()} == {
        name: 2 * len(messages) for name, messages in before.items()
    }
    assert [world.dead_letters(service) for service in SERVICES] == [[], []]


def test_a_copy_is_skipped_even_where_nobody_has_seen_its_origin(make_world: MakeWorld) -> None:
    world = make_world(*SERVICES)
    world.copy(*(create(number, total=2) for number in range(1, 9)))
    world.run()
    assert world.states(orders) == {}
    assert world.messages(topics.ORDERS_EVENTS) == []


def test_what_follows_a_copy_is_decided_on(make_world: MakeWorld) -> None:
    world = make_world(orders)
    world.publish(*(create(number, total=3) for number in range(1, 9)))
    world.copy(*(ConfirmOrder(orderId=key) for key in KEYS))
    world.publish(*(ConfirmOrder(orderId=key) for key in KEYS[:4]))
    world.until(lambda: sum(order.status == "CONFIRMED" for order in world.states(orders).values()) == 4)
    assert {key for key, order in world.states(orders).items() if order.status == "CONFIRMED"} == set(KEYS[:4])
