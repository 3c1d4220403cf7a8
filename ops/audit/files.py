"""What was said about one thing."""

from collections import defaultdict
from typing import TypeVar

from schemas.message import Message

M = TypeVar("M", bound=Message)


class File:
    """Each message once, by its id. One without an id is nobody's repeat."""

    __slots__ = ("_by_id", "_by_kind")

    def __init__(self) -> None:
        self._by_id: dict[str, Message] = {}
        self._by_kind: dict[type[Message], list[Message]] = defaultdict(list)

    def keep(self, message: Message) -> Message | None:
        """The one that was kept under its id before; then this one is a repeat."""
        message_id = message.meta.messageId if message.meta else f"number {len(self._by_id)}"
        if (before := self._by_id.get(message_id)) is None:
            self._by_id[message_id] = message
            self._by_kind[type(message)].append(message)
        return before

    def of(self, kind: type[M]) -> list[M]:
        return self._by_kind.get(kind, [])  # type: ignore[return-value]  # under a type lie only its own

    def several(self, *kinds: type[Message]) -> tuple[Message, ...]:
        return tuple(message for kind in kinds for message in self.of(kind))
