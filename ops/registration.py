"""The contract in the schema registry: where it stands, and how it gets there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.avsc import Schema, avro_schema, fullname
from schemas.catalogue import RECORDS
from schemas.errors import OrderflowError
from schemas.evolution import breaks_between, differences, same_meaning
from schemas.message import Message
from streams.errors import SchemaRejectedError
from streams.registry import FULL_TRANSITIVE, ManagedRegistry, subject_of

State = Literal["same", "missing", "differs"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One message of the contract against the newest version that the registry has of it."""

    message: str
    subject: str
    state: State
    #: Whether the registry itself keeps breaking versions out.
    guarded: bool
    #: Field by field, from the registry to the contract.
    differences: tuple[str, ...] = ()
    #: Why the registry will refuse, as far as its newest version tells.
    breaks: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        return self.state == "same" and self.guarded


class RegistrationRefusedError(OrderflowError):
    """The registry took the rest of the contract, but not these."""

    def __init__(self, refusals: Sequence[str]) -> None:
        super().__init__("\n  ".join(["the registry refuses what breaks with a version it has:", *refusals]))
        self.refusals = tuple(refusals)


def standings(
    registry: ManagedRegistry, environment: str, messages: Sequence[type[Message]] = RECORDS
) -> list[Standing]:
    return [_standing(registry, environment, message) for message in messages]


def register(
    registry: ManagedRegistry, environment: str, messages: Sequence[type[Message]] = RECORDS
) -> list[Standing]:
    """Put in what is missing or changed and guard every subject. Returns where each stood before."""
    before, refusals = standings(registry, environment, messages), list[str]()
    for message, standing in zip(messages, before, strict=True):
        try:
            _settle(registry, standing, avro_schema(message))
        except SchemaRejectedError as error:
            refusals += standing.breaks or [_unexplained(standing, error)]
    if refusals:
        raise RegistrationRefusedError(refusals)
    return before


def _standing(registry: ManagedRegistry, environment: str, message: type[Message]) -> Standing:
    name, subject, ours = fullname(message), subject_of(message, environment), avro_schema(message)
    theirs = registry.latest(subject)
    guarded = registry.level(subject) == FULL_TRANSITIVE
    if theirs is None:
        return Standing(name, subject, "missing", guarded)
    # Some registries drop a version that differs in words only, so words can't be told apart by what they hold.
    if same_meaning(theirs, ours):
        return Standing(name, subject, "same", guarded)
    broken = tuple(str(each) for each in breaks_between(theirs, ours))
    return Standing(name, subject, "differs", guarded, tuple(differences(theirs, ours)), broken)


def _settle(registry: ManagedRegistry, standing: Standing, schema: Schema) -> None:
    if standing.state == "missing":
        registry.register(standing.subject, schema)
        # A subject must exist to be guarded; by itself, because the registry's own rule may change behind our back.
        registry.guard(standing.subject)
        return
    if not standing.guarded:
        registry.guard(standing.subject)
    if standing.state == "differs":
        registry.register(standing.subject, schema)


def _unexplained(standing: Standing, error: SchemaRejectedError) -> str:
    return (
        f"{standing.message}: breaks with an older version of {standing.subject} ({error.reason}); "
        "run orderflow schemas check, and keep what it names"
    )
