"""Partitions filled by several processes: decoding takes most of the time, and a process has one interpreter."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection as pipes
from multiprocessing import get_context, parent_process
from multiprocessing.sharedctypes import Synchronized
from threading import Thread

from projections.rebuild.fill import Filled, fill
from projections.rebuild.site import Mark, RebuildError, Site
from schemas.errors import OrderflowError

#: Fewer are folded before a process has started.
RECORDS_WORTH_A_PROCESS = 50_000
_LOOK_SECONDS = 0.2

#: How many records were read, of how many.
Progress = Callable[[int, int], None]

_read: "Synchronized[int] | None" = None


def fill_all(site: Site, parts: Sequence[Sequence[Mark]], total: int, progress: Progress) -> Iterator[Filled]:
    """Each as it is done. `parts`: for each partition number, its marks on all topics."""
    processes = min(os.cpu_count() or 1, len(parts))
    if processes < 2 or total < RECORDS_WORTH_A_PROCESS:  # noqa: PLR2004 - one is no crew
        yield from _here(site, parts, total, progress)
        return
    context = get_context("spawn")
    read = context.Value("q", 0)
    with _pool(ProcessPoolExecutor(processes, context, _begin, (read,))) as pool:
        waiting: set[Future[Filled]] = {pool.submit(_there, site, marks) for marks in parts}
        while waiting:
            done, waiting = wait(waiting, _LOOK_SECONDS, FIRST_COMPLETED)
            progress(read.value, total)
            for each in done:
                yield each.result()


@contextmanager
def _pool(pool: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    try:
        yield pool
    except BrokenProcessPool as error:
        raise RebuildError(
            "a process that filled partitions was ended from outside: is memory short? Run it again; it goes on"
        ) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _here(site: Site, parts: Sequence[Sequence[Mark]], total: int, progress: Progress) -> Iterator[Filled]:
    done = 0

    def read(records: int) -> None:
        nonlocal done
        done += records
        progress(done, total)

    for marks in parts:
        yield fill(site, marks, read)


def _begin(read: "Synchronized[int]") -> None:
    global _read  # noqa: PLW0603 - what an initializer leaves behind has no other place
    _read = read
    # Nothing here makes cycles, and looking for them among millions of rows takes as long as making those.
    gc.disable()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Whoever started us may be killed; what is not committed then is nobody's."""
    parent = parent_process()
    if parent is not None:
        pipes.wait([parent.sentinel])
        os._exit(1)


def _there(site: Site, marks: Sequence[Mark]) -> Filled:
    shared = _read

    def read(records: int) -> None:
        if shared is not None:
            with shared.get_lock():
                shared.value += records

    try:
        return fill(site, marks, read)
    except OrderflowError as error:  # not every one can travel to another process
        raise RebuildError(f"{site.live}, partition {marks[0].partition}: {error}") from None
