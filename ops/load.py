"""Customers, all from one seed: what they publish, and when. Each is made on its own, so any few of them are the same.

Most buy; the rest is what a shop has to live with: too little stock, wrong figures, commands sent twice, minds changed.
Whether a card is declined is the gateway's business.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

from schemas.identity import checkout_id, derived_id
from schemas.inventory import AddInventory
from schemas.message import Message, Meta
from schemas.orders import CancellationReason, CancelOrder, Customer, PlacedItem, PlacedPayment, PlaceOrder
from schemas.orders import ShippingAddress as Address
from schemas.shipping import ShipmentDelivered
from schemas.shopping import (
    AddItemToCart,
    CartCheckedOut,
    CartLine,
    CheckoutCart,
    DiscountType,
    ProductListed,
    PromotionOffered,
    RemoveItemFromCart,
)

PRODUCTS = 40
#: Of them so many are hard to get.
SCARCE = 4
#: Pieces of a scarce product, for so many customers each.
_CUSTOMERS_A_PIECE = 60
_PLENTY = 1_000_000
_CURRENCY = "EUR"
_PROMOTIONS = ("TENOFF", "FIVEEUROS")


class Kind(StrEnum):
    """How somebody goes shopping."""

    #: A cart that is priced already.
    PRICED = "priced"
    #: Item by item, through cart-api.
    SHOPPED = "shopped"
    #: An order from outside.
    PLACED = "placed"
    #: Priced, and doesn't add up.
    MISCOUNTED = "miscounted"
    #: Priced, with nothing in it.
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How many of a hundred customers do what."""

    shopped: float = 20
    placed: float = 10
    miscounted: float = 2
    empty: float = 1
    #: Want something that is hard to get.
    scarce: float = 8
    #: Of the following, one customer may do several. Changes their mind, at any moment.
    cancelled: float = 8
    #: Sends something twice.
    duplicated: float = 8
    #: Tries to check out again later.
    again: float = 5
    #: Gets a parcel.
    delivered: float = 10


class Sent(NamedTuple):
    """A message, and when it is published: millis after the load began."""

    after: int
    message: Message


@dataclass(frozen=True, slots=True)
class Shopper:
    """All that one customer publishes, in order."""

    number: int
    kind: Kind
    cart_id: str
    #: The identity of the first checkout.
    checkout_id: str
    sent: tuple[Sent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`count` customers who begin within `millis`, from the time `begins_at`."""

    seed: int
    count: int
    begins_at: int
    millis: int
    mix: Mix = Mix()

    def shop(self) -> Iterator[Message]:
        """What there is to buy: published first."""
        for code, kind, percent, amount in (
            (_PROMOTIONS[0], DiscountType.PERCENTAGE, 10, None),
            (_PROMOTIONS[1], DiscountType.AMOUNT_OFF, None, 500),
        ):
            yield PromotionOffered(
                code=code, discountType=kind, percent=percent, amount=amount, currency=_CURRENCY, meta=self._meta(code)
            )
        for product in range(PRODUCTS):
            scarce = product < SCARCE
            yield ProductListed(
                productId=self._product(product),
                name=f"Product {product}",
                unitPrice=_price(product),
                currency=_CURRENCY,
                meta=self._meta("listed", product),
            )
            yield AddInventory(
                productId=self._product(product),
                quantity=self.count // _CUSTOMERS_A_PIECE + 1 if scarce else _PLENTY,
                warehouseId=self._id("warehouse"),
                timestamp=self.begins_at,
                meta=self._meta("added", product),
            )

    def products(self) -> Iterator[str]:
        return map(self._product, range(PRODUCTS))

    def shoppers(self) -> Iterator[Shopper]:
        return map(self.shopper, range(self.count))

    def shopper(self, number: int) -> Shopper:
        random = Random(f"{self.seed}/{number}")
        begins = self.millis * number // self.count
        kind = self._kind(random)
        cart_id = self._id("cart", number)
        checkout = cart_id if kind is Kind.PLACED else checkout_id(cart_id, 1)
        sent = list(self._buys(random, kind, number, begins))
        if self._happens(random, self.mix.again) and kind is not Kind.PLACED:
            sent.append(self._again(random, sent[-1], number))
        if self._happens(random, self.mix.cancelled):
            sent.append(self._cancels(random, checkout, number, begins))
        if self._happens(random, self.mix.delivered):
            shipment = self._id("shipment", number)
            delivered = ShipmentDelivered(shipmentId=shipment, orderId=checkout, meta=self._meta("delivered", number))
            sent.append(Sent(begins + random.randint(1_000, 10_000), delivered))
        if self._happens(random, self.mix.duplicated):
            twice = random.choice(sent)
            sent.append(Sent(twice.after + random.choice((0, random.randint(0, 2_000))), twice.message))
        return Shopper(number, kind, cart_id, checkout, tuple(sorted(sent, key=lambda each: each.after)))

    def _kind(self, random: Random) -> Kind:
        mix = self.mix
        shares = {
            Kind.SHOPPED: mix.shopped,
            Kind.PLACED: mix.placed,
            Kind.MISCOUNTED: mix.miscounted,
            Kind.EMPTY: mix.empty,
        }
        drawn = random.uniform(0, 100)
        for kind, share in shares.items():
            if drawn < share:
                return kind
            drawn -= share
        return Kind.PRICED

    def _buys(self, random: Random, kind: Kind, number: int, begins: int) -> Iterator[Sent]:
        first = (
            random.randrange(SCARCE) if self._happens(random, self.mix.scarce) else random.randrange(SCARCE, PRODUCTS)
        )
        others = random.sample(range(SCARCE, PRODUCTS), random.choice((0, 0, 1, 2)))
        wanted = {product: random.choice((1, 1, 1, 2, 3)) for product in (first, *others)}
        match kind:
            case Kind.SHOPPED:
                yield from self._shops(random, wanted, number, begins)
            case Kind.PLACED:
                yield Sent(begins, self._places(wanted, number, begins))
            case _:
                yield Sent(begins, self._priced(random, kind, wanted, number, begins))

    def _priced(self, random: Random, kind: Kind, wanted: dict[int, int], number: int, begins: int) -> CartCheckedOut:
        lines = () if kind is Kind.EMPTY else self._lines(wanted)
        subtotal = sum(line.quantity * line.unitPrice for line in lines)
        discount = subtotal // 10 if random.randrange(5) == 0 else 0
        return CartCheckedOut(
            eventId=self._id("checked out", number),
            occurredAt=self.begins_at + begins,
            cartId=self._id("cart", number),
            customerId=self._id("customer", number),
            items=lines,
            subtotal=subtotal,
            discount=discount or None,
            total=subtotal - discount + (kind is Kind.MISCOUNTED),
            currency=_CURRENCY,
            meta=self._meta("checked out", number),
        )

    def _shops(self, random: Random, wanted: dict[int, int], number: int, begins: int) -> Iterator[Sent]:
        cart_id = self._id("cart", number)
        after = begins
        for line in self._lines(wanted):
            # A few have seen another price.
            price = line.unitPrice + (random.randrange(50) == 0)
            meta = self._meta("add", number, line.productId)
            added = AddItemToCart(
                cartId=cart_id, productId=line.productId, quantity=line.quantity, unitPrice=price, meta=meta
            )
            yield Sent(after, added)
            after += random.randint(0, 100)
        if len(wanted) > 1 and random.randrange(4) == 0:
            product = self._product(next(iter(wanted)))
            yield Sent(after, RemoveItemFromCart(cartId=cart_id, productId=product, meta=self._meta("remove", number)))
        checked_out = CheckoutCart(
            cartId=cart_id,
            customerId=self._id("customer", number),
            promotionCode=random.choice((None, None, None, *_PROMOTIONS, "GONE")),
            meta=self._meta("check out", number),
        )
        yield Sent(after, checked_out)

    def _places(self, wanted: dict[int, int], number: int, begins: int) -> PlaceOrder:
        lines = self._lines(wanted)
        order_id, customer_id = self._id("cart", number), self._id("customer", number)
        return PlaceOrder(
            orderId=order_id,
            customer=Customer(customerId=customer_id, name=f"Customer {number}", email=f"{number}@example.com"),
            items=tuple(
                PlacedItem(itemId=line.productId, name="As seen", quantity=line.quantity, price=line.unitPrice)
                for line in lines
            ),
            shippingAddress=Address(
                street="1 Long Lane", city="Leeds", state="West Yorkshire", zip="LS1", country="GB"
            ),
            payment=PlacedPayment(
                paymentMethod="CreditCard",
                transactionId=f"outside {number}",
                amount=sum(line.quantity * line.unitPrice for line in lines),
            ),
            orderDate=self.begins_at + begins,
            currency=_CURRENCY,
            meta=self._meta("place", number),
        )

    def _again(self, random: Random, last: Sent, number: int) -> Sent:
        update: dict[str, object] = {"meta": self._meta("again", number)}
        if isinstance(last.message, CartCheckedOut):
            update["eventId"] = self._id("again", number)
        return Sent(last.after + random.randint(0, 20_000), last.message.model_copy(update=update))

    def _cancels(self, random: Random, checkout: str, number: int, begins: int) -> Sent:
        reason = CancellationReason.CUSTOMER_REQUESTED
        cancel = CancelOrder(orderId=checkout, reason=reason, meta=self._meta("cancel", number))
        return Sent(begins + random.choice((0, random.randint(0, 1_000), random.randint(0, 20_000))), cancel)

    def _lines(self, wanted: dict[int, int]) -> tuple[CartLine, ...]:
        return tuple(
            CartLine(productId=self._product(product), quantity=pieces, unitPrice=_price(product))
            for product, pieces in wanted.items()
        )

    def _product(self, number: int) -> str:
        return self._id("product", number)

    def _id(self, *parts: str | int) -> str:
        return derived_id("load", self.seed, *parts)

    def _meta(self, *parts: str | int) -> Meta:
        return Meta(messageId=self._id("message", *parts))

    def _happens(self, random: Random, percent: float) -> bool:
        return random.uniform(0, 100) < percent


def _price(product: int) -> int:
    return 199 + 100 * product
