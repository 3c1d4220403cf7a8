"""What a changelog says, read from its first record to its last, whoever wrote into it.

The owner of a partition begins with a claim: a marker with an epoch above all that it has read. What an older epoch
writes behind that claim comes from an owner that was frozen or cut off: it is left out, by whoever folds, and the
owner writes those keys again. So a late write changes nothing, however late it is.
"""

from collections.abc import Iterable
from typing import Any

from streams.changelog import ChangelogError, Marker, Place

#: So many claims have room below the next generation's: a life of a partition ends when it has to be read again, too.
#: A group that was deleted counts from 1 again: this is the room of each of its generations until it has caught up.
_CLAIMS_BITS, _ANEW_BITS = 40, 20


class Fold:
    """Everything but the entries themselves."""

    def __init__(self) -> None:
        self.epoch = 0
        self.paid = 0
        #: Of the present epoch, to see it go backwards; and the highest of all, whose number must not be used again.
        self.last_written = 0
        self.last_round = 0
        #: As the last claim has them.
        self.topics: dict[str, tuple[int, str]] = {}
        #: Keys that an older epoch wrote over.
        self.foreign: set[str] = set()
        #: By key, in order of the round that wrote the key last.
        self._owed: dict[str, tuple[Any, ...]] = {}

    @property
    def owed(self) -> dict[str, tuple[Any, ...]]:
        """What is not known to be published."""
        unpaid = {key: tuple(each for each in owed if each.round > self.paid) for key, owed in self._owed.items()}
        return {key: owed for key, owed in unpaid.items() if owed}

    @property
    def owes(self) -> bool:
        """Whether there may be something that is not published."""
        return bool(self._owed)

    def marker(self, marker: Marker) -> None:
        if marker.epoch < self.epoch:
            return
        self.epoch = marker.epoch
        self.last_round = max(self.last_round, marker.round)
        self.topics = marker.topics
        self._pay(marker.paid)

    def written(self, place: Place, key: str, epoch: int, round_: int, paid: int, owed: tuple[Any, ...]) -> bool:
        """Whether the record counts. `owed`: oldest first, each with its `round`. Raises ChangelogError."""
        if epoch < self.epoch:
            self.foreign.add(key)
            return False
        if epoch == self.epoch and round_ < self.last_written:
            problem = f"the state goes backwards, from round {self.last_written} to {round_} of owner {epoch}"
            raise ChangelogError(place, problem)
        self.epoch = epoch
        self.last_written = round_
        self.last_round = max(self.last_round, round_)
        self.foreign.discard(key)
        self._owed.pop(key, None)
        if owed:
            self._owed[key] = owed
        self._pay(paid)
        return True

    def claim(self, generation: int, topics: dict[str, tuple[int, str]], *, again: bool = False) -> Marker:
        """The marker that makes the partition ours. `generation`: the group's; `again`: not for the first time in it.

        Epochs follow generations, so that of two owners the one whom the group chose later is right, even if neither
        has read the other's claim. A group that was deleted counts from 1 again: its epochs stand between the last
        one and the generation that would have come next.
        """
        if again:
            epoch = self.epoch + 1
        else:
            epoch = generation << _CLAIMS_BITS
            if epoch <= self.epoch:
                epoch = self.epoch + (generation << _ANEW_BITS)
        return Marker(epoch, self.paid, self.last_round, topics)

    def _pay(self, paid: int) -> None:
        self.paid = max(self.paid, paid)
        # The dict is in the order of rounds, so what is paid stands in front: this looks at no key twice.
        for key in list(_while_paid(self._owed, self.paid)):
            del self._owed[key]


def _while_paid(owed: dict[str, tuple[Any, ...]], paid: int) -> Iterable[str]:
    for key, each in owed.items():
        if each[-1].round > paid:
            return
        yield key
