"""Every topic of the business, declared once: who it is, what its records are keyed by, how long they stay."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

ENVIRONMENT = re.compile(r"[a-z0-9-]{1,20}")

#: One checkout attempt has one identity, so its records lie on the same partition number of every topic. Only topics
#: with the same count can keep that promise, hence one count for all of them.
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the contract; its name holds a place for the environment."""

    domain: str
    channel: Literal["commands", "events", "state"]
    #: What the record key is, in the catalogue's words.
    key: str
    retention: timedelta
    #: Of each record this many copies, or as many as there are brokers where there are fewer.
    replication: int = 3
    compacted: bool = False
    partitions: int = PARTITIONS

    def name(self, environment: str) -> str:
        return f"{self.domain}.{environment}.{self.channel}"


#: A command is an intention: once it is handled nobody needs it. Events are history that read models are rebuilt from.
#: Of a state the last record of each key stays for ever.
COMMANDS_STAY = timedelta(days=14)
EVENTS_STAY = timedelta(days=365)


def _commands(domain: str, key: str) -> Topic:
    return Topic(domain, "commands", key, COMMANDS_STAY)


def _events(domain: str, key: str) -> Topic:
    return Topic(domain, "events", key, EVENTS_STAY)


def _state(domain: str, key: str) -> Topic:
    return Topic(domain, "state", key, EVENTS_STAY, compacted=True)


PRODUCTS_STATE = _state("products", "productId")
PROMOTIONS_STATE = _state("promotions", "code")
CARTS_COMMANDS = _commands("carts", "cartId")
CARTS_EVENTS = _events("carts", "cartId")
CHECKOUT_COMMANDS = _commands("checkout", "checkoutId")
CHECKOUT_EVENTS = _events("checkout", "cartId")
INVENTORY_COMMANDS = _commands("inventory", "reservationId")
INVENTORY_EVENTS = _events(
    "inventory", "productId for stock facts and stock commands; reservationId for reservation facts"
)
STOCK_COMMANDS = _commands("stock", "productId")
STOCK_EVENTS = _events("stock", "reservationId")
PAYMENTS_COMMANDS = _commands("payments", "paymentId")
PAYMENTS_EVENTS = _events("payments", "paymentId")
ORDERS_COMMANDS = _commands("orders", "orderId")
ORDERS_EVENTS = _events("orders", "orderId")
ORDERS_STATE = _state("orders", "orderId")
SHIPPING_COMMANDS = _commands("shipping", "orderId")
SHIPPING_EVENTS = _events("shipping", "orderId")
NOTIFICATIONS_EVENTS = _events("notifications", "userId")
SUBSCRIPTIONS_COMMANDS = _commands("subscriptions", "subscriptionId")
SUBSCRIPTIONS_EVENTS = _events("subscriptions", "subscriptionId")
CUSTOMERS_EVENTS = _events("customers", "userId")

TOPICS: tuple[Topic, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Topic))
