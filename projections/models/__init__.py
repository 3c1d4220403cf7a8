"""The read models: what each event says about their rows."""

from projections.models import checkouts, inventory, orders, payments
from projections.models.model import ReadModel

MODELS: tuple[ReadModel, ...] = (orders.MODEL, payments.MODEL, inventory.MODEL, checkouts.MODEL)
