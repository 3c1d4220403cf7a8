"""Where things are in the data dir."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """`root` is absolute: it is part of the identity of the processes."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "stack.lock"

    @property
    def state(self) -> Path:
        return self.root / "stack.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def part(self, name: str) -> Path:
        return self.root / name

    def unfinished(self, name: str) -> Path:
        """Data are made here and renamed to `part(name)`: a kill in the middle leaves nothing half-made there."""
        return self.root / f"{name}.unfinished"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def make(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)

    def contents(self) -> list[Path]:
        """All that we ever put there, and nothing else. The lock stays: removing it would let in two holders."""
        names = ("kafka-*", "postgres*", "registry", "logs", "stack.json", "stack.new")
        return [path for name in names for path in self.root.glob(name)]
