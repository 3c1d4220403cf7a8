"""Customers: the people who buy."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Event
from schemas.types import Uuid


class UserSignedUp(
    Event,
    version="0.0.1",
    topic=topics.CUSTOMERS_EVENTS,
    key="userId",
    consumers=("inventory", "notifications"),
):
    """Somebody has an account now."""

    userId: Annotated[Uuid, Field(description="The account; as a customer the person has the same id.")]
    email: Annotated[str, Field(description="Where mail to this person goes.")]
    signUpMethod: Annotated[str | None, Field(description="How they signed up: a form, another provider's login.")] = (
        None
    )
