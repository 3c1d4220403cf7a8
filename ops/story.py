"""The story of one order: which records belong to it, on which topics they lie, and how one led to the next."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agents.catalogue import SERVICES
from ops.reading import Part, Progress, Reader, Said, in_order
from ops.words import STATES, words
from schemas import topics
from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import Topic
from streams.codec import Undecodable
from streams.kafka.topics import dead_letters_of
from streams.kafka.wire import DEAD_LETTER
from streams.partitioner import partition_of

#: By whose key their records lie. A checkout, its order, its reservation and its payment have one id.
OF_ORDER = (
    topics.CHECKOUT_COMMANDS,
    topics.INVENTORY_COMMANDS,
    topics.INVENTORY_EVENTS,
    topics.STOCK_EVENTS,
    topics.PAYMENTS_COMMANDS,
    topics.PAYMENTS_EVENTS,
    topics.ORDERS_COMMANDS,
    topics.ORDERS_EVENTS,
    topics.SHIPPING_COMMANDS,
    topics.SHIPPING_EVENTS,
)
OF_CART = (topics.CARTS_COMMANDS, topics.CARTS_EVENTS, topics.CHECKOUT_EVENTS)
OF_PRODUCT = (topics.STOCK_COMMANDS, topics.INVENTORY_EVENTS)
_DEAD = ".dlq"


class NoStoryError(OrderflowError):
    """Nobody has said anything of that order."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record of the story, as it is told."""

    number: int
    at: int
    place: str
    message: str
    #: The line that led to it; or the id of what did, where that is not in the story.
    cause: str
    words: str
    #: What became of what: "order: created -> confirmed".
    change: str


class Teller:
    """Numbers the lines, and remembers how things stand."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._states: dict[str, str] = {}

    def line(self, said: Said) -> Line:
        number = self._numbers.setdefault(said.id, len(self._numbers) + 1)
        return Line(number, said.at, said.place, _name(said), self._cause(said), _words(said), self._change(said))

    def _cause(self, said: Said) -> str:
        known = self._numbers.get(said.cause or "")
        return f"#{known}" if known else said.cause or ""

    def _change(self, said: Said) -> str:
        if said.part.topic.endswith(_DEAD) or not isinstance(said.message, Message):
            return ""
        if (stands := STATES.get(type(said.message))) is None:
            return ""
        what, state = stands
        before, self._states[what] = self._states.get(what), state
        return f"{what}: {state}" if before in {None, state} else f"{what}: {before} -> {state}"


def trace(reader: Reader, environment: str, order_id: str, progress: Progress) -> list[Said]:
    """All that lies on the topics of that order, in order. Raises NoStoryError where nothing does."""
    there = reader.topics()
    parts = [*parts_of(OF_ORDER, environment, order_id), *parts_of(OF_CART, environment, order_id)]
    parts += (Part(topic, _number(order_id)) for topic in _dead_letters(environment))
    found = [
        each
        for each in reader.to_the_end(_known(parts, there), {order_id.encode()}, progress)
        if not _is_of_product(each.message)
    ]
    if not found:
        raise NoStoryError(
            f"nothing was ever said of order {order_id} in {environment}, or it is older than the topics keep it; "
            "is the id right, and the environment (--env)?"
        )
    for cart_id in _carts(found) - {order_id}:
        of_cart = reader.to_the_end(
            _known(parts_of(OF_CART, environment, cart_id), there), {cart_id.encode()}, progress
        )
        found += (each for each in of_cart if getattr(each.message, "checkoutId", None) in {None, order_id})
    products = _products(found)
    asked = {part for product in products for part in parts_of(OF_PRODUCT, environment, product)}
    of_products = reader.to_the_end(_known(asked, there), {product.encode() for product in products}, progress)
    told = [each for each in of_products if getattr(each.message, "reservationId", None) == order_id]
    causes = {each.id for each in told}
    found += told
    # What a product says of itself names no order, but what caused it.
    found += (each for each in of_products if each.cause in causes)
    return in_order(found)


def parts_of(of: Iterable[Topic], environment: str, key: str) -> Iterator[Part]:
    return (Part(topic.name(environment), _number(key)) for topic in of)


def _known(parts: Iterable[Part], there: dict[str, int]) -> list[Part]:
    return [part for part in parts if part.partition < there.get(part.topic, 0)]


def _number(key: str) -> int:
    return partition_of(key.encode(), topics.PARTITIONS)


def _dead_letters(environment: str) -> Iterator[str]:
    return (dead_letters_of(service.name, environment) for service in SERVICES)


def _is_of_product(message: Message | Undecodable) -> bool:
    return isinstance(message, Message) and message.contract.key in {"productId", "product_id"}


def _carts(found: Iterable[Said]) -> set[str]:
    return {cart for each in found if (cart := getattr(each.message, "cartId", None))}


def _products(found: Iterable[Said]) -> set[str]:
    lines = (line for each in found for line in getattr(each.message, "items", None) or ())
    return {product for line in lines if (product := getattr(line, "productId", None) or getattr(line, "itemId", None))}


def _name(said: Said) -> str:
    name = type(said.message).__name__ if isinstance(said.message, Message) else "unreadable"
    return f"{name} (dead letter)" if said.part.topic.endswith(_DEAD) else name


def _words(said: Said) -> str:
    if said.part.topic.endswith(_DEAD):
        told = {name.removeprefix(DEAD_LETTER): (value or b"").decode(errors="replace") for name, value in said.headers}
        return f"{told.get('service')} could not decide it: {told.get('cause')}"
    return words(said.message) if isinstance(said.message, Message) else str(said.message)
