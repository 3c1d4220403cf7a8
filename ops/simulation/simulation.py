"""Batch after batch, until all customers are served or a rule is broken."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from ops.audit import Violation
from ops.simulation.shrinking import shrunk
from ops.simulation.timeline import timeline
from ops.simulation.trial import Course, Fault, Trial, run
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutStarted
from schemas.message import Message
from schemas.orders import OrderCancelled
from streams.service import Service

#: Customers who share one twin: memory is that of one batch, however many there are.
BATCH = 1_000

Services = Sequence[Service[Any, Any]]


@dataclass(slots=True)
class Tally:
    """What came of all customers so far."""

    customers: int = 0
    sagas: int = 0
    #: completed, cancelled afterwards, failed by step and reason, rejected by reason.
    outcomes: Counter[str] = field(default_factory=Counter)
    befell: Counter[Fault] = field(default_factory=Counter)
    published: int = 0
    dead_letters: int = 0
    seconds: float = 0

    def add(self, course: Course, seconds: float) -> None:
        self.customers += len(course.trial.numbers)
        self.befell += course.befell
        self.published += course.published
        self.dead_letters += len(course.dead_letters)
        self.seconds += seconds
        told = {message.meta.messageId: message for message in _told(course) if message.meta}.values()
        self.sagas += sum(isinstance(message, CheckoutStarted) for message in told)
        self.outcomes += outcomes(told)

    @property
    def sagas_per_s(self) -> int:
        return round(self.sagas / self.seconds)


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule, as small as it can be shown."""

    violations: tuple[Violation, ...]
    #: The whole batch, and the smallest part of it that breaks the same rule.
    trial: Trial
    smallest: Trial
    #: Of the smallest.
    trace: tuple[str, ...]


def simulate(
    trial: Trial,
    services: Services,
    progress: Callable[[Tally], None] = lambda _: None,
) -> tuple[Tally, Finding | None]:
    """Stops at the first batch that breaks a rule."""
    tally = Tally()
    for batch in batches(trial):
        started = perf_counter()
        with _no_collections():
            course = run(batch, services)
        tally.add(course, perf_counter() - started)
        progress(tally)
        if course.violations:
            return tally, explained(course, services)
    return tally, None


@contextmanager
def _no_collections() -> Iterator[None]:
    """A batch keeps nearly all that it makes, so to look for garbage in it is in vain and takes a third of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        gc.collect()


def batches(trial: Trial) -> Iterator[Trial]:
    """Each has the next seed, so it can be run again by itself."""
    if trial.only is not None:
        yield trial
        return
    for number, start in enumerate(range(0, trial.count, BATCH)):
        yield replace(trial, seed=trial.seed + number, count=min(BATCH, trial.count - start))


def explained(course: Course, services: Services) -> Finding:
    first = course.violations[0]

    def broken(trial: Trial) -> Violation | None:
        return next((each for each in run(trial, services).violations if each.rule is first.rule), None)

    smallest = shrunk(course.trial, lambda trial: broken(trial) is not None, _customers(course, first))
    again = run(smallest, services)
    shown = next((each for each in again.violations if each.rule is first.rule), first)
    return Finding(course.violations, course.trial, smallest, tuple(timeline(again, shown.key)))


def outcomes(told: Any) -> Counter[str]:
    """By what the outside is told of it."""
    counted: Counter[str] = Counter()
    completed = {message.orderId for message in told if isinstance(message, CheckoutCompleted)}
    for message in told:
        match message:
            case CheckoutCompleted():
                counted["completed"] += 1
            case CheckoutFailed():
                counted[f"failed {message.step} {message.reason}"] += 1
            case CheckoutRejected():
                counted[f"rejected {message.reason}"] += 1
            case OrderCancelled() if message.orderId in completed:
                counted["cancelled afterwards"] += 1
    return counted


def _told(course: Course) -> Iterator[Message]:
    return (record.message for record in course.records if isinstance(record.message, Message))


def _customers(course: Course, violation: Violation) -> tuple[int, ...]:
    """Whose cart or checkout it is, if it is somebody's."""
    load = course.trial.load()
    return tuple(
        number
        for number in course.trial.numbers
        for customer in (load.shopper(number),)
        if violation.key in (customer.cart_id, customer.checkout_id)
    )
