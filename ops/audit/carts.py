"""What must hold of one cart: nobody who wants to buy goes without an answer."""

from collections.abc import Iterator

from ops.audit.files import File
from ops.audit.violation import Rule, Violation
from schemas.checkout import CheckoutRejected, StartCheckout
from schemas.shopping import CartCheckedOut, CartCommand, CartCommandRejected, CheckoutCart


def is_answered(cart: str, said: File) -> Iterator[Violation]:
    turned_down = [each for each in said.of(CartCommandRejected) if each.command is CartCommand.CHECK_OUT]
    asked = len(said.of(CheckoutCart))
    if asked > (answers := len(said.of(CartCheckedOut)) + len(turned_down)):
        text = f"it was to be checked out {asked} times, and has {answers} answers"
        yield Violation(Rule.CART_ANSWERED, cart, text, said.several(CheckoutCart, CartCheckedOut))
    # A repeat under another messageId is the same cart still.
    priced = len({each.eventId for each in said.of(CartCheckedOut)})
    if priced > (answers := len(said.several(StartCheckout, CheckoutRejected))):
        text = f"it was handed over {priced} times, and has {answers} answers"
        messages = said.several(CartCheckedOut, StartCheckout, CheckoutRejected)
        yield Violation(Rule.HANDED_OVER_ANSWERED, cart, text, messages)
