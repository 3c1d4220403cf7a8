"""Calls to the outside: what is asked for, what may be called now, and when to try again.

Pure: time is passed in as millis and never goes back, and the jitter of a pause comes from the effect's own id. A shell
performs what `Outside.start` returns and reports what came of it:

    waiting ──start──> in flight ──answered──> over
       ^                   │
       └──────pause────────┴─ failed, or past its deadline

A call past its deadline has an unknown outcome: it is made again under the same id, which the outside must take for an
idempotency key, and whichever answer comes first is the outcome.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

from schemas.errors import OrderflowError

#: Performs an effect under its id: the outcome, or UnavailableError.
Perform = Callable[[Any, str], Any]

#: More of them make no longer pause, only a longer number.
_MOST_DOUBLINGS = 32


class UnavailableError(OrderflowError):
    """What a performer raises when the outside can't be reached: the effect is tried again, later and later."""


class PolicyError(OrderflowError):
    """A policy under which no call could ever be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient, how hard and how persistent the calls of one type of effect are. Times are millis."""

    #: How long a call may take before its outcome counts as unknown.
    deadline: int = 10_000
    #: The pause after the nth failure is drawn from 0 to `first_pause` doubled n-1 times, at most `longest_pause`.
    first_pause: int = 100
    longest_pause: int = 60_000
    #: Calls in flight at most.
    at_once: int = 16
    #: After so many failures in a row nobody is called for a while; then one call tries for all.
    breaker_failures: int = 5
    breaker_pause: int = 10_000

    def __post_init__(self) -> None:
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        if wrong := [f"{name}={value}" for name, value in settings.items() if value < 1]:
            raise PolicyError(f"a policy with {', '.join(wrong)} would call nobody; each must be at least 1")

    def pause(self, effect_id: str, attempt: int) -> int:
        """Before the next attempt. The same for the same effect, spread over all: so they don't come back as one."""
        longest = min(self.first_pause << min(attempt - 1, _MOST_DOUBLINGS), self.longest_pause)
        chance = blake2b(f"{effect_id}/{attempt}".encode(), digest_size=8)
        return int.from_bytes(chance.digest()) % (longest + 1)


class Circuit(StrEnum):
    """Whether calls of one type go out."""

    CLOSED = "closed"
    OPEN = "open"
    #: One call is out to try for all.
    HALF_OPEN = "half open"


class Call(NamedTuple):
    """One attempt at one effect."""

    key: str
    effect_id: str
    effect: Any
    #: From 1.
    attempt: int
    #: When its outcome counts as unknown.
    deadline: int


class Load(NamedTuple):
    """What goes on with one type of effect, for those who watch. The last four only grow, but for the error."""

    waiting: int
    in_flight: int
    circuit: Circuit
    #: Calls that were not the first of their effect.
    retries: int
    #: Calls past their deadline.
    overdue: int
    #: Failures that no performer foresaw: any exception but UnavailableError.
    faults: int
    #: Of the last failure.
    error: str


class Outside:
    """The effects that were asked for and are not over. Each type has its own limits, and holds up no other."""

    def __init__(self, policies: Mapping[type, Policy]) -> None:
        """`policies`: by type of effect; the default policy holds for all others."""
        self._policies = policies
        self._lanes: dict[type, _Lane] = {}

    def ask(self, key: str, effect_id: str, effect: Any, now: int) -> None:
        """Wait for a call as soon as there is room. An id that is asked for already is not asked for twice."""
        self._lane(effect).ask(key, effect_id, effect, now)

    def give_up(self, effect_id: str) -> None:
        """Its key was forgotten: no more tries, and an outcome that still comes is nobody's."""
        for lane in self._lanes.values():
            lane.give_up(effect_id)

    def start(self, now: int) -> list[Call]:
        """What to call now: by type, whoever fell due first goes first. They count as in flight from here on."""
        return [call for lane in self._lanes.values() for call in lane.start(now)]

    def answered(self, call: Call) -> bool:
        """Whether the outcome counts: not if the effect was given up, or another attempt answered before."""
        return self._lane(call.effect).answered(call)

    def failed(self, call: Call, now: int, error: BaseException) -> None:
        """The effect waits and is tried again. A call past its deadline has failed before, and its error is no news."""
        self._lane(call.effect).failed(call, now, error)

    def next_at(self) -> int | None:
        """When `start` may have something to do, if nothing else happens before."""
        return min((at for lane in self._lanes.values() if (at := lane.next_at()) is not None), default=None)

    @property
    def in_flight(self) -> bool:
        return any(lane.flights for lane in self._lanes.values())

    def loads(self) -> dict[type, Load]:
        return {kind: lane.load() for kind, lane in self._lanes.items()}

    def _lane(self, effect: Any) -> "_Lane":
        kind = type(effect)
        lane = self._lanes.get(kind)
        if lane is None:
            policy = self._policies.get(kind, Policy())
            lane = self._lanes[kind] = _Lane(policy, _Breaker(policy))
        return lane


@dataclass(slots=True)
class _Asked:
    """An effect that waits or is in flight."""

    key: str
    effect_id: str
    effect: Any
    attempt: int = 0
    #: Its place in the queue; None while it does not wait.
    turn: int | None = None
    #: Not where it was given up in flight: it stays until it lands, so that its place in flight stays taken and an
    #: effect that is asked for again isn't called twice at once.
    wanted: bool = True


@dataclass(slots=True)
class _Breaker:
    """After several failures in a row nobody is called for a while; then one call tries for all.

    Of those in flight when it opens, a failure is no news, but an answer says that the outside is back.
    """

    policy: Policy
    failures: int = 0
    #: When somebody may try; None while the circuit is closed.
    trial_at: int | None = None
    trial: Call | None = None

    @property
    def circuit(self) -> Circuit:
        if self.trial_at is None:
            return Circuit.CLOSED
        return Circuit.OPEN if self.trial is None else Circuit.HALF_OPEN

    def opens_for(self, due: int) -> int | None:
        """The earliest time for a call that is due then; None while another one tries for it."""
        if self.trial_at is None:
            return due
        return max(due, self.trial_at) if self.trial is None else None

    def started(self, call: Call) -> None:
        if self.trial_at is not None:
            self.trial = call

    def succeeded(self) -> None:
        self.failures, self.trial_at, self.trial = 0, None, None

    def failed(self, call: Call, now: int) -> None:
        self.failures += 1
        if call is self.trial or (self.trial_at is None and self.failures >= self.policy.breaker_failures):
            self.trial_at, self.trial = now + self.policy.breaker_pause, None


@dataclass(slots=True)
class _Lane:
    """The effects of one type."""

    policy: Policy
    breaker: _Breaker
    asked: dict[str, _Asked] = field(default_factory=dict)
    #: In the order of their start and so, with one deadline for all, of their deadlines.
    flights: dict[str, Call] = field(default_factory=dict)
    #: A heap by time and turn. Who was given up stays in it for a while, at a turn that is not its own any more.
    queue: list[tuple[int, int, _Asked]] = field(default_factory=list)
    waiting: int = 0
    turns: int = 0
    retries: int = 0
    overdue: int = 0
    faults: int = 0
    error: str = ""

    def load(self) -> Load:
        return Load(
            self.waiting,
            len(self.flights),
            self.breaker.circuit,
            self.retries,
            self.overdue,
            self.faults,
            self.error,
        )

    def ask(self, key: str, effect_id: str, effect: Any, now: int) -> None:
        known = self.asked.get(effect_id)
        if known is None:
            known = self.asked[effect_id] = _Asked(key, effect_id, effect)
            self._queue_up(known, now)
        known.wanted = True

    def give_up(self, effect_id: str) -> None:
        known = self.asked.get(effect_id)
        if known is None:
            return
        if effect_id in self.flights:
            known.wanted = False
            return
        del self.asked[effect_id]
        if known.turn is not None:
            known.turn = None
            self.waiting -= 1

    def start(self, now: int) -> Iterator[Call]:
        self._land_overdue(now)
        while (due := self._next_start()) is not None and due <= now:
            _, _, asked = heapq.heappop(self.queue)
            self.waiting -= 1
            asked.turn = None
            asked.attempt += 1
            self.retries += asked.attempt > 1
            call = Call(asked.key, asked.effect_id, asked.effect, asked.attempt, now + self.policy.deadline)
            self.flights[asked.effect_id] = call
            self.breaker.started(call)
            yield call

    def answered(self, call: Call) -> bool:
        if self._land(call):
            self.breaker.succeeded()
        known = self.asked.get(call.effect_id)
        counts = known is not None and known.wanted
        self.give_up(call.effect_id)
        return counts

    def failed(self, call: Call, now: int, error: BaseException) -> None:
        if not self._land(call):
            return
        self.breaker.failed(call, now)
        self.error = f"{type(error).__name__}: {error}"
        self.faults += not isinstance(error, UnavailableError)
        asked = self.asked[call.effect_id]
        if asked.wanted:
            self._queue_up(asked, now + self.policy.pause(call.effect_id, call.attempt))
        else:
            del self.asked[call.effect_id]

    def next_at(self) -> int | None:
        overdue_at = next((call.deadline for call in self.flights.values()), None)
        return min((at for at in (overdue_at, self._next_start()) if at is not None), default=None)

    def _next_start(self) -> int | None:
        """When the first of those who wait may go; None if somebody in flight must land before."""
        # Rebuilt once most of it was given up: in the long run that is constant per effect.
        if len(self.queue) > 2 * self.waiting:
            self.queue = [place for place in self.queue if _stands(place)]
            heapq.heapify(self.queue)
        while self.queue and not _stands(self.queue[0]):
            heapq.heappop(self.queue)
        if not self.queue or len(self.flights) >= self.policy.at_once:
            return None
        return self.breaker.opens_for(self.queue[0][0])

    def _queue_up(self, asked: _Asked, due: int) -> None:
        self.turns += 1
        asked.turn = self.turns
        self.waiting += 1
        heapq.heappush(self.queue, (due, self.turns, asked))

    def _land(self, call: Call) -> bool:
        """Whether the call was in flight: not if its deadline has passed, though the effect may be in flight again."""
        if self.flights.get(call.effect_id) is not call:
            return False
        del self.flights[call.effect_id]
        return True

    def _land_overdue(self, now: int) -> None:
        while (call := next(iter(self.flights.values()), None)) is not None and call.deadline <= now:
            self.overdue += 1
            self.failed(call, now, UnavailableError(f"no answer within {self.policy.deadline} ms"))


def _stands(place: tuple[int, int, _Asked]) -> bool:
    _, turn, asked = place
    return asked.turn == turn
