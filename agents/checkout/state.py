"""The checkouts of one cart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkouts:
    """At most one of them is live."""

    cart_id: str
    #: How many were started: the next one's number is one more.
    attempts: int = 0
    #: The one that is under way; and the one that became an order, after which there are no more.
    live: str | None = None
    completed: str | None = None
    #: Of the cart that was started last, so that its repeats are known; and the command that it answered.
    event_id: str | None = None
    answered: str | None = None
    #: Who asked for a checkout that is not priced yet, and when that is too late.
    customer_id: str | None = None
    deadline: int | None = None
