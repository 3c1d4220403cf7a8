"""What a million pending timers cost: memory for each, and the time to set and to take one.

python -m bench.timers
"""

import argparse
import json
import tracemalloc
from time import perf_counter

from streams.wakes import Wakes


def measure(count: int) -> dict[str, float]:
    """The keys are the store's anyway, so they are not counted."""
    keys = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(count)]
    tracemalloc.start()
    wakes = Wakes()
    for number, key in enumerate(keys):
        wakes.set(key, (number * 7919) % (10 * count))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    wakes = Wakes()
    started = perf_counter()
    for number, key in enumerate(keys):
        wakes.set(key, (number * 7919) % (10 * count))
    set_seconds = perf_counter() - started
    started = perf_counter()
    for _ in range(count):
        list(wakes.take(-1))
    idle_seconds = perf_counter() - started
    started = perf_counter()
    taken = sum(1 for _ in wakes.take(10 * count))
    take_seconds = perf_counter() - started
    return {
        "timers": taken,
        "bytes_each": round(held / count),
        "set_us": round(set_seconds / count * 1e6, 2),
        "take_us": round(take_seconds / count * 1e6, 2),
        "idle_look_us": round(idle_seconds / count * 1e6, 2),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="for machines")
    arguments.add_argument("--timers", type=int, default=1_000_000)
    wanted = arguments.parse_args()
    result = measure(wanted.timers)
    print(json.dumps(result) if wanted.json else result)


if __name__ == "__main__":
    main()
