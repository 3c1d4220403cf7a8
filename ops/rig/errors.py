"""What can go wrong before and beside a play.

OrderflowError
└── RigError
    ├── OccupiedError      somebody else is at work in the environment
    ├── WorkerEndedError   a process of ours ended before it was told to
    └── UnreadyError       the processes did not share the work in time
"""

from collections.abc import Mapping, Sequence

from schemas.errors import OrderflowError


class RigError(OrderflowError):
    """What was to be watched did not come about."""


class OccupiedError(RigError):
    """The records of whoever is there would be among ours, and it would lose its topics."""

    def __init__(self, environment: str, groups: Sequence[str], seconds: float) -> None:
        super().__init__(
            f"the environment {environment} is at work elsewhere: {', '.join(groups)} had members for {seconds:g} s; "
            "let that one end, or stop its workers"
        )
        self.groups = tuple(groups)


class WorkerEndedError(RigError):
    """Its last lines say why."""

    def __init__(self, name: str, code: int, log_tail: Sequence[str]) -> None:
        super().__init__("\n  ".join([f"{name} ended with exit code {code}, and nobody had told it to:", *log_tail]))
        self.code = code


class UnreadyError(RigError):
    """Nothing was published yet."""

    def __init__(self, seconds: float, missing: Mapping[str, str]) -> None:
        lacks = "; ".join(f"{name}: {lack}" for name, lack in missing.items())
        super().__init__(f"the workers were not ready within {seconds:g} s, on an idle machine they are; {lacks}")
