"""What is kept of a product: two figures, however many reservations there are."""

import msgspec


class Stock(msgspec.Struct, frozen=True):
    """The pieces of one product.

    It keeps no list of who holds what: the reservations know, and the engine delivers each of their messages once.
    """

    product_id: str
    #: Names the facts that are published of it: the number of the decision. A product that was forgotten and comes back
    #: must not use a number again, so it begins with the time of the first message.
    number: int
    #: Whether pieces of it may come in and be sold: from its first AddInventory to a DeleteInventory.
    listed: bool = False
    #: Pieces that can be held. Never negative.
    available: int = 0
    #: Pieces that reservations hold. Never negative.
    held: int = 0
    #: The last warehouse that added to it.
    warehouse_id: str | None = None

    @property
    def on_hand(self) -> int:
        return self.available + self.held
