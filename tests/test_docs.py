"""No page shows a program or a figure that is not tested."""

import re
from pathlib import Path

import pytest

from agents.inventory.deadlines import RESERVATION_STAYS
from ops.audit import Rule
from ops.simulation.trial import Fault
from projections.api.health import MOST_BEHIND
from projections.api.problems import KINDS
from schemas.topics import PARTITIONS, TOPICS
from streams.partitioner import partition_of

ROOT = Path(__file__).parents[1]
PRODUCING, CONSUMING, ADDING = (ROOT / "docs" / f"{name}.md" for name in ("producing", "consuming", "adding-a-service"))
PAGES = (PRODUCING, CONSUMING, ADDING)
EXAMPLES = [path for pattern in ("python/*.py", "node/*.mjs") for path in sorted((ROOT / "examples").glob(pattern))]
#: A page says which file a block is, then shows it.
EMBEDDED = re.compile(r"^<!-- (?P<file>examples/\S+) -->\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def text(page: Path) -> str:
    return page.read_text("utf-8")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_page_shows_each_example_as_it_is_tested(path: Path) -> None:
    shown = {each["file"]: each["text"] for page in PAGES for each in EMBEDDED.finditer(text(page))}
    assert shown[str(path.relative_to(ROOT))] == text(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_shows_a_program_that_is_not_tested(page: Path) -> None:
    assert len(re.findall(r"^```\w+$", text(page), re.MULTILINE)) == len(EMBEDDED.findall(text(page)))


def test_the_table_of_topics_is_the_contracts() -> None:
    rows = re.findall(r"^\| `(\S+\.<env>\.\w+)` \| (.+) \| (\d+) days \|$", text(PRODUCING), re.MULTILINE)
    assert rows == [(topic.name("<env>"), topic.key, str(topic.retention.days)) for topic in TOPICS]
    assert f"Each has {PARTITIONS} partitions." in text(PRODUCING)


def test_the_keys_to_compare_a_client_with_lie_where_the_page_says() -> None:
    rows = re.findall(r"^\| `([0-9a-f-]{36})` \| (\d) \| (\d) \|$", text(PRODUCING), re.MULTILINE)
    assert rows
    for key, of_four, of_seven in rows:
        assert [partition_of(key.encode(), count) for count in (4, 7)] == [int(of_four), int(of_seven)]


def test_a_reservation_stays_for_as_long_as_the_page_says() -> None:
    minutes = RESERVATION_STAYS // 60_000
    assert f"nothing for {minutes} minutes" in text(ROOT / "docs" / "inventory.md")


def test_the_page_about_the_audit_lists_its_rules() -> None:
    rows = re.findall(
        r"^\| .*\| (.+) \|$", text(ROOT / "docs" / "simulation.md").split("## The audit")[1], re.MULTILINE
    )
    assert rows[2:] == [rule.value for rule in Rule]


def test_the_page_about_the_simulation_lists_its_faults() -> None:
    page = text(ROOT / "docs" / "simulation.md")
    rows = re.findall(r"^\| (\w+) \| .+ \|$", page.split("## When")[0], re.MULTILINE)
    assert rows == ["fault", *Fault]


def test_the_page_about_the_http_api_lists_its_problems() -> None:
    page = text(ROOT / "docs" / "http-api.md")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(kind.slug, f"{kind.status:d}", kind.title) for kind in KINDS]
    assert f"more than {MOST_BEHIND:,} records behind" in page
