"""What several routes are asked with."""

from typing import Annotated, Literal

from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field

from projections.api.answers import EXAMPLE_ID
from schemas.types import Uuid

#: Longer than any checkout should take, shorter than what proxies between us and a client cut off.
MOST_SECONDS = 30.0


class Asked(BaseModel):
    """Query parameters. A misspelt one is an error: passed over, it would answer something that nobody asked."""

    model_config = ConfigDict(extra="forbid")


class Waiting(Asked):
    """Whether to wait."""

    wait: Annotated[
        Literal["terminal"] | None, Field(description="`terminal`: answer once nothing follows any more.")
    ] = None
    timeout: Annotated[
        float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False, description="For so many seconds; then 202.")
    ] = 10.0


OrderPath = Annotated[Uuid, Path(alias="orderId", description="The order.", examples=[EXAMPLE_ID])]
CheckoutPath = Annotated[Uuid, Path(alias="checkoutId", description="The checkout.", examples=[EXAMPLE_ID])]
ProductPath = Annotated[
    Uuid, Path(alias="productId", description="The product.", examples=["0b0c6a0e-93a5-5a8f-8a0e-1d2c3b4a5968"])
]

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Names this request, not this attempt: send the same again after a timeout, and it acts once. "
        "Remembered for a day.",
        examples=["order-2026-000123"],
    ),
]
