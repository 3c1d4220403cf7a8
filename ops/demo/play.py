"""The play: publish what is due, hear what is said, until all of it is over and accounted for."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ops.audit import violations
from ops.demo import poison
from ops.demo.errors import UnendedError
from ops.demo.poison import Spot
from ops.demo.reader import DeadLetter, Reader
from ops.demo.watch import Tally, Watch
from ops.gateway.ledger import Ledger
from ops.load import Sent
from ops.rig.errors import UnreadyError
from ops.rig.fleet import Fleet
from ops.rig.publisher import Publisher
from schemas.inventory import InventoryAdjusted
from schemas.message import Message

READ_SECONDS = 0.05
FRAME_SECONDS = 0.25
#: Between looks that cost more: at the workers, and of the audit.
LOOK_SECONDS = 1.0
STOCKED_SECONDS = 30.0
#: After so much silence nothing more comes: the callers of a gateway that was away pause for less.
SILENT_SECONDS = 15.0
#: Nobody here is silent for so long that a saga asks again, two minutes later.
END_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of it."""

    tally: Tally
    published: int
    of: int
    dead_letters: int


class Play:
    """What is heard stays: it grows with what was published."""

    def __init__(
        self, reader: Reader, publisher: Publisher, fleet: Fleet, ledger: Ledger, show: Callable[[Progress], None]
    ) -> None:
        self._reader, self._publisher, self._fleet, self._ledger = reader, publisher, fleet, ledger
        self._show = show
        self._watch = Watch()
        self.messages: list[Message] = []
        self.dead_letters: list[DeadLetter] = []
        self._published = self._to_publish = 0
        self._heard_at = self._shown_at = time.monotonic()

    @property
    def progress(self) -> Progress:
        return Progress(self._watch.tally(), self._published, self._to_publish, len(self.dead_letters))

    def await_stock(self, products: Collection[str]) -> None:
        """Until the shelves are full: stock and orders travel on topics of their own, in no order."""
        deadline = time.monotonic() + STOCKED_SECONDS
        missing = set(products)
        while missing:
            if time.monotonic() > deadline:
                raise UnreadyError(STOCKED_SECONDS, {"stock": f"{len(missing)} products are not on the shelves"})
            before = len(self.messages)
            self._hear()
            missing -= {each.product_id for each in self.messages[before:] if isinstance(each, InventoryAdjusted)}

    def publish(self, load: Sequence[Sent]) -> None:
        """Each at its time, and hear what comes of it meanwhile. `load` in the order of time."""
        began, self._to_publish = time.monotonic(), len(load)
        while self._published < len(load):
            now = (time.monotonic() - began) * 1_000
            while self._published < len(load) and load[self._published].after <= now:
                self._publisher.send(load[self._published].message)
                self._published += 1
            self._hear()
        self._publisher.flush()

    def end(self, carts: Sequence[str], stocktake: Message, spots: set[Spot]) -> tuple[str, ...]:
        """Until each cart has its end and nothing is left to do; what is wrong then. Raises UnendedError.

        `stocktake`: asks at last what lies on the shelves, which no other message tells.
        """
        began = time.monotonic()
        while standing := self._watch.without_end(carts):
            if time.monotonic() - began > END_SECONDS:
                raise UnendedError(END_SECONDS, standing)
            self._hear_for(LOOK_SECONDS)
        while not self._is_over(began):
            self._hear_for(LOOK_SECONDS)
        self._publisher.send(stocktake)
        self._publisher.flush()
        self._hear_for(LOOK_SECONDS)
        while ((wrong := self._wrong(spots)) and not self._is_silent(began)) or not self._is_over(began):
            self._hear_for(LOOK_SECONDS)
        return wrong

    def _is_over(self, began: float) -> bool:
        idle = self._silent_for() >= LOOK_SECONDS and self._fleet.is_idle()
        return idle or self._is_silent(began)

    def _is_silent(self, began: float) -> bool:
        return self._silent_for() > SILENT_SECONDS or time.monotonic() - began > END_SECONDS

    def _wrong(self, spots: set[Spot]) -> tuple[str, ...]:
        refused = [letter.message for letter in self.dead_letters if letter.message is not None]
        audit = violations(self.messages, self._ledger.movements(), refused=refused)
        return (
            *(f"{each.rule}: {each.key}: {each.text}" for each in audit),
            *poison.violations(spots, self.dead_letters),
        )

    def _hear_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._hear()

    def _hear(self) -> None:
        self._fleet.check()
        for each in self._reader.read(READ_SECONDS):
            self._heard_at = time.monotonic()
            if isinstance(each, DeadLetter):
                self.dead_letters.append(each)
            else:
                self.messages.append(each.message)
                self._watch.saw(each.message, each.at)
        if time.monotonic() - self._shown_at > FRAME_SECONDS:
            self._shown_at = time.monotonic()
            self._show(self.progress)

    def _silent_for(self) -> float:
        return time.monotonic() - self._heard_at
