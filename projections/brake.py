"""When PostgreSQL refuses record after record, it is not the records: a table is wrong, and nothing is to be buried.

A wrong CHECK after a migration would otherwise make a dead letter of every event. Records that can't be read, or that
no rule can show, never come here: that they are to blame is sure.
"""

from dataclasses import dataclass

from projections.database import DatabaseError

#: As many may be to blame themselves, one right after the other.
MOST_IN_A_ROW = 20
#: Of so many at once, half may be.
FEWEST_JUDGED = 20


class BrakedError(DatabaseError):
    """PostgreSQL refuses too many records; their batch waits until it takes them."""


@dataclass(slots=True)
class Brake:
    """Of records that are tried one after another."""

    #: How many there are.
    records: int
    #: Refused without one that was taken since; those of the batch before count as well.
    in_a_row: int
    refused: int = 0

    def take(self) -> None:
        self.in_a_row = 0

    def refuse(self) -> bool:
        """One more; whether that is too many."""
        self.in_a_row += 1
        self.refused += 1
        return self.in_a_row > MOST_IN_A_ROW or (self.records >= FEWEST_JUDGED and 2 * self.refused > self.records)
