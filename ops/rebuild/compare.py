"""What the changelog has of a key beside what its records give, and another order in which they give the same."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ops.rebuild.refold import Refold, Told
from streams.packing import ENCODER
from streams.step import Arrival, Entry

#: Two records of different topics may have been read the other way round if they are no further apart.
NEAR_MILLIS = 10_000
#: Orders that are tried for one key, and how many records it may have for that.
MOST_TRIES = 400
MOST_RECORDS = 400


def difference(known: Entry[Any] | None, folded: Entry[Any] | None) -> str | None:
    """The first field that differs, with both values; None where nothing does that matters.

    What was heard and absorbed of whom is left out, and so are the numbers of decisions: they say what was read, not
    what became of it.
    """
    return next(_between("", _plain(known), _plain(folded)), None)


def reordered(refold: Refold, arrivals: Sequence[Arrival], known: Entry[Any] | None) -> bool:
    """Whether the records of a key give what is known in another order, each topic's own order kept."""
    if len(arrivals) > MOST_RECORDS:
        return False
    seen = {(first := tuple(range(len(arrivals))))}
    orders = deque([first])
    while orders and len(seen) < MOST_TRIES:
        for order in _neighbours(arrivals, orders.popleft()):
            if order in seen:
                continue
            seen.add(order)
            told = Told()
            for place in order:
                told = refold.after(told, arrivals[place])
            if difference(known, told.entry) is None:
                return True
            orders.append(order)
    return False


def _neighbours(arrivals: Sequence[Arrival], order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for place in range(len(order) - 1):
        first, second = arrivals[order[place]], arrivals[order[place + 1]]
        if first.topic != second.topic and abs(first.at - second.at) <= NEAR_MILLIS:
            yield (*order[:place], order[place + 1], order[place], *order[place + 2 :])


def _plain(entry: Entry[Any] | None) -> Any:
    if entry is None:
        return None
    shown = {
        "state": entry.state,
        "timer": entry.timer,
        "expires": entry.expires,
        "pending": entry.pending,
        "parked": [(each.topic, each.offset) for each in entry.parked],
    }
    return msgspec.msgpack.decode(ENCODER.encode(shown))


def _between(path: str, known: Any, folded: Any) -> Iterator[str]:
    if isinstance(known, dict) and isinstance(folded, dict):
        for name in dict.fromkeys([*known, *folded]):
            yield from _between(f"{path}.{name}" if path else str(name), known.get(name), folded.get(name))
    elif isinstance(known, list) and isinstance(folded, list) and len(known) == len(folded):
        for place, (ours, theirs) in enumerate(zip(known, folded, strict=True)):
            yield from _between(f"{path}[{place}]", ours, theirs)
    elif known != folded:
        yield f"{path or 'all of it'}: {_short(known)} in the changelog, {_short(folded)} from its inputs"


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


_LONGEST = 80
