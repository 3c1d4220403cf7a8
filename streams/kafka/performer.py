"""Makes the calls that `Outside` lets start, on threads of its own: one that takes long holds up no partition.

A performer must set timeouts on its clients. Nobody can stop a thread: a call that never returns keeps its thread for
as long as the process lives. Its deadline frees its place in flight, and another thread makes the next call, until as
many threads are lost as calls of its type may be made at once. From then on calls of that type fail at once, which
opens its circuit. Other types don't notice, and neither does the end of the process.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, NamedTuple

from streams.effects import Call, Perform, Policy, UnavailableError

log = logging.getLogger(__name__)

#: Between two tracebacks about the same type of effect: an outage must not fill the disk.
_SECONDS_BETWEEN_TRACEBACKS = 60


class Result(NamedTuple):
    """What came of a call."""

    call: Call
    outcome: Any = None
    #: None where there is an outcome, which may be None itself.
    error: BaseException | None = None


class Performer:
    """One thread submits and collects, the one that owns the `Outside`; who performs runs on other threads."""

    def __init__(
        self, perform: Mapping[type, Perform], policies: Mapping[type, Policy], *, enabled: bool = True
    ) -> None:
        """Without `enabled` (replay) nothing is called."""
        self._enabled = enabled
        self._results: deque[Result] = deque()
        self._crews = {
            kind: _Crew(kind.__name__, each, policies.get(kind, Policy()).at_once, self._report)
            for kind, each in perform.items()
        }

    def submit(self, call: Call) -> None:
        """Have it made at once. Never waits, never raises: whatever goes wrong is a result."""
        if not self._enabled:
            return
        crew = self._crews[type(call.effect)]
        if not crew.take(call):
            self._report(Result(call, error=UnavailableError(crew.excuse)))

    def results(self) -> list[Result]:
        """What has come since the last time."""
        return [self._results.popleft() for _ in range(len(self._results))]

    def close(self, timeout: float) -> int:
        """Let the calls in flight come to their end, for so many seconds. Returns how many did not."""
        until = monotonic() + timeout
        for crew in self._crews.values():
            crew.dismiss()
        return sum(crew.still_busy(until) for crew in self._crews.values())

    def _report(self, result: Result) -> None:
        self._results.append(result)


class _Crew:
    """The threads of one type of effect, begun as they are needed and kept, for clients keep connections by thread."""

    def __init__(self, name: str, perform: Perform, at_once: int, report: Callable[[Result], None]) -> None:
        self._name = name
        self._perform = perform
        self._report = report
        # Whoever submits keeps to `at_once` but for calls past their deadline: the other half is for those.
        self._most = 2 * at_once
        self._threads: list[Thread] = []
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._lock = Lock()
        #: Threads that no call is on its way to.
        self._idle = 0
        self._told_at = float("-inf")

    @property
    def excuse(self) -> str:
        return f"all {self._most} threads of {self._name} hang in its performer; set a timeout on its client"

    def take(self, call: Call) -> bool:
        """False if every thread is busy: then most of them hang, and waiting for one would only be another delay."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._most:
                # A daemon: a call that hangs must not keep the process from ending, as an executor's would.
                thread = Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                return False
        self._calls.put(call)
        return True

    def dismiss(self) -> None:
        for _ in self._threads:
            self._calls.put(None)

    def still_busy(self, until: float) -> int:
        for thread in self._threads:
            thread.join(max(0, until - monotonic()))
        with self._lock:
            return len(self._threads) - self._idle

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            result = self._made(call)
            # Before the result is out: who sees it may submit the next call at once.
            with self._lock:
                self._idle += 1
            self._report(result)

    def _made(self, call: Call) -> Result:
        try:
            return Result(call, self._perform(call.effect, call.effect_id))
        except UnavailableError as error:
            return Result(call, error=error)
        except BaseException as error:  # noqa: BLE001 - a performer's bug, even its sys.exit(), must not lose the effect
            self._tell(call, error)
            return Result(call, error=error)

    def _tell(self, call: Call, error: BaseException) -> None:
        with self._lock:
            now = monotonic()
            if now - self._told_at < _SECONDS_BETWEEN_TRACEBACKS:
                return
            self._told_at = now
        log.error(
            "the performer of %s failed on %s; it is tried again, but only a fix of the performer may help",
            self._name,
            call.effect_id,
            exc_info=error,
        )
