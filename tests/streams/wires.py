"""A wire for tests of the pure parts."""

from typing import Any

from schemas.message import Message, Meta
from streams.decision import Later
from streams.partitioner import partition_of
from streams.step import Arrival, Entry, Envelope, Parked, Refusal


class Bare:
    """Messages are their own records; what can't be read yet says so in `raw`, and is what can be read of it later."""

    follow = None

    def output(self, message: Message, envelope: Envelope) -> Message:
        return message.model_copy(update={"meta": Meta.model_validate(envelope)})

    def check(self, key: str, entry: Entry[Any] | None, outputs: tuple[Any, ...]) -> None:
        """Anything can be written."""

    def size(self, output: Any) -> int:  # noqa: ARG002 - they take no room
        return 0

    def partition_of(self, key: str) -> int:
        return partition_of(key.encode(), 4)

    def dead_letter(self, arrival: Arrival, refusal: Refusal) -> tuple[int, Refusal]:
        return arrival.offset, refusal

    def parked(self, arrival: Arrival) -> Parked:
        read = not isinstance(arrival.message, Later)
        value: Any = arrival.message if read else arrival.raw
        return Parked(arrival.topic, arrival.offset, arrival.at, value, read=read)

    def revived(self, key: str, parked: Parked) -> Arrival:
        return Arrival(parked.topic, parked.offset, key, parked.at, parked.value)
