"""How long a reservation may stay as it is."""

from typing import assert_never

from agents.inventory.state import Reservation, Status
from schemas.message import Message
from streams.decision import Decision

_HOUR = 60 * 60 * 1_000
#: Millis for which pieces are held for an order that is not confirmed.
RESERVATION_STAYS = _HOUR // 4
#: Millis for which a reservation that is over stays known: long after a repeat can come.
TERMINAL_STAYS = 24 * _HOUR
#: Millis for which one that was sold stays known: an order may be cancelled until it is completed.
TAKEN_STAYS = 90 * 24 * _HOUR


def kept(state: Reservation, at: int, *sends: Message) -> Decision[Reservation]:
    """With the deadline of its status, which each decision has to set anew."""
    match state.status:
        case Status.HOLDING | Status.CONFIRMING | Status.RELEASING:
            return Decision(state, sends)
        case Status.RESERVED:
            return Decision(state, sends, timer=state.since + RESERVATION_STAYS)
        case Status.TAKEN:
            return Decision(state, sends, expires=at + TAKEN_STAYS)
        case Status.REFUSED | Status.EXPIRED | Status.RELEASED:
            return Decision(state, sends, expires=at + TERMINAL_STAYS)
        case _:
            assert_never(state.status)
