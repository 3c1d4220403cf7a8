"""The stack for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.stack.stack import Addresses, Stack


@contextmanager
def borrowed(stack: Stack, *, keep: bool = False) -> Iterator[Addresses]:
    """Start what is missing, and stop just that in the end; with `keep`, not even that."""
    ours = [part.name for part in stack.status() if part.provider == "local" and not part.pids]
    try:
        yield stack.up()
    finally:
        if ours and not keep:
            stack.down(ours)
