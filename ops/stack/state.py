"""What the stack remembers between runs: the ports it got and the number of its brokers."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ops.stack import ports
from ops.stack.errors import StackError


class _Remembered(BaseModel):
    brokers: int | None = None
    ports: dict[str, int] = {}


class State:
    """Kept in one small file of the data dir. The parts start in parallel, so a lock guards it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    @property
    def brokers(self) -> int | None:
        return self._read().brokers

    def remember_brokers(self, count: int) -> None:
        with self._lock:
            self._write(self._read().model_copy(update={"brokers": count}))

    def port(self, name: str) -> int | None:
        return self._read().ports.get(name)

    def claim_port(self, name: str, default: int) -> int:
        """A free port for `name`: the one it had, else the default, else any; remembered from now on."""
        with self._lock:
            remembered = self._read()
            others = {port for other, port in remembered.ports.items() if other != name}
            had = remembered.ports.get(name)
            port = had if had and ports.comes_free(had) else ports.choose(default, taken=others)
            self._write(remembered.model_copy(update={"ports": {**remembered.ports, name: port}}))
        return port

    @contextmanager
    def other_ports(self, part: str) -> Iterator[None]:
        """What belongs to a part has other ports from now on, whichever are free; but not if that doesn't help."""
        old = {name: port for name, port in self._read().ports.items() if name.startswith(part)}
        self._update_ports({name: ports.any_free() for name in old})
        try:
            yield
        except StackError:
            self._update_ports(old)
            raise

    def _update_ports(self, changed: Mapping[str, int]) -> None:
        with self._lock:
            remembered = self._read()
            self._write(remembered.model_copy(update={"ports": {**remembered.ports, **changed}}))

    def _read(self) -> _Remembered:
        if not self._path.exists():
            return _Remembered()
        try:
            return _Remembered.model_validate_json(self._path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise StackError(
                f"{self._path} is not what orderflow wrote there; start anew with: orderflow down --purge"
            ) from error

    def _write(self, remembered: _Remembered) -> None:
        # Written beside and renamed, so that a kill leaves the old file or the new one, never half of it.
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(remembered.model_dump(), indent=2), encoding="utf-8")
        beside.replace(self._path)
