"""Records of a service's own topic: its deadlines that passed and what came of its effects."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from schemas.errors import OrderflowError
from streams.codec import Reason, Undecodable
from streams.decision import Performed, Wake
from streams.packing import ENCODER, decoder, unfit
from streams.service import Service


class OwnError(OrderflowError):
    """An outcome that the service's decider could not take."""


class _Wake(msgspec.Struct, tag="wake", array_like=True, frozen=True, gc=False):
    deadline: int


class _Performed(msgspec.Struct, tag="performed", array_like=True, frozen=True, gc=False):
    effect_id: str
    #: The name of the outcome's type.
    name: str
    outcome: Raw


_RECORD = decoder(_Wake | _Performed)


class OwnCodec:
    """Of one service."""

    def __init__(self, service: Service[Any, Any]) -> None:
        """Refuses a service with an outcome that can't make the round trip."""
        if problems := [problem for kind in service.outcomes for problem in unfit(kind, kind.__name__)]:
            raise OwnError(f"service {service.name}: {'; '.join(problems)}")
        self._service = service
        self._outcomes: Mapping[str, Any] = {kind.__name__: decoder(kind) for kind in service.outcomes}

    def encode(self, message: Wake | Performed[Any]) -> bytes:
        """Raises OwnError for an outcome that the decider doesn't take: the fault of who performed it."""
        if isinstance(message, Wake):
            return ENCODER.encode(_Wake(message.deadline))
        kind = type(message.outcome)
        if kind not in self._service.outcomes:
            known = " | ".join(self._outcomes)
            raise OwnError(
                f"{message.effect_id}: its performer returned {message.outcome!r}, but the decider of "
                f"{self._service.name} takes Performed[{known}]; let one of them change"
            )
        try:
            outcome = Raw(ENCODER.encode(message.outcome))
        except (TypeError, ValueError, OverflowError) as cause:
            raise OwnError(f"{message.effect_id}: its outcome can't be written: {cause}") from cause
        return ENCODER.encode(_Performed(message.effect_id, kind.__name__, outcome))

    def decode(self, value: bytes | None) -> Wake | Performed[Any] | Undecodable:
        if value is None:
            return Undecodable(Reason.NO_VALUE, "a tombstone is neither a deadline nor an outcome")
        try:
            record = _RECORD.decode(value)
            if isinstance(record, _Wake):
                return Wake(record.deadline)
            if record.name not in self._outcomes:
                return Undecodable(Reason.INVALID, f"{self._service.name} takes no outcome {record.name}")
            return Performed(record.effect_id, self._outcomes[record.name].decode(record.outcome))
        except ValueError as cause:
            return Undecodable(Reason.UNREADABLE, f"a record of {self._service.name} to itself: {cause}")
