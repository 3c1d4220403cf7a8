"""Its tests, on the twin: no Kafka, no waiting."""

from examples.python.patience import PATIENCE, patience
from schemas.examples import example_of
from schemas.orders import OrderConfirmed, OrderCreated
from schemas.topics import ORDERS_COMMANDS
from streams.memory.twin import Twin, by_chance
from streams.testing.purity import guarded

CREATED, CONFIRMED = example_of(OrderCreated), example_of(OrderConfirmed)


def cancelled(*messages: OrderCreated | OrderConfirmed) -> list[str | None]:
    """Whom it cancels, though the process dies at every twentieth step."""
    twin = Twin([guarded(patience)], crash=by_chance(seed=1, one_in=20))
    for message in messages:
        twin.publish(message)
    twin.run(until=PATIENCE)
    return [message.record_key for message in twin.messages(ORDERS_COMMANDS)]


def test_an_order_that_nobody_confirms_is_cancelled() -> None:
    assert set(cancelled(CREATED)) == {CREATED.orderId}


def test_a_confirmed_order_is_left_alone() -> None:
    assert cancelled(CREATED, CONFIRMED) == []
