"""The checkouts of one cart."""

import msgspec


class Checkouts(msgspec.Struct, frozen=True):
    """At most one of them is live."""

    cart_id: str
    #: How many were started: the next one's number is one more.
    attempts: int = 0
    #: The one that is under way; and the one that became an order, after which there are no more.
    live: str | None = None
    completed: str | None = None
    #: Of the carts that were started last, so that their repeats are known.
    event_ids: tuple[str, ...] = ()
    #: Who asked for a checkout that is not priced yet, by which command, and when that is too late.
    customer_id: str | None = None
    command: str | None = None
    deadline: int | None = None
    #: The command that was answered last, and the last one that was too late.
    answered: str | None = None
    late: str | None = None
