"""A service that looks a price up, to see which one a decision has seen."""

from dataclasses import dataclass

from schemas.identity import derived_id
from schemas.orders import ConfirmOrder, OrderConfirmed
from schemas.shopping import ProductListed
from streams.decision import Decision
from streams.service import Service
from streams.tables import Tables

CUP, POT = derived_id("cup"), derived_id("pot")
#: Where the list says nothing.
UNLISTED = 0


@dataclass(frozen=True, slots=True)
class Priced:
    """What was seen, in order."""

    prices: tuple[int, ...] = ()


def decide(state: Priced | None, message: ConfirmOrder, at: int, tables: Tables) -> Decision[Priced]:
    """Of the product that the reservation names."""
    listed = tables.get(ProductListed, message.inventoryReservationId or "")
    price = listed.unitPrice if listed else UNLISTED
    confirmed = OrderConfirmed(
        orderId=message.orderId,
        customerId=message.orderId,
        confirmationNumber="ORD-00000001",
        total=price,
        currency="EUR",
        confirmedAt=at,
    )
    before = state or Priced()
    return Decision(Priced((*before.prices, price)), sends=(confirmed,))


pricing = Service(name="pricing", state=Priced, decide=decide, sends=(OrderConfirmed,), reads=(ProductListed,))


def listed(product: str, price: int) -> ProductListed:
    return ProductListed(productId=product, name="A product", unitPrice=price, currency="EUR")
