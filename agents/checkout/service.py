"""The declaration of the checkout API."""

from agents.checkout.decider import decide
from agents.checkout.state import Checkouts
from schemas.checkout import CheckoutRejected, StartCheckout
from streams.service import Service

checkout = Service(name="checkout-api", state=Checkouts, decide=decide, sends=(StartCheckout, CheckoutRejected))
