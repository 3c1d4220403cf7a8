"""Every service of the pipeline, where `orderflow worker` finds them."""

from typing import Any

from agents.cart.service import cart
from streams.hosting import Hosted
from streams.service import Service

#: Those with effects come with who performs them.
SERVICES: tuple[Service[Any, Any] | Hosted, ...] = (cart,)
