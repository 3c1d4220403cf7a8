"""What a changelog says, read from its first record to its last, whoever wrote into it.

The owner of a partition begins with a claim: a marker with an epoch above all that it has read. What an older epoch
writes behind that claim comes from an owner that was frozen or cut off: it is left out, by whoever folds, and the
owner writes those keys again. So a late write changes nothing, however late it is.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.errors import OrderflowError
from streams.partition import Owed


class ChangelogError(OrderflowError):
    """The changelog can't be folded; going on would lose state."""


class Marker(NamedTuple):
    """Says who owns the partition, and up to which round all outputs are published."""

    epoch: int
    paid: int


class Written(NamedTuple):
    """What every record of a key says about the decision in it."""

    epoch: int
    round: int
    #: The last round that was paid when this was written.
    paid: int
    owed: tuple[Owed, ...]


class Fold:
    """Everything but the entries themselves."""

    def __init__(self) -> None:
        self.epoch = 0
        self.paid = 0
        self.last_round = 0
        #: Keys that an older epoch wrote over.
        self.foreign: set[str] = set()
        #: By key, in order of the round that wrote the key last.
        self._owed: dict[str, tuple[Owed, ...]] = {}

    @property
    def owed(self) -> dict[str, tuple[Owed, ...]]:
        """What is not known to be published."""
        unpaid = {key: tuple(each for each in owed if each.round > self.paid) for key, owed in self._owed.items()}
        return {key: owed for key, owed in unpaid.items() if owed}

    def marker(self, marker: Marker) -> None:
        if marker.epoch >= self.epoch:
            self.epoch = marker.epoch
            self._pay(marker.paid)

    def written(self, key: str, written: Written) -> bool:
        """Whether the record counts."""
        if written.epoch < self.epoch:
            self.foreign.add(key)
            return False
        if written.epoch == self.epoch and written.round < self.last_round:
            raise ChangelogError(
                f"the state of {key} goes backwards: round {written.round} follows round {self.last_round} "
                f"of the same owner (epoch {self.epoch})"
            )
        self.epoch = written.epoch
        self.last_round = max(self.last_round, written.round)
        self.foreign.discard(key)
        self._owed.pop(key, None)
        if written.owed:
            self._owed[key] = written.owed
        self._pay(written.paid)
        return True

    def forgotten(self, key: str, epoch: int) -> bool:
        """Whether the record counts: a tombstone, which owes nothing."""
        return self.written(key, Written(epoch, self.last_round, self.paid, ()))

    def claim(self, generation: int) -> Marker:
        """The marker that makes the partition ours; `generation` is the group's."""
        return Marker(max(generation, self.epoch + 1), self.paid)

    def _pay(self, paid: int) -> None:
        self.paid = max(self.paid, paid)
        # A round that changed nothing leaves no other trace, and its number must not be used again.
        self.last_round = max(self.last_round, self.paid)
        # The dict is in the order of rounds, so what is paid stands in front: this looks at no key twice.
        for key in list(_while_paid(self._owed, self.paid)):
            del self._owed[key]


def _while_paid(owed: dict[str, tuple[Owed, ...]], paid: int) -> Iterable[str]:
    for key, each in owed.items():
        if each[-1].round > paid:
            return
        yield key
