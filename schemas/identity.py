"""Ids that follow from what they are about: the same cause gives the same id, on any machine, at any time."""

from uuid import NAMESPACE_URL, uuid5

_OURS = uuid5(NAMESPACE_URL, "urn:orderflow")


def derived_id(*parts: str | int) -> str:
    """One id for these parts in this order. Lengths are part of it, so ("ab", "c") is not ("a", "bc")."""
    return str(uuid5(_OURS, "".join(f"{len(str(part))}:{part}" for part in parts)))


def checkout_id(cart_id: str, attempt: int) -> str:
    """The one identity of a checkout attempt: checkoutId, orderId, reservationId and paymentId."""
    return derived_id("checkout", cart_id, attempt)
