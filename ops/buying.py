"""One cart, from the shell to its order: what is published for it, and how its end is waited for."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ops import addresses
from ops.reading import Part, Reader, Said, in_order, opened
from ops.settings import Settings
from ops.story import OF_CART, OF_ORDER, OF_PRODUCT, Line, Teller, parts_of
from ops.wishes import CURRENCY, EXAMPLE, Wish, line_of, messages_of
from ops.words import STEPS, money
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutStarted
from schemas.errors import OrderflowError
from schemas.identity import checkout_id, derived_id
from schemas.inventory import AddInventory, InventoryAdjusted
from schemas.message import Message
from schemas.shopping import CartLine, ProductListed
from schemas.topics import CARTS_EVENTS, INVENTORY_EVENTS, PARTITIONS, PRODUCTS_STATE
from streams.codec import Codec
from streams.producer import Outgoing, deliver

_EXAMPLE_PIECES = 100
#: Who is not heard of for so long is probably not there.
SILENT_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_ENDS = (CheckoutCompleted, CheckoutFailed, CheckoutRejected)


Tell = Callable[[Line], None]
Say = Callable[[str], None]


class NotBoughtError(OrderflowError):
    """The checkout came to an end, and no order came of it."""


class NoEndError(OrderflowError):
    """The checkout has not come to its end yet; it may still."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Bought:
    """What came of it."""

    order_id: str
    cart_id: str
    total: int
    currency: str

    def __str__(self) -> str:
        return f"order {self.order_id}: {money(self.total, self.currency)}"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One checkout of one cart."""

    cart_id: str
    #: The ids that it may have: the one under way, if there is one, or else the next.
    orders: tuple[str, ...]
    #: What is to be said; nothing that was said already.
    messages: tuple[Message, ...]
    products: tuple[str, ...]


class Counter:
    """Where carts are handed in, in one environment."""

    def __init__(self, reader: Reader, codec: Codec, client: dict[str, str], environment: str) -> None:
        self._reader = reader
        self._codec = codec
        self._client = client
        self._environment = environment

    def buy(self, wish: Wish, seconds: float, tell: Tell, say: Say) -> Bought:
        """Raises NotBoughtError where no order came of it, NoEndError where nothing did in time."""
        if CARTS_EVENTS.name(self._environment) not in self._reader.topics():
            raise NotBoughtError(
                f"{self._environment} has no topics yet; run: orderflow topics sync --env {self._environment}; "
                f"orderflow schemas register --env {self._environment}"
            )
        deadline = time.monotonic() + seconds
        lines, currency = self._lines(wish, deadline, say)
        attempt = self._attempt(wish, lines, currency)
        self._reader.start({part: end for part, (_, end) in self._reader.bounds(self._parts(attempt)).items()})
        self._publish(attempt.messages)
        return self._follow(attempt, deadline, seconds, tell, say)

    # What is asked for.

    def _lines(self, wish: Wish, deadline: float, say: Say) -> tuple[tuple[CartLine, ...], str]:
        listed = self._price_list()
        if not wish.items:
            offer = next(iter(listed.values()), None) or self._offer(deadline, say)
            return (CartLine(productId=offer.productId, quantity=1, unitPrice=offer.unitPrice),), offer.currency
        lines = tuple(line_of(item, listed) for item in wish.items)
        known = (listed[line.productId].currency for line in lines if line.productId in listed)
        return lines, next(known, CURRENCY)

    def _price_list(self) -> Mapping[str, ProductListed]:
        topic = PRODUCTS_STATE.name(self._environment)
        found = self._reader.to_the_end(Part(topic, number) for number in range(PARTITIONS))
        # In the order of the records, and of each product the last; a tombstone takes it off.
        listed = {each.key: each.message for each in in_order(found)}
        return {key: message for key, message in listed.items() if isinstance(message, ProductListed)}

    def _offer(self, deadline: float, say: Say) -> ProductListed:
        """Something to buy where nothing is for sale, as in a new environment."""
        product = EXAMPLE.productId
        say(
            f"nothing is for sale in {self._environment}: taking {_EXAMPLE_PIECES} pieces of {EXAMPLE.name} "
            f"({product}) into the price list and into stock"
        )
        warehouse, now = derived_id("warehouse", "the first"), time.time_ns() // 1_000_000
        came_in = AddInventory(productId=product, quantity=_EXAMPLE_PIECES, warehouseId=warehouse, timestamp=now)
        bounds = self._reader.bounds(parts_of((INVENTORY_EVENTS,), self._environment, product))
        self._reader.start({part: end for part, (_, end) in bounds.items()})
        self._publish((EXAMPLE, came_in))
        silence = _Silence(say, self._environment)
        while time.monotonic() < deadline:
            for each in self._reader.next(_LOOK_SECONDS, {product.encode()}):
                if isinstance(each.message, InventoryAdjusted):
                    return EXAMPLE
            silence.look()
        raise NoEndError("nobody took the example product into stock in time; is a worker running?")

    def _attempt(self, wish: Wish, lines: tuple[CartLine, ...], currency: str) -> _Attempt:
        cart_id = wish.cart or derived_id("bought at the shell", time.time_ns())
        known = self._reader.to_the_end(parts_of(OF_CART, self._environment, cart_id), {cart_id.encode()})
        said = {each.id for each in known}
        started = len({each.message.checkoutId for each in known if isinstance(each.message, CheckoutStarted)})
        number = 1 + len({each.id for each in known if isinstance(each.message, _ENDS)})
        messages = messages_of(wish, cart_id, lines, currency, number)
        return _Attempt(
            cart_id,
            tuple(checkout_id(cart_id, each) for each in (started, started + 1) if each),
            tuple(each for each in messages if each.meta is None or each.meta.messageId not in said),
            tuple(line.productId for line in lines),
        )

    def _publish(self, messages: Sequence[Message]) -> None:
        deliver(self._client, [self._outgoing(message) for message in messages])

    def _outgoing(self, message: Message) -> Outgoing:
        topic, key = message.contract.topic, message.record_key
        assert topic is not None  # noqa: S101 - only messages that travel are published here
        assert key is not None  # noqa: S101 - and they have their key among their fields
        return Outgoing(topic.name(self._environment), key, self._codec.encode(message))

    # What becomes of it.

    def _parts(self, attempt: _Attempt) -> Iterator[Part]:
        yield from parts_of(OF_CART, self._environment, attempt.cart_id)
        for of, keys in ((OF_ORDER, attempt.orders), (OF_PRODUCT, attempt.products)):
            for key in keys:
                yield from parts_of(of, self._environment, key)

    def _follow(self, attempt: _Attempt, deadline: float, seconds: float, tell: Tell, say: Say) -> Bought:
        teller, silence = Teller(), _Silence(say, self._environment)
        ours = {each.meta.messageId for each in attempt.messages if each.meta}
        keys = {key.encode() for key in (attempt.cart_id, *attempt.orders, *attempt.products)}
        last: Said | None = None
        while time.monotonic() < deadline:
            for each in in_order(self._reader.next(_LOOK_SECONDS, keys)):
                if each.key in attempt.products and getattr(each.message, "reservationId", None) not in attempt.orders:
                    continue
                tell(teller.line(each))
                if each.id not in ours:
                    silence.broken()
                if type(each.message) in STEPS:
                    last = each
                if isinstance(each.message, _ENDS):
                    return _bought(each.message)
            silence.look()
        raise NoEndError(_standing(attempt, last, seconds))


@contextmanager
def counter(settings: Settings, environment: str) -> Iterator[Counter]:
    client = settings.kafka_client(addresses.kafka(settings))
    with opened(settings, environment) as (reader, codec):
        yield Counter(reader, codec, client, environment)


class _Silence:
    """Says once that nobody answers, with what to do about it."""

    def __init__(self, say: Say, environment: str) -> None:
        self._say = say
        self._environment = environment
        self._over = time.monotonic() + SILENT_SECONDS

    def broken(self) -> None:
        self._over = float("inf")

    def look(self) -> None:
        if time.monotonic() > self._over:
            self.broken()
            self._say(
                f"nobody has answered for {SILENT_SECONDS:.0f} s; start a worker: "
                f"ORDERFLOW_ENVIRONMENT={self._environment} orderflow worker --all"
            )


def _bought(end: Message) -> Bought:
    match end:
        case CheckoutCompleted():
            return Bought(end.orderId, end.cartId, end.total, end.currency)
        case CheckoutFailed():
            detail = f": {end.detail}" if end.detail else ""
            raise NotBoughtError(f"checkout {end.checkoutId} failed at {end.step}, {end.reason}{detail}")
        case CheckoutRejected():
            raise NotBoughtError(f"the checkout of cart {end.cartId} was rejected, {end.reason}: {end.detail}")
    raise TypeError(f"{type(end).__name__} is no end of a checkout")


def _standing(attempt: _Attempt, last: Said | None, seconds: float) -> str:
    if last is None:
        return (
            f"the checkout of cart {attempt.cart_id} has not ended within {seconds:.0f} s: nobody has taken it up; "
            "is a worker running? (orderflow worker --all)"
        )
    ago = time.time() - last.at / 1_000
    step = STEPS[type(last.message)] if isinstance(last.message, Message) else ""
    return (
        f"checkout {last.key} has not ended within {seconds:.0f} s: it stands at {step}, asked for {ago:.0f} s ago; "
        f"look again: orderflow trace {last.key}"
    )
