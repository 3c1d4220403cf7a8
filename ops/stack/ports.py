"""Loopback ports: which is free."""

import socket
from collections.abc import Collection

HOST = "127.0.0.1"


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
    """`preferred` if nobody listens there and it is not in `taken`, else a port that the system picks."""
    if preferred not in taken and is_free(preferred):
        return preferred
    while (port := any_free()) in taken:
        continue
    return port


def any_free() -> int:
    """One that the system picks."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
