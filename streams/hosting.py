"""A service with what it needs beside its declaration to run: who performs its effects, and how patiently."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from streams.effects import Perform, Policy
from streams.service import Service, ServiceError


@dataclass(frozen=True, slots=True)
class Hosted:
    """What a worker runs; checked when it is built, as its service was."""

    service: Service[Any, Any]
    _: KW_ONLY
    #: By type of effect.
    perform: Mapping[type, Perform] = field(default_factory=dict, hash=False)
    #: By type of effect, where the default won't do.
    policies: Mapping[type, Policy] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return self.service.name

    def __post_init__(self) -> None:
        effects, name = self.service.effects, self.service.name
        if missing := [effect.__name__ for effect in effects if effect not in self.perform]:
            raise ServiceError(
                f"service {name}: nobody performs {', '.join(missing)}; say who: Hosted({name}, perform={{...}})"
            )
        if strange := [kind.__name__ for kind in {**self.perform, **self.policies} if kind not in effects]:
            raise ServiceError(
                f"service {name} never asks for {', '.join(strange)}; it asks for what its `effects` list"
            )
