"""Whether a decider keeps its word: no clock, no chance, no environment, no I/O.

Lint sees names; this sees what is called, however it is reached. Python reports every call to a profiler, those into C
included, and there is where the outside world begins.
"""

import builtins
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import wraps
from types import BuiltinFunctionType, FrameType, ModuleType
from typing import Any, TypeVar

from streams.decision import Decision, Later
from streams.service import Service
from streams.tables import Tables

S = TypeVar("S")
M = TypeVar("M")

#: Modules whose every function in C reaches out: files, processes, sockets, clocks, chance.
_OUTSIDE = frozenset({"posix", "nt", "io", "_io", "socket", "_socket", "_random", "time", "select", "_posixsubprocess"})
_CLOCKS = frozenset({"now", "utcnow", "today"})
#: In `builtins`, most functions are pure.
_OUTSIDE_BUILTINS = frozenset({"open", "input", "print"})
_ENVIRONMENT = os._Environ.__getitem__.__code__  # noqa: SLF001 - it has no other name


class ImpureError(AssertionError):
    """A decider reached outside of its arguments."""


def guarded(service: Service[S, M]) -> Service[S, M]:
    """The same service, whose decider raises ImpureError when it reaches out."""

    @wraps(service.decide)
    def decide(state: S | None, message: M, at: int, *tables: Tables) -> Decision[S] | Later:
        with pure():
            return service.decide(state, message, at, *tables)

    return replace(service, decide=decide)


@contextmanager
def pure() -> Iterator[None]:
    """Raises ImpureError at its end if what ran inside reached out."""
    reached: list[str] = []

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return  # a first import reads files, once; what it brings is watched like the rest
        if event == "c_call" and (name := _reaches_out(argument)):
            reached.append(f"{name} at {frame.f_code.co_filename}:{frame.f_lineno}")
        elif event == "call" and frame.f_code is _ENVIRONMENT:
            reached.append("os.environ")

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()  # a collection in the middle would run callbacks that are not the decider's
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    if reached:
        raise ImpureError("a decider may use its arguments only, but it called " + ", ".join(reached))


def _reaches_out(called: BuiltinFunctionType) -> str | None:
    owner, name = called.__self__, called.__name__
    if isinstance(owner, ModuleType):
        outside = name in _OUTSIDE_BUILTINS if owner is builtins else owner.__name__ in _OUTSIDE
        return f"{owner.__name__}.{name}" if outside else None
    kind = owner if isinstance(owner, type) else type(owner)
    if owner is kind:
        return f"{kind.__name__}.{name}" if issubclass(kind, date) and name in _CLOCKS else None
    return f"{kind.__name__}.{name}" if any(base.__module__ in _OUTSIDE for base in kind.__mro__) else None
