"""Loopback ports: which is free."""

import socket
from collections.abc import Collection
from itertools import chain
from secrets import randbelow

HOST = "127.0.0.1"
#: Below the ranges from which Linux (32768), macOS and Windows (49152) take the ports of clients.
_SERVERS = range(20_000, 32_768)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


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
