"""Loopback ports: which is free."""

import socket
from collections.abc import Collection
from itertools import chain
from secrets import randbelow

from ops.stack.waiting import wait_until

HOST = "127.0.0.1"
#: Below the ranges from which Linux (32768), macOS and Windows (49152) take the ports of clients.
_SERVERS = range(20_000, 32_768)
#: A server that was killed holds its port until its last thread has ended, when it is no process any more already.
_LET_GO_SECONDS = 3.0


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def comes_free(port: int) -> bool:
    """Whether it is free, or is let go of in a moment: for a port that was ours."""
    return wait_until(lambda: is_free(port), seconds=_LET_GO_SECONDS)


def choose(preferred: int, *, taken: Collection[int] = ()) -> int:
    """`preferred` if nobody listens there and it is not in `taken`, else any free one."""
    if preferred not in taken and is_free(preferred):
        return preferred
    while (port := any_free()) in taken:
        continue
    return port


def any_free() -> int:
    """Of those that no system gives to clients: a server that is started again would find its port in use else."""
    # From anywhere: several that look at once rarely find the same.
    first = randbelow(len(_SERVERS))
    return next(filter(is_free, chain(_SERVERS[first:], _SERVERS[:first])))
