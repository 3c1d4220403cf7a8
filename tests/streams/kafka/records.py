"""Records as librdkafka hands them over, without a broker."""

from typing import Any


class Record:
    """Of one place; `Fetched` to whoever reads it."""

    def __init__(self, key: bytes | None = None, value: bytes | None = None, offset: int = 0) -> None:
        self.key: Any = lambda: key
        self.value: Any = lambda: value
        self.offset: Any = lambda: offset

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000

    def headers(self) -> None:
        return None
