"""What a person sees while the stack starts, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn


class Report(Protocol):
    def part_ready(self, part: str, seconds: float) -> None: ...

    def part_stopped(self, part: str, seconds: float) -> None: ...

    @contextmanager
    def download(self, file: str, size: int) -> Iterator[Callable[[int], None]]: ...


class Silent:
    """For programs and tests."""

    def part_ready(self, part: str, seconds: float) -> None: ...

    def part_stopped(self, part: str, seconds: float) -> None: ...

    @contextmanager
    def download(self, file: str, size: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002 -- the port's names
        yield lambda _chunk: None


class OnTerminal:
    """One line per part, one bar for each file on its way. Use it as a context: bars need an end."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bars = Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars.live.is_started:  # else stopping it would print an empty line
            self._bars.stop()

    def part_ready(self, part: str, seconds: float) -> None:
        self._say(f"{part:<9} ready in {seconds:.1f} s")

    def part_stopped(self, part: str, seconds: float) -> None:
        self._say(f"{part:<9} stopped in {seconds:.1f} s")

    @contextmanager
    def download(self, file: str, size: int) -> Iterator[Callable[[int], None]]:
        self._bars.start()
        task = self._bars.add_task(file, total=size)
        yield lambda chunk: self._bars.update(task, advance=chunk)
        self._bars.remove_task(task)

    def _say(self, line: str) -> None:
        self._bars.console.print(line, markup=False)
