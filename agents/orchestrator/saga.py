"""A saga as a value, and the one decider that runs any such value.

    running: ask for a step -> done -> the next one … -> completed
                  |-> refused, or silent for too long, or cancelled, or undone by somebody else: undoing
    undoing: ask to undo the last step that was done, or may have been -> undone -> the one before … -> failed

A step that stayed silent may have been done, so it is undone as if it were: whoever is asked to undo what never was
says so, and refuses it when it comes late. Answers that nobody waits for are repeats and change nothing, because each
participant answers again when it is asked again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from agents.orchestrator.state import Checkout, Failure, Phase
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutFailureReason,
    CheckoutStarted,
    CheckoutStep,
    StartCheckout,
)
from schemas.message import Message
from streams.decision import Decision, Wake

#: How often a step is asked for before it counts as failed.
MOST_ASKS = 3
#: How often it is to be undone before people have to look; the pauses grow from the step's own to the longest.
MOST_UNDOS = 10
LONGEST_PAUSE = 5 * 60_000
#: After its end, for as long as anything about it may come late.
TERMINAL_STAYS = 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to be done by somebody else, and how to have it undone."""

    name: CheckoutStep
    ask: Callable[[Checkout], Message]
    #: The answer that it is done, and what to keep of it. None from `learn`: it is not done yet, wait on.
    ok: type[Message]
    learn: Callable[[Checkout, Any], Checkout | None] = lambda checkout, _: checkout
    #: The answer that it is not, what that is called, and why in words.
    no: type[Message] | None = None
    refused: CheckoutFailureReason = CheckoutFailureReason.TIMED_OUT
    why: Callable[[Any], str] = str
    undo: Callable[[Checkout], Message]
    #: Each of these answers says that nothing of it is left.
    undone: tuple[type[Message], ...]
    #: The answer that it can't be undone any more, because all of it went well.
    stands: type[Message] | None = None
    #: Millis until it is asked for again.
    within: int


@dataclass(frozen=True, slots=True)
class Saga:
    """Its steps in their order."""

    steps: tuple[Step, ...]
    #: What it is called that something is undone before we asked for that, and why in words.
    stopped: Callable[[Message], tuple[CheckoutFailureReason, str]]

    @property
    def answers(self) -> tuple[type[Message], ...]:
        """All that it waits for."""
        each = [answer for step in self.steps for answer in (step.ok, step.no, step.stands, *step.undone)]
        return tuple(dict.fromkeys(answer for answer in each if answer is not None))

    def decide(self, checkout: Checkout | None, message: Message | Wake, at: int) -> Decision[Checkout]:
        if isinstance(message, StartCheckout):
            return self._start(message, at) if checkout is None else _as_it_is(checkout)
        if checkout is None:  # about a checkout of somebody else's, or one that is over for long
            return Decision(None)
        if isinstance(message, Wake):
            return self._silent(checkout, max(at, message.deadline))
        match checkout.phase:
            case Phase.RUNNING:
                return self._running(checkout, message, at)
            case Phase.UNDOING:
                return self._undoing(checkout, message, at)
            case Phase.FAILED:
                return self._late(checkout, message)
            case Phase.COMPLETED:
                return _as_it_is(checkout)

    def _start(self, start: StartCheckout, at: int) -> Decision[Checkout]:
        started = CheckoutStarted(
            checkoutId=start.checkoutId,
            cartId=start.cartId,
            attempt=start.attempt,
            customerId=start.customerId,
            total=start.total,
            currency=start.currency,
            startedAt=at,
        )
        kept = start.model_copy(update={"meta": None})
        return self._ask(Checkout(kept, Phase.RUNNING), self.steps[0], at, started)

    def _running(self, checkout: Checkout, message: Message, at: int) -> Decision[Checkout]:
        step = self._step(checkout.asked)
        if isinstance(message, step.ok):
            learnt = step.learn(checkout, message)
            return _as_it_is(checkout) if learnt is None else self._go_on(learnt, step, at)
        if step.no is not None and isinstance(message, step.no):
            return self._fail(checkout, Failure(step.name, step.refused, step.why(message)), at)
        if any(isinstance(message, each.undone) for each in self.steps):
            return self._fail(_in_doubt(checkout, step), Failure(step.name, *self.stopped(message)), at, message)
        return _as_it_is(checkout)

    def _go_on(self, checkout: Checkout, step: Step, at: int) -> Decision[Checkout]:
        done = replace(checkout, done=(*checkout.done, step.name))
        if step is not self.steps[-1]:
            return self._ask(done, self.steps[self.steps.index(step) + 1], at)
        return self._complete(done, at)

    def _complete(self, checkout: Checkout, at: int) -> Decision[Checkout]:
        start = checkout.start
        completed = CheckoutCompleted(
            checkoutId=start.checkoutId,
            cartId=start.cartId,
            customerId=start.customerId,
            orderId=start.checkoutId,
            total=start.total,
            currency=start.currency,
            completedAt=at,
        )
        return _end(checkout, Phase.COMPLETED, completed, at)

    def _silent(self, checkout: Checkout, at: int) -> Decision[Checkout]:
        step = self._step(checkout.asked)
        if checkout.phase is Phase.RUNNING:
            if checkout.times < MOST_ASKS:
                return self._ask(checkout, step, at)
            detail = f"no answer to {MOST_ASKS} requests, each {step.within} ms apart"
            return self._fail(
                _in_doubt(checkout, step), Failure(step.name, CheckoutFailureReason.TIMED_OUT, detail), at
            )
        if checkout.times < MOST_UNDOS:
            return self._undo(checkout, step, at)
        # Nothing waits for ever; that it is not among the steps undone tells people where to look.
        return self._undo_next(replace(checkout, done=_without(checkout.done, step.name)), at)

    def _fail(
        self, checkout: Checkout, failure: Failure, at: int, message: Message | None = None
    ) -> Decision[Checkout]:
        """Turn back. `message`: it may tell of something that is undone already."""
        undoing = replace(checkout, phase=Phase.UNDOING, failure=failure)
        return self._undo_next(undoing if message is None else self._heard(undoing, message), at)

    def _undoing(self, checkout: Checkout, message: Message, at: int) -> Decision[Checkout]:
        stands = self._step(checkout.asked).stands
        if stands is not None and isinstance(message, stands):
            if checkout.failure is not None and checkout.asked == checkout.failure.step:
                return self._complete(replace(checkout, failure=None), at)
            # Too late: an earlier undo was given up, and what came before it has been undone since.
            left = tuple(name for name in checkout.done if self._step(name).stands is None)
            return self._undo_next(replace(checkout, done=left), at)
        late = self._unexpected(checkout, message)
        heard = self._heard(checkout, message) if late is None else _in_doubt(checkout, late)
        if checkout.asked in heard.done:
            return _as_it_is(heard)
        return self._undo_next(heard, at)

    def _late(self, checkout: Checkout, message: Message) -> Decision[Checkout]:
        late = self._unexpected(checkout, message)
        sends = () if late is None else (late.undo(checkout),)
        return Decision(checkout, sends=sends, expires=checkout.expires)

    def _unexpected(self, checkout: Checkout, message: Message) -> Step | None:
        """The step that was done after all, though it had been refused, or could not be undone."""
        settled = checkout.done + checkout.undone
        return next((step for step in self.steps if isinstance(message, step.ok) and step.name not in settled), None)

    def _heard(self, checkout: Checkout, message: Message) -> Checkout:
        """An answer may tell that several steps are undone: money that went back is not held either."""
        gone = tuple(name for name in reversed(checkout.done) if isinstance(message, self._step(name).undone))
        return replace(checkout, done=_without(checkout.done, *gone), undone=checkout.undone + gone)

    def _undo_next(self, checkout: Checkout, at: int) -> Decision[Checkout]:
        if checkout.done:
            return self._undo(replace(checkout, times=0), self._step(checkout.done[-1]), at)
        start, failure = checkout.start, checkout.failure
        assert failure is not None  # noqa: S101 - nobody turns back without one
        failed = CheckoutFailed(
            checkoutId=start.checkoutId,
            cartId=start.cartId,
            customerId=start.customerId,
            step=failure.step,
            reason=failure.reason,
            detail=failure.detail,
            compensated=checkout.undone,
            failedAt=at,
        )
        return _end(checkout, Phase.FAILED, failed, at)

    def _ask(self, checkout: Checkout, step: Step, at: int, *first: Message) -> Decision[Checkout]:
        times = checkout.times + 1 if checkout.asked == step.name else 1
        asked = replace(checkout, asked=step.name, times=times, deadline=at + step.within)
        return Decision(asked, sends=(*first, step.ask(asked)), timer=asked.deadline)

    def _undo(self, checkout: Checkout, step: Step, at: int) -> Decision[Checkout]:
        pause = min(step.within << checkout.times, LONGEST_PAUSE)
        asked = replace(checkout, asked=step.name, times=checkout.times + 1, deadline=at + pause)
        return Decision(asked, sends=(step.undo(asked),), timer=asked.deadline)

    def _step(self, name: CheckoutStep | None) -> Step:
        return next(step for step in self.steps if step.name == name)


def _in_doubt(checkout: Checkout, step: Step) -> Checkout:
    """What was asked for and not answered may have been done."""
    return replace(checkout, done=(*checkout.done, step.name))


def _without(steps: tuple[CheckoutStep, ...], *gone: CheckoutStep) -> tuple[CheckoutStep, ...]:
    return tuple(name for name in steps if name not in gone)


def _as_it_is(checkout: Checkout) -> Decision[Checkout]:
    return Decision(checkout, timer=checkout.deadline, expires=checkout.expires)


def _end(checkout: Checkout, phase: Phase, told: Message, at: int) -> Decision[Checkout]:
    ended = replace(checkout, phase=phase, asked=None, deadline=None, expires=at + TERMINAL_STAYS)
    return Decision(ended, sends=(told,), expires=ended.expires)
