"""One partition of one service, as its owner runs it: what may be done when, and never any I/O.

Kafka and the twin drive the same protocol. A round takes what was read and decides all of it. Its changelog records
are written; once they are acknowledged the round is durable, and what it owes may be published; once that is
acknowledged the round is paid, and the inputs need not be read again. Rounds follow each other through these stages in
order, several at a time. A crash loses this object and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, Generic, NamedTuple, TypeVar

from streams.changelog import Owed
from streams.service import Service
from streams.step import Arrival, Entry, Wire, absorb
from streams.wakes import Wakes

S = TypeVar("S")

#: Bytes of outputs that a key may owe when more is decided for it: all that it owes stands in each of its records.
MOST_OWED = 2**20
#: A decision's turn is its round and its place therein, for which there are so many bits: more than a round reads.
_PLACE_BITS = 20


class Commit(NamedTuple):
    """What the changelog record of a key says: all of its state, and all that it owes and is not known to be paid."""

    #: None: the key is forgotten.
    entry: Entry[Any] | None
    owed: tuple[Owed, ...]


@dataclass(slots=True)
class Round:
    """What was decided on the records of one read."""

    number: int
    #: Input topic -> the offset to go on from.
    positions: Mapping[str, int]
    commits: dict[str, Commit] = field(default_factory=dict)
    #: Forgotten keys that owe nothing any more: their tombstones follow the commits.
    graves: list[str] = field(default_factory=list)
    #: To be published once the round is durable, in this order.
    outputs: list[Any] = field(default_factory=list)
    #: Keys whose outputs were left by an earlier life.
    left: tuple[str, ...] = ()
    repeats: int = 0
    #: Messages that waited and wait no more.
    unparked: int = 0
    decided: int = 0
    #: Effects to be asked for once the round is durable: id -> (key, effect); and those that nobody waits for any more.
    asked: dict[str, tuple[str, Any]] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    due: dict[str, int | None] = field(default_factory=dict)


class Partition(Generic[S]):
    """The owner's view of a partition."""

    def __init__(
        self, service: Service[S, Any], wire: Wire, settled: Callable[[str], Entry[S] | None], last_round: int
    ) -> None:
        """`settled`: looks up the entries of paid rounds. `last_round`: the last one in the changelog."""
        self._service = service
        self._wire = wire
        self._settled = settled
        self._last_round = last_round
        #: Entries of rounds that are not paid yet, with the round that changed them last.
        self._unsettled: dict[str, tuple[int, Entry[S] | None]] = {}
        self._unpaid: dict[str, tuple[Owed, ...]] = {}
        #: Bytes of it.
        self._owed_bytes: dict[str, int] = {}
        #: A key owes so much that some of it has to be paid before anything else is decided.
        self.laden = False
        #: Forgotten keys whose changelog record may go, now that nothing is owed any more; in order, as a set has none.
        self._graves: dict[str, None] = {}
        self.wakes = Wakes()
        #: Keys whose messages wait.
        self.parked: set[str] = set()

    @property
    def last_round(self) -> int:
        return self._last_round

    def resume(self, owed: Mapping[str, tuple[Owed, ...]], foreign: Iterable[str], now: int) -> Round:
        """The first round of a life: pay what the last one left, and write again whatever a stranger wrote over.

        Rounds are not counted from 1 but from the present time: their neighbours remember the turns that they have
        heard, even where the changelog was lost that did.
        """
        self._last_round = max(self._last_round + 1, now)
        round_ = Round(self._last_round, {}, left=tuple(owed))
        self._unpaid |= owed
        self._owed_bytes = {key: self._weight(each) for key, each in owed.items()}
        for key in sorted(foreign):
            self._commit(round_, key, self._settled(key), ())
        # In the order in which they were decided, or their receivers would take the later for all that there is.
        left = sorted(chain.from_iterable(owed.values()), key=lambda each: (each.round, each.place))
        round_.outputs = [each.output for each in left]
        return round_

    def decide(self, arrivals: Iterable[Arrival], positions: Mapping[str, int], now: int) -> Round:
        """Decide all; nothing may be done about it before the round's commits are in the changelog.

        Where a key gets `laden` on the way, the rest of an iterator is left for a later round, with the positions.
        """
        self._last_round += 1
        round_ = Round(self._last_round, positions)
        turns = count(self._last_round << _PLACE_BITS)
        for arrival in arrivals:
            self._absorb(round_, arrival, now, turns)
            if self.laden:
                round_.positions = {}
                break
        round_.graves = [key for key in self._graves if self.entry(key) is None and key not in self._unsettled]
        self._graves.clear()
        return round_

    def durable(self, round_: Round) -> None:
        """Its commits are acknowledged: from now on it will happen, whoever crashes."""
        for key, due in round_.due.items():
            self.wakes.set(key, due)

    def paid(self, round_: Round) -> Iterator[tuple[str, Entry[S] | None]]:
        """Its outputs are acknowledged: what to keep of its keys where the next life looks first."""
        for key, commit in round_.commits.items():
            yield key, commit.entry
            number, _ = self._unsettled[key]
            if number == round_.number:
                del self._unsettled[key]
                if commit.entry is None:
                    self._graves[key] = None
        for key in chain(round_.commits, round_.left):
            if owed := tuple(each for each in self._unpaid.pop(key, ()) if each.round > round_.number):
                self._unpaid[key] = owed
                self._owed_bytes[key] = self._weight(owed)
            else:
                self._owed_bytes.pop(key, None)
        if self.laden:
            self.laden = max(self._owed_bytes.values(), default=0) > MOST_OWED

    def entry(self, key: str) -> Entry[S] | None:
        unsettled = self._unsettled.get(key)
        return self._settled(key) if unsettled is None else unsettled[1]

    @property
    def has_graves(self) -> bool:
        """Whether an empty round would have something to write."""
        return bool(self._graves)

    def _absorb(self, round_: Round, arrival: Arrival, now: int, turns: Iterator[int]) -> None:
        key = arrival.key
        before = self.entry(key)
        start: Entry[S] = before or Entry()
        step = absorb(self._service, self._wire, start, arrival, now, turns)
        if step is None:
            round_.repeats += 1
            return
        round_.decided += 1
        round_.outputs += step.outputs
        after = step.entry
        if after is start:  # nothing is noted of it, so the same record is refused again
            return
        if before is None and after is not None and after.state is None and not after.parked:
            after = None  # it is no key yet
        if before is None and after is None and not step.outputs:
            return
        self._commit(round_, key, after, step.outputs)
        pending_before = before.pending if before else {}
        pending_after = after.pending if after else {}
        if pending_before is not pending_after:
            round_.asked |= {
                effect_id: (key, effect)
                for effect_id, effect in pending_after.items()
                if effect_id not in pending_before
            }
            for effect_id in pending_before.keys() - pending_after.keys():
                if round_.asked.pop(effect_id, None) is None:
                    round_.given_up.append(effect_id)
        self._count_parked(round_, key, before, after)
        due = after.due if after else None
        # A wake-up that was refused leaves its time as it was: it waits for the next life, and for a decider mended.
        if not step.refusals or before is None or before.parked or due != before.due:
            round_.due[key] = due

    def _count_parked(self, round_: Round, key: str, before: Entry[S] | None, after: Entry[S] | None) -> None:
        waited, wait = len(before.parked) if before else 0, len(after.parked) if after else 0
        if waited or wait:
            round_.unparked += max(0, waited - wait)
            (self.parked.add if wait else self.parked.discard)(key)

    def _weight(self, owed: tuple[Owed, ...]) -> int:
        return sum(self._wire.size(each.output) for each in owed)

    def _commit(self, round_: Round, key: str, entry: Entry[S] | None, outputs: tuple[Any, ...]) -> None:
        # The new record replaces those before it, so what they owe and is not paid yet goes along.
        place = len(round_.outputs) - len(outputs)
        owed = self._unpaid.get(key, ()) + tuple(
            Owed(round_.number, output, number) for number, output in enumerate(outputs, place)
        )
        if owed:
            self._unpaid[key] = owed
            self._owed_bytes[key] = self._owed_bytes.get(key, 0) + sum(map(self._wire.size, outputs))
            self.laden = self.laden or self._owed_bytes[key] > MOST_OWED
        self._unsettled[key] = (round_.number, entry)
        round_.commits[key] = Commit(entry, owed)
