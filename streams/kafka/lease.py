"""How long a worker may write without word from its group: one writer per partition, also when one is cut off."""

import math
import time
from collections.abc import Callable


class Lease:
    """Written by the control plane, read by the data thread before every write; neither ever waits for the other.

    It counts from when a request was SENT: the coordinator counts the session from a later moment, when it heard it,
    so it gives our partitions away only after we have stopped.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.now = clock
        self._until = -math.inf

    def renew(self, sent_at: float) -> None:
        """Extend it from the send time of a request that the coordinator answered well."""
        self._until = max(self._until, sent_at + self.seconds)

    def lose(self) -> None:
        """End it: we are no member of this generation, or are about to leave it."""
        self._until = -math.inf

    def holds(self) -> bool:
        """Whether we may write now."""
        return self.now() < self._until
