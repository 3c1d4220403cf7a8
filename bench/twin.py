"""How many records a second the twin decides.

Two services talk about orders, first calm, then with a crash every 5,000 boundaries.

python -m bench.twin
"""

import argparse
import json
from time import perf_counter

from streams.memory.twin import Crash, Twin, by_chance, never
from tests.contract.services import clerk, orders
from tests.contract.test_twin import START, create

TARGET = 20_000


def measure(count: int, crash: Crash) -> dict[str, float]:
    twin = Twin([orders, clerk], seed=1, crash=crash)
    twin.advance(START)
    for number in range(count):
        twin.publish(create(number, 100 + number))
    started = perf_counter()
    twin.run()
    seconds = perf_counter() - started
    return {"records": twin.published, "records_per_s": round(twin.published / seconds)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="for machines")
    arguments.add_argument("--orders", type=int, default=20_000)
    wanted = arguments.parse_args()
    result = {"calm": measure(wanted.orders, never), "crashes": measure(wanted.orders, by_chance(1, 5_000))}
    if wanted.json:
        print(json.dumps(result))
        return
    for name, each in result.items():
        verdict = "ok" if each["records_per_s"] >= TARGET else f"LESS THAN {TARGET}"
        print(f"{name}: {each['records']} records, {each['records_per_s']} a second ({verdict})")


if __name__ == "__main__":
    main()
