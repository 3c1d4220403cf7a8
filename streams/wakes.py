"""When something is due, for each of any number of keys."""

import heapq
from collections import defaultdict
from collections.abc import Iterator

#: What is due later than anything in the heap lies in spans of so many millis (about a minute), in no order.
_SPAN_BITS = 16
#: All is laid out anew when this many places, and more than half, stand for times that were moved since.
_SLACK = 1_000


class Wakes:
    """Keys by the time at which something is due; a key has one such time or none.

    Nearly all times are moved, or taken back, long before they come: the deadline of a step by its answer. A million
    keys may wait for the end of their retention. So only the first of them are kept in order, and to set a time that is
    not among these costs the same however many there are.
    """

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        #: A heap of what is due before `_edge`.
        self._near: list[tuple[int, str]] = []
        self._edge = 0
        #: Span -> its keys. Like the heap it may also have those that were moved since.
        self._later: defaultdict[int, list[str]] = defaultdict(list)
        #: A heap of the spans.
        self._spans: list[int] = []
        self._places = 0

    def __len__(self) -> int:
        return len(self._times)

    def set(self, key: str, time: int | None) -> None:
        if time is None:
            self._times.pop(key, None)
            return
        if self._times.get(key) == time:
            return
        self._times[key] = time
        self._place(key, time)
        if self._places > 2 * len(self._times) + _SLACK:
            self._lay_out()

    @property
    def next_at(self) -> int | None:
        near, times = self._near, self._times
        while True:
            while near:
                time, key = near[0]
                if times.get(key) == time:
                    return time
                heapq.heappop(near)
                self._places -= 1
            if not self._spans:
                return None
            self._open()

    def take(self, now: int) -> Iterator[tuple[str, int]]:
        """Keys whose time has come, in order of time, each once."""
        while (time := self.next_at) is not None and time <= now:
            _, key = heapq.heappop(self._near)
            self._places -= 1
            del self._times[key]
            yield key, time

    def _place(self, key: str, time: int) -> None:
        self._places += 1
        if time < self._edge:
            heapq.heappush(self._near, (time, key))
            return
        span = time >> _SPAN_BITS
        keys = self._later[span]
        if not keys:
            heapq.heappush(self._spans, span)
        keys.append(key)

    def _open(self) -> None:
        """Put the next span in order."""
        span = heapq.heappop(self._spans)
        self._edge = (span + 1) << _SPAN_BITS
        keys = self._later.pop(span)
        due = [(time, key) for key in set(keys) if (time := self._times.get(key, -1)) >> _SPAN_BITS == span]
        heapq.heapify(due)
        self._places += len(due) - len(keys)
        self._near += due

    def _lay_out(self) -> None:
        self._near.clear()
        self._later.clear()
        self._spans.clear()
        self._places = 0
        for key, time in self._times.items():
            self._place(key, time)
