"""A part of the stack, as the whole sees it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ops.stack.errors import PartAwayError, PartEndedError
from ops.stack.state import State

PartName = Literal["kafka", "postgres", "registry"]


@dataclass(frozen=True, slots=True)
class PartStatus:
    name: PartName
    #: bootstrap, dsn or url; None when it never ran
    address: str | None
    version: str | None
    healthy: bool
    pids: tuple[int, ...]
    provider: Literal["local", "given"]


class Part(ABC):
    name: PartName

    @abstractmethod
    def up(self) -> str:
        """Make it run and answer; its address."""

    @abstractmethod
    def status(self) -> PartStatus: ...


class LocalPart(Part):
    """One that we start and stop."""

    _state: State

    @abstractmethod
    def start(self) -> str:
        """Start what of it does not run, wait until it answers; its address."""

    def up(self) -> str:
        try:
            return self.start()
        except PartEndedError as error:
            if not error.part.startswith(self.name):
                raise  # the registry hears of PostgreSQL's end
            self.down()
        # Most likely someone took a port between our look at it and the server's bind, and may be gone again by now.
        # Several who start at once would meet at the same defaults again, so this time any ports will do.
        with self._state.other_ports(self.name):
            return self.start()

    @abstractmethod
    def down(self) -> bool:
        """Stop it; whether there was anything to stop."""

    @abstractmethod
    def logs(self) -> list[Path]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a health check got. Not every part tells its version."""

    version: str | None = None


class GivenPart(Part):
    """One that a setting names: asked for its health, never started, never stopped."""

    def __init__(
        self,
        name: PartName,
        *,
        setting: str,
        address: str,
        ask: Callable[[], Answer | None],
        shown: str | None = None,
    ) -> None:
        """`ask` returns None when nobody answers; `shown` is the address without its password, if it has one."""
        self.name = name
        self._setting = setting
        self._address = address
        self._shown = shown or address
        self._ask = ask

    def up(self) -> str:
        if self._ask() is None:
            raise PartAwayError(self.name, setting=self._setting, address=self._shown)
        return self._address

    def status(self) -> PartStatus:
        answer = self._ask()
        return PartStatus(
            name=self.name,
            address=self._shown,
            version=answer.version if answer else None,
            healthy=answer is not None,
            pids=(),
            provider="given",
        )
