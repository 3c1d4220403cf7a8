"""What a service's engine tells of itself, and all that whoever hosts it needs to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from streams.effects import Circuit
from streams.kafka.counters import Counters

Role = Literal["recovering", "active", "standby", "waiting"]


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition number of a service, over all its topics."""

    partition: int
    #: `waiting`: given to us, and not begun with.
    role: Role
    #: Records of its inputs that are not absorbed yet.
    lag: int
    #: Changelog records read, of those there were to read when recovery began.
    restored: int
    to_restore: int
    eta_seconds: float | None
    #: Keys that wait, with the records behind them set aside.
    parked: int


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service in this process, at one moment."""

    service: str
    #: The group gave us our share, which may be none where there are more workers than partitions.
    assigned: bool
    #: Every partition given to us is as far as its changelog.
    recovered: bool
    generation: int
    partitions: tuple[PartitionStatus, ...]
    effects_in_flight: int
    #: Whether we may write now.
    lease: bool
    #: By type of effect.
    circuits: Mapping[str, Circuit] = field(default_factory=dict)
    #: By reference topic, how many keys are held of it.
    references: Mapping[str, int] = field(default_factory=dict)


class Engine(Protocol):
    """One service at work. All but `counters` belongs to the event loop that started it."""

    @property
    def counters(self) -> Counters:
        """The same object for the engine's life; read it from any thread."""

    @property
    def failure(self) -> BaseException | None:
        """Why it can't go on: also a data thread that died, or that has not moved for too long."""

    async def start(self) -> None:
        """Return once it is under way, which may be before the group has given it anything. May be cancelled."""

    async def stop(self) -> None:
        """Drain and leave the group, within a bound of its own; also where the start failed or was cut short."""

    def status(self) -> ServiceStatus:
        """From the first moment on, and cheap enough for every scrape: nothing is asked of a broker."""
