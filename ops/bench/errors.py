"""Why there is no figure."""

from schemas.errors import OrderflowError


class StalledError(OrderflowError):
    """The pipeline stands still."""

    def __init__(self, seconds: float, completed: int, wanted: int, what: str = "carts") -> None:
        super().__init__(
            f"nothing moved for {seconds:.0f} s, after {completed} of {wanted} {what}; the workers' logs say why"
        )
