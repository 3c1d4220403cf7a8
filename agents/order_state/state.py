"""What is kept of an order."""

from dataclasses import dataclass

from schemas.orders import OrderState


@dataclass(frozen=True, slots=True)
class Known:
    """The order as it was told last, or would have been: a status that only newer code knows can't be told."""

    order: OrderState
