"""Where each message belongs: to a checkout, a cart, a product, or several of them."""

from collections import defaultdict
from collections.abc import Mapping

from ops.audit.files import File
from ops.audit.shelves import Shelf
from ops.audit.violation import Rule, Violation
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutStarted, StartCheckout
from schemas.inventory import (
    AddInventory,
    DeleteInventory,
    FreeStock,
    InventoryAdjusted,
    InventoryReleased,
    InventoryReserved,
    OutOfStock,
    ReturnStock,
    StockHeld,
    StockShort,
    TakeStock,
    UpdateInventory,
)
from schemas.message import Message
from schemas.orders import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected, OrderStatusChanged, PlaceOrder
from schemas.payments import PaymentCaptured, PaymentProcessed, PaymentVoided, RefundProcessed
from schemas.shopping import CartCheckedOut, CartCommandRejected, CheckoutCart

#: The field that holds the checkout's one identity.
_CHECKOUT: Mapping[type[Message], str] = {
    **dict.fromkeys((StartCheckout, CheckoutStarted, CheckoutCompleted, CheckoutFailed), "checkoutId"),
    **dict.fromkeys((InventoryReserved, InventoryReleased), "reservationId"),
    **dict.fromkeys((StockHeld, StockShort, FreeStock, TakeStock, ReturnStock), "reservationId"),
    **dict.fromkeys((PaymentCaptured, PaymentVoided, RefundProcessed), "paymentId"),
    **dict.fromkeys((PaymentProcessed, PlaceOrder, OrderCreated, OrderRejected), "orderId"),
    **dict.fromkeys((OrderConfirmed, OrderCancelled, OrderStatusChanged), "orderId"),
}
_CART: Mapping[type[Message], str] = dict.fromkeys(
    (CheckoutCart, CartCheckedOut, CartCommandRejected, StartCheckout, CheckoutRejected), "cartId"
)
_PRODUCT: Mapping[type[Message], str] = {
    **dict.fromkeys((AddInventory, UpdateInventory, DeleteInventory), "productId"),
    **dict.fromkeys((StockHeld, StockShort, FreeStock, TakeStock, ReturnStock), "productId"),
    **dict.fromkeys((InventoryAdjusted, OutOfStock), "product_id"),
}


class Books:
    """Takes the messages of all topics, in any order and repeats and all. What no rule looks at is not kept."""

    def __init__(self) -> None:
        self.checkouts: dict[str, File] = defaultdict(File)
        self.carts: dict[str, File] = defaultdict(File)
        self.shelves: dict[str, Shelf] = defaultdict(Shelf)
        #: Cart and attempt -> its checkouts.
        self.attempts: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.contradictions: list[Violation] = []
        self._products: dict[str, File] = defaultdict(File)
        self._refused: dict[str, File] = defaultdict(File)

    def hear(self, message: Message) -> None:
        kind = type(message)
        new = True
        for files, fields in ((self.checkouts, _CHECKOUT), (self.carts, _CART)):
            if (field := fields.get(kind)) is not None:
                new = self._keep(files, getattr(message, field), message)
        if isinstance(message, StartCheckout):
            self.attempts[message.cartId, message.attempt].add(message.checkoutId)
        if (field := _PRODUCT.get(kind)) is not None:
            product = getattr(message, field)
            if new and (kind in _CHECKOUT or self._keep(self._products, product, message)):
                self.shelves[product].hear(message)

    def refuse(self, message: Message) -> None:
        """One that lies in the dead letters."""
        if isinstance(message, AddInventory | UpdateInventory) and self._keep(
            self._refused, message.productId, message
        ):
            self.shelves[message.productId].refuse(message)

    def _keep(self, files: dict[str, File], key: str, message: Message) -> bool:
        """Whether it is no repeat."""
        before = files[key].keep(message)
        if before not in (None, message):
            text = f"{type(before).__name__} and {type(message).__name__} under one messageId say different things"
            self.contradictions.append(Violation(Rule.REPEAT_IS_SAME, key, text, (before, message)))
        return before is None
