"""What can go wrong with the demo.

OrderflowError
└── DemoError
    ├── OccupiedError      somebody else is at work in its environment
    ├── WorkerEndedError   a worker of ours ended before it was told to
    ├── UnreadyError       the workers did not share the work in time
    ├── UnendedError       a cart has had no answer, or a checkout no end
    └── ViolatedError      the audit found something that must not be
"""

from collections.abc import Mapping, Sequence

from ops.demo.outcome import Outcome
from schemas.errors import OrderflowError

#: Of those that a message names; there may be as many as there are carts.
MOST_NAMED = 10


class DemoError(OrderflowError):
    """The demo did not go as it must."""


class OccupiedError(DemoError):
    """The records of whoever is there would be among ours, and it would lose its topics."""

    def __init__(self, environment: str, groups: Sequence[str], seconds: float) -> None:
        super().__init__(
            f"the environment {environment} is at work elsewhere: {', '.join(groups)} had members for {seconds:g} s; "
            "let the other demo end, or stop its workers"
        )
        self.groups = tuple(groups)


class WorkerEndedError(DemoError):
    """Its last lines say why."""

    def __init__(self, name: str, code: int, log_tail: Sequence[str]) -> None:
        super().__init__("\n  ".join([f"{name} ended with exit code {code}, and nobody had told it to:", *log_tail]))
        self.code = code


class UnreadyError(DemoError):
    """Nothing was published yet."""

    def __init__(self, seconds: float, missing: Mapping[str, str]) -> None:
        lacks = "; ".join(f"{name}: {lack}" for name, lack in missing.items())
        super().__init__(f"the workers were not ready within {seconds:g} s, on an idle machine they are; {lacks}")


class UnendedError(DemoError):
    """Where each of them stands says who to ask."""

    def __init__(self, seconds: float, standing: Mapping[str, str]) -> None:
        named = [f"{cart}: {where}" for cart, where in list(standing.items())[:MOST_NAMED]]
        more = [f"and {len(standing) - MOST_NAMED} more"] if len(standing) > MOST_NAMED else []
        super().__init__(
            "\n  ".join(
                [f"{len(standing)} carts have no end {seconds:g} s after the last was published:", *named, *more]
            )
        )
        self.standing = dict(standing)


class ViolatedError(DemoError):
    """Every line is a promise that was not kept."""

    def __init__(self, outcome: Outcome) -> None:
        found = outcome.violations
        more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
        super().__init__("\n  ".join([f"{len(found)} violations:", *found[:MOST_NAMED], *more]))
        self.outcome = outcome
