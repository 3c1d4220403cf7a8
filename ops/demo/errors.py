"""What can go wrong with the demo.

OrderflowError
└── DemoError
    ├── UnendedError    a cart has had no answer, or a checkout no end
    └── ViolatedError   the audit found something that must not be

Beside these, whatever `ops.rig` raises.
"""

from collections.abc import Mapping

from ops.demo.outcome import Outcome
from schemas.errors import OrderflowError

#: Of those that a message names; there may be as many as there are carts.
MOST_NAMED = 10


class DemoError(OrderflowError):
    """The demo did not go as it must."""


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
