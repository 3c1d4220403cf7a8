"""The stock of one product, summed up as messages come, in whatever order."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ops.audit.violation import Rule, Violation
from schemas.inventory import (
    AddInventory,
    DeleteInventory,
    FreeStock,
    InventoryAdjusted,
    OutOfStock,
    ReturnStock,
    StockHeld,
    StockShort,
    TakeStock,
    UpdateInventory,
)
from schemas.message import Message
from schemas.types import INT_MAX

#: Nobody has so many pieces: who asks for so many is told how many there are. A run that ends with it can be audited
#: for pieces that a reservation gave back and the stock did not get.
STOCKTAKE = INT_MAX


@dataclass(slots=True)
class Shelf:
    """Of constant size but for the ids and figures that were told of it."""

    #: Pieces, by what was asked for.
    asked: Counter[type[Message]] = field(default_factory=Counter)
    #: As it was told: pieces more and fewer, together.
    adjusted: int = 0
    #: Of each figure, how often it was reached less how often it was left.
    figures: Counter[int] = field(default_factory=Counter)
    negative: list[InventoryAdjusted] = field(default_factory=list)
    ran_out: list[OutOfStock] = field(default_factory=list)
    stocktakes: list[StockShort] = field(default_factory=list)

    def hear(self, message: Message) -> None:
        """A message that is no repeat."""
        match message:
            case UpdateInventory():
                self.asked[UpdateInventory] += message.quantityChange
            case AddInventory() | StockHeld() | FreeStock() | TakeStock() | ReturnStock():
                self.asked[type(message)] += message.quantity
            case DeleteInventory():
                self.asked[DeleteInventory] += 1
            case InventoryAdjusted():
                self.adjusted += message.adjusted_quantity
                self.figures[message.new_quantity] += 1
                self.figures[message.new_quantity - message.adjusted_quantity] -= 1
                if message.new_quantity < 0:
                    self.negative.append(message)
            case OutOfStock():
                self.ran_out.append(message)
            case StockShort() if message.requested == STOCKTAKE:
                self.stocktakes.append(message)

    def refuse(self, message: Message) -> None:
        """One that was heard, and then refused: it changed nothing."""
        match message:
            case AddInventory():
                self.asked[AddInventory] -= message.quantity
            case UpdateInventory():
                self.asked[UpdateInventory] -= message.quantityChange

    @property
    def available(self) -> int:
        asked = self.asked
        return self.adjusted - (asked[StockHeld] - asked[FreeStock] - asked[TakeStock])


def at_any_time(product: str, shelf: Shelf) -> Iterator[Violation]:
    if shelf.negative:
        lowest = min(message.new_quantity for message in shelf.negative)
        text = f"{lowest} pieces of it: more were sold than there were"
        yield Violation(Rule.STOCK_NOT_NEGATIVE, product, text, tuple(shelf.negative))
    if untold := [message for message in shelf.ran_out if (message.last_available_quantity or 0) < 1]:
        text = "it is told to have run out, but had nothing before that either"
        yield Violation(Rule.OUT_OF_STOCK_TRUE, product, text, tuple(untold))


def settled(product: str, shelf: Shelf) -> Iterator[Violation]:
    # From nothing to what is left: every other figure was left as often as it was reached.
    way = Counter({shelf.adjusted: 1})
    way[0] -= 1
    if loose := [figure for figure in {**way, **shelf.figures} if way[figure] != shelf.figures[figure]]:
        text = f"they break off at {', '.join(map(str, sorted(loose)))}"
        yield Violation(Rule.STOCK_FOLLOWS, product, text)
    asked = shelf.asked
    if asked[DeleteInventory]:  # what was written off then is told by nobody
        return
    due = asked[AddInventory] + asked[UpdateInventory] - asked[TakeStock] + asked[ReturnStock]
    if due != shelf.adjusted:
        text = (
            f"{asked[AddInventory]} came in, {asked[UpdateInventory]:+} were corrected, {asked[TakeStock]} were sold "
            f"and {asked[ReturnStock]} of them came back, which leaves {due}, but {shelf.adjusted} are told"
        )
        yield Violation(Rule.STOCK_ADDS_UP, product, text)
    if shelf.available == 0 < asked[AddInventory] and not shelf.ran_out:
        yield Violation(Rule.OUT_OF_STOCK_TOLD, product, "nothing of it is left, and no OutOfStock was told")
    if wrong := [message for message in shelf.stocktakes if message.available != shelf.available]:
        text = f"{wrong[0].available} can be had, but by all that was told it must be {shelf.available}"
        yield Violation(Rule.FREED_IS_AVAILABLE, product, text, tuple(wrong))
