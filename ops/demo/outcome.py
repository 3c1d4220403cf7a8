"""What a run of the demo comes to."""

from dataclasses import asdict, dataclass
from typing import Any

from ops.demo.watch import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of it."""

    carts: int
    seed: int
    #: Messages of the contract that were read, our own among them.
    messages: int
    tally: Tally
    dead_letters: int
    #: What the gateway did or said no to.
    movements: int
    #: Of all tables of the Order Database, each held against the events.
    rows: int
    #: Of the audit, of the dead letters, and of the tables.
    violations: tuple[str, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """One object, for machines."""
        told = asdict(self)
        tally: dict[str, Any] = told.pop("tally")
        del tally["under_way"]  # nothing is
        return told | tally
