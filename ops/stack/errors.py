"""What can go wrong with the local stack.

OrderflowError
└── StackError
    ├── MissingExtraError     a package of the extra `local` isn't installed
    ├── DownloadError         an artifact could not be fetched
    ├── ChecksumMismatchError an artifact isn't the one that was locked
    ├── BrokerCountError      the data on disk belong to another number of brokers
    ├── BusyError             another up or down holds the lock
    ├── PartFailedError       a part of ours did not get ready in time
    │   └── PartEndedError    or died while starting
    ├── PartAwayError         a given part does not answer
    └── UnhealthyError        `status` found a part that doesn't answer
"""

from collections.abc import Sequence
from pathlib import Path

from schemas.errors import OrderflowError


class StackError(OrderflowError):
    """The local stack can't do what was asked."""


class MissingExtraError(StackError):
    def __init__(self, packages: Sequence[str]) -> None:
        super().__init__(
            f"the local stack needs {', '.join(packages)}, which this environment lacks; "
            "run: pip install 'orderflow[local]'"
        )
        self.packages = tuple(packages)


class DownloadError(StackError):
    def __init__(self, coordinate: str) -> None:
        super().__init__(
            f"could not download {coordinate}; check the network and the proxy settings, then run: orderflow up"
        )
        self.coordinate = coordinate


class ChecksumMismatchError(StackError):
    def __init__(self, coordinate: str, *, locked: str, found: str, path: Path) -> None:
        super().__init__(
            f"{coordinate} is not the file that was locked: sha256 {found}, expected {locked}. It was not used and "
            f"{path} was removed. Something between you and the repository changed it; if the new file is wanted, "
            "run: python -m ops.stack.relock"
        )
        self.coordinate = coordinate


class BrokerCountError(StackError):
    def __init__(self, *, wanted: int, existing: int, data_dir: Path) -> None:
        super().__init__(
            f"{data_dir} holds the data of {_brokers(existing)}, and --brokers asks for {wanted}. "
            f"Keep them with: orderflow up --brokers {existing}, "
            f"or delete them with: orderflow down --purge && orderflow up --brokers {wanted}"
        )


class BusyError(StackError):
    def __init__(self, lock: Path, waited_seconds: float) -> None:
        super().__init__(
            f"another orderflow command has held {lock} for {waited_seconds:.0f} s; wait for it to end, then try again"
        )


class PartFailedError(StackError):
    """`log_tail` holds the last lines that the part wrote."""

    def __init__(self, part: str, what: str, *, log: Path, log_tail: Sequence[str], next_step: str) -> None:
        lines = "\n".join(f"    {line}" for line in log_tail) or "    (nothing was written)"
        super().__init__(f"{part} {what}. Last lines of {log}:\n{lines}\n  Next: {next_step}")
        self.part = part
        self.log_tail = tuple(log_tail)


class PartEndedError(PartFailedError):
    """It ended while it was starting."""


class PartAwayError(StackError):
    def __init__(self, part: str, *, setting: str, address: str) -> None:
        super().__init__(
            f"{part} at {address} does not answer. {setting} names it, so it is not ours to start: "
            f"start it, correct {setting}, or unset it to get a local {part}"
        )
        self.part = part
        self.setting = setting


class UnhealthyError(StackError):
    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__(f"not healthy: {', '.join(parts)}; run: orderflow up")
        self.parts = tuple(parts)


def _brokers(count: int) -> str:
    return "1 broker" if count == 1 else f"{count} brokers"
