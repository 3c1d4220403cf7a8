"""The catalogue: every message of the contract, found in the contexts that declare them."""

from types import MappingProxyType

from schemas import (
    checkout,
    customers,
    inventory,
    notifications,
    orders,
    payments,
    shipping,
    shopping,
    subscriptions,
)
from schemas.avsc import fullname
from schemas.message import Message

#: Bounded contexts, in the order that a customer meets them.
CONTEXTS = (shopping, checkout, inventory, payments, orders, shipping, notifications, subscriptions, customers)

MESSAGES: tuple[type[Message], ...] = tuple(
    declared
    for context in CONTEXTS
    for declared in vars(context).values()
    if isinstance(declared, type) and issubclass(declared, Message) and declared.__module__ == context.__name__
)

#: By Avro full name: what a writer's schema says that its record is.
BY_FULLNAME = MappingProxyType({fullname(message): message for message in MESSAGES})

#: Those that travel on a topic: commands and events.
RECORDS = tuple(message for message in MESSAGES if message.contract.topic is not None)
