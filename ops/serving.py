"""The HTTP API as a process: where it listens, and how it ends."""

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from ops.settings import Settings
from ops.worker.http import AddressTakenError
from projections.api.app import Site, create

log = logging.getLogger("orderflow.api")


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn would raise the signal again after the drain, as if the end that was asked for had failed."""
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def serve(site: Site, settings: Settings) -> None:
    """Return after an end that was asked for."""
    with _listening(settings.api_host, settings.api_port) as listener:
        host, port = listener.getsockname()[:2]
        config = uvicorn.Config(
            create(site),
            log_config=None,  # ours is in force
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("%s serves %s%s", url, site.environment, "" if site.asks_for_keys else ", asking nobody for a key")
        _Server(config).run([listener])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # A restart need not wait for the connections of the process before.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            # At once: a port that is bound and not listened at can be bound a second time.
            listener.listen()
        except OSError as error:
            raise AddressTakenError(
                f"can't listen on {host}:{port}; set ORDERFLOW_API_PORT to another port, or to 0 for a free one"
            ) from error
        yield listener
