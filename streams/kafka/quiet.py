"""aiokafka says at every attempt what went wrong, twice a second and service; once a minute is enough."""

import logging
import time
from collections.abc import Callable

SECONDS = 60.0

_LOGGERS = ("aiokafka", "aiokafka.conn", "aiokafka.cluster", "aiokafka.consumer.group_coordinator")


class Seldom(logging.Filter):
    """Let a message pass, whatever its arguments, and its repeats only after a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        #: By the text in the source, so it can't grow beyond what the source has.
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        if now - self._said.get(record.msg, -SECONDS) < SECONDS:
            return False
        self._said[record.msg] = now
        return True


_SELDOM = Seldom()


def quieten() -> None:
    """Do so in this process; repeating it is harmless."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_SELDOM)
