"""The smallest service that does what all do: read a state, write it, send one message for each that comes."""

from dataclasses import replace

from schemas.examples import example_of
from schemas.message import Meta
from schemas.orders import CreateOrder, OrderConfirmed
from streams.decision import Decision
from streams.service import Service

#: Each is met again and again, yet seldom twice in one round.
KEYS = 10_000

_EXAMPLE = example_of(CreateOrder)


def count(state: int | None, message: CreateOrder, at: int) -> Decision[int]:
    """Confirm the order under the number of times that its key was met."""
    met = (state or 0) + 1
    confirmed = OrderConfirmed(
        orderId=message.orderId or "",
        customerId=message.customerId,
        confirmationNumber=f"ORD-{met:08d}",
        total=message.total,
        currency=message.currency,
        confirmedAt=at,
        meta=message.meta,
    )
    return Decision(met, sends=(confirmed,))


counter = Service(name="counter", state=int, decide=count, sends=(OrderConfirmed,))

#: What a small worker hosts: each a group of its own.
five = tuple(replace(counter, name=f"counter-{number}") for number in range(5))


def order(number: int) -> CreateOrder:
    """The message of that number; it comes back as the total of what the service sends."""
    key = f"{number % KEYS:08x}-0000-4000-8000-000000000000"
    return _EXAMPLE.model_copy(update={"orderId": key, "total": number, "meta": Meta(messageId=f"bench:{number}")})
