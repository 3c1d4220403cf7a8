"""The stack for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.stack.stack import Addresses, Stack


@contextmanager
def borrowed(stack: Stack, *, keep: bool = False) -> Iterator[Addresses]:
    """Start what is missing, and leave running only what ran before; with `keep`, all of it."""
    stays = keep or any(part.provider == "local" and part.pids for part in stack.status())
    try:
        yield stack.up()
    finally:
        if not stays:
            stack.down()
