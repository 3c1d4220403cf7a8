"""How the engine tells of a decision to whoever follows an order through the services."""

from collections.abc import Sequence
from typing import Protocol


class Tracer(Protocol):
    """Thread-safe. Where nobody follows, the engine has none, and outputs carry on the trace of their cause."""

    def decided(
        self,
        service: str,
        message: str,
        *,
        key: str,
        version: int,
        traceparent: str | None,
        start_ns: int,
        end_ns: int,
        sends: Sequence[str],
    ) -> str:
        """The traceparent for the outputs of decision `version` of `key`: the same again when it is decided again."""
