"""docs/worker.md has figures; each is one of the code's."""

import re
from collections import ChainMap
from pathlib import Path

from examples.python.patience import patience
from ops.worker.logs import BURST, WINDOW_SECONDS
from ops.worker.process import END_SECONDS
from ops.worker.run import WAIT_SECONDS
from streams.kafka.topics import internal_topics

PAGE = (Path(__file__).parents[3] / "docs" / "worker.md").read_text("utf-8")


def test_the_table_of_topics_is_what_is_made() -> None:
    rows = re.findall(r"^\| `<service>\.<env>(\S+)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE)
    kept = {
        "compacted, not before an hour": {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"},
        "records up to 4 MiB": {"max.message.bytes": str(4 * 2**20)},
    }
    for days in (14, 365):
        kept[f"{days} days"] = {"cleanup.policy": "delete", "retention.ms": str(days * 86_400_000)}
    made = {
        topic.name.removeprefix("patience.sit"): topic.config for topic in internal_topics(patience, "sit", brokers=1)
    }
    assert {name: dict(ChainMap(*(kept[each] for each in text.split("; ")))) for name, text in rows} == {
        name: {setting: value for setting, value in config.items() if setting != "min.insync.replicas"}
        for name, config in made.items()
    }


def test_the_times_are_those_of_the_code() -> None:
    assert ("up to ten minutes" in PAGE, WAIT_SECONDS) == (True, 600)
    assert f"at most {END_SECONDS:g} s later" in PAGE
    assert ("five times a minute" in PAGE, BURST, WINDOW_SECONDS) == (True, 5, 60)
