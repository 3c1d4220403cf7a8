"""What an audit looks at, and what it finds."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.message import Message


class Rule(StrEnum):
    """What must hold, whatever becomes of workers, brokers and the gateway."""

    # Of carts.
    CART_ANSWERED = "a cart that is to be checked out is answered"
    HANDED_OVER_ANSWERED = "a cart that is handed over is answered"
    ONE_CHECKOUT_AN_ATTEMPT = "an attempt is one checkout"
    # Of checkouts.
    PLACED_ANSWERED = "an order from outside is answered"
    STARTS = "a checkout that is asked for starts"
    ENDS = "a checkout that starts ends"
    ENDS_ONCE = "a checkout ends once"
    COMPLETED_FOR_GOOD = "what is completed is reserved, paid and promised"
    DONE_IS_UNDONE = "what a failed checkout did is undone"
    UNDONE_IS_CONFIRMED = "what is said to be undone is"
    NO_STATUS_MISSING = "no status of an order is missing"
    # Of pieces.
    NO_PIECE_STUCK = "no piece is held for nobody"
    SOLD_IS_BOUGHT = "what leaves the stock is what was bought"
    STOCK_ADDS_UP = "stock adds up"
    STOCK_FOLLOWS = "each figure of a stock follows from the one before"
    STOCK_NOT_NEGATIVE = "no stock is negative"
    OUT_OF_STOCK_TOLD = "what runs out is told"
    OUT_OF_STOCK_TRUE = "what is told to run out was there"
    FREED_IS_AVAILABLE = "what was given back can be had"
    # Of money.
    MONEY_MOVES_ONCE = "money moves once"
    PAID_IS_BOUGHT = "what is paid is what was bought"
    NO_MONEY_STUCK = "no money is held for nobody"
    TOLD_IS_MOVED = "what is told of money is what moved"
    # Of any message.
    REPEAT_IS_SAME = "a repeat says the same"


@dataclass(frozen=True, slots=True)
class Violation:
    """An order, a piece or a cent is lost, or somebody says so."""

    rule: Rule
    #: The checkout, cart or product that it is about.
    key: str
    #: For people.
    text: str
    #: Those that contradict each other, or that want for something.
    messages: tuple[Message, ...] = ()
