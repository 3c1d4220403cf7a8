"""What is kept of an order."""

import msgspec

from schemas.orders import OrderState


class Known(msgspec.Struct, frozen=True):
    """The order as it was told last, or would have been: a status that only newer code knows can't be told."""

    order: OrderState
