"""The declaration of the service."""

from agents.cart.decider import decide
from agents.cart.state import Cart
from schemas.shopping import CartCheckedOut, CartCommandRejected, ProductListed, PromotionOffered
from streams.service import Service

cart = Service(
    name="cart-api",
    state=Cart,
    decide=decide,
    sends=(CartCheckedOut, CartCommandRejected),
    reads=(ProductListed, PromotionOffered),
)
