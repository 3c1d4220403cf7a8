"""Every service of the pipeline, where `orderflow worker` finds them."""

from typing import Any

from agents.orders.service import orders
from agents.payments.service import payments
from streams.hosting import Hosted
from streams.service import Service

#: Those with effects come with who performs them, or `ops` knows who does.
SERVICES: tuple[Service[Any, Any] | Hosted, ...] = (payments, orders)
