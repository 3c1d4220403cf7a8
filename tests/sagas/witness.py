"""Somebody who reads along with everything that is said on one environment, and knows what the services keep."""

from collections import defaultdict
from typing import Any, TypeVar

from agents.catalogue import SERVICES
from ops.reading import Part, Reader, Said
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected
from schemas.message import Message
from schemas.topics import PARTITIONS, TOPICS
from streams.changelog import Marker, Place, decode
from streams.fold import Fold
from streams.kafka.topics import dead_letters_of
from streams.service import Service
from streams.state import StateCodec
from tests.streams.kafka.engines import Ground

M = TypeVar("M", bound=Message)
End = CheckoutCompleted | CheckoutFailed | CheckoutRejected
ENDS: tuple[type[End], ...] = (CheckoutCompleted, CheckoutFailed, CheckoutRejected)

BY_NAME: dict[str, Service[Any, Any]] = {service.name: service for service in SERVICES}


class Witness:
    def __init__(self, ground: Ground, reader: Reader) -> None:
        """The topics are there; of the dead letters' those that belong to services at work here."""
        self.ground = ground
        self.said: list[Said] = []
        self._reader = reader
        #: By service, as of how much that was said.
        self._states: dict[str, tuple[int, dict[str, Any]]] = {}
        there = reader.topics().keys()
        wanted = {topic.name(ground.environment) for topic in TOPICS}
        wanted |= {dead_letters_of(name, ground.environment) for name in BY_NAME}
        reader.start({Part(topic, number): 0 for topic in wanted & there for number in range(PARTITIONS)})

    def look(self) -> None:
        """Read on, for a moment."""
        self.said += self._reader.next(0.05)

    def messages(self, kind: type[M], key: str | None = None) -> list[M]:
        """All of that kind that were said; what was published again under the same id, once."""
        found = {each.id: each.message for each in self.said if isinstance(each.message, kind)}
        return [message for message in found.values() if key is None or message.record_key == key]

    def ends(self, cart_id: str | None = None) -> list[End]:
        """Of all checkouts, or of those of one cart."""
        return [end for kind in ENDS for end in self.messages(kind, cart_id)]

    def dead_letters(self) -> list[Said]:
        return [each for each in self.said if each.part.topic.endswith(".dlq")]

    def states(self, service: str) -> dict[str, Any]:
        """By key, what the service keeps."""
        seen, states = self._states.get(service, (-1, {}))
        if seen < len(self.said):
            states = self._folded(BY_NAME[service])
            self._states[service] = (len(self.said), states)
        return states

    def _folded(self, service: Service[Any, Any]) -> dict[str, Any]:
        """As an owner folds it: what a worker wrote that was dead to its group does not count."""
        topic, codec = self.ground.changelog(service), StateCodec(service)
        folds: dict[int, Fold] = defaultdict(Fold)
        states: dict[str, Any] = {}
        for record in self.ground.read(topic):
            raw_key, fold = record.key or b"", folds[record.partition]
            place = Place(topic, record.partition, record.offset, raw_key)
            key, said = raw_key.decode(), decode(place, record.value)
            if isinstance(said, Marker):
                fold.marker(said)
            elif said is not None and fold.written(place, key, said.epoch, said.round, said.paid, said.owed):
                states.pop(key, None)
                if said.entry:
                    states[key] = codec.decode(key, said.entry).state
        return states
