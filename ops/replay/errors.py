"""Why a replay can't be done, or has not come to its end.

OrderflowError
└── ReplayError
    ├── UnclearError        what is asked for makes no sense; nothing was done
    ├── RefusedError        it would do harm; nothing was done
    └── CutShortError       some of it is done; the rest can be gone on with
"""

from schemas.errors import OrderflowError


class ReplayError(OrderflowError):
    """A replay is not done."""


class UnclearError(ReplayError):
    """What is asked for makes no sense."""

    exit_code = 2


class RefusedError(ReplayError):
    """What is asked for would do harm."""


class CutShortError(ReplayError):
    """Something came in between."""

    def __init__(self, run: str, problem: BaseException) -> None:
        super().__init__(f"{problem}. What is copied stays; go on with: orderflow replay --resume {run}")
        self.run = run
