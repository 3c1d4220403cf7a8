from pathlib import Path

from agents.orchestrator.diagram import BEGIN, END, diagram, renewed
from agents.orchestrator.place_order import WITHIN, place_order
from agents.orchestrator.saga import MOST_ASKS, MOST_UNDOS, TERMINAL_STAYS
from tests.agents.orchestrator.story import PARTS

PAGE = Path(__file__).parents[3] / "docs" / "place-an-order.md"


def test_the_page_shows_the_saga_that_runs() -> None:
    page = PAGE.read_text("utf-8")
    assert BEGIN in page
    assert END in page
    assert renewed(page) == page, "run: python -m agents.orchestrator.diagram docs/place-an-order.md"


def test_the_picture_has_every_request_and_every_answer() -> None:
    picture = diagram(place_order)
    assert all(f"[{part.ask.__name__}]" in picture for part in PARTS.values())
    assert all(f"[{part.undo.__name__}]" in picture for part in PARTS.values())
    assert all(answer.__name__ in picture for answer in place_order.answers)


def test_the_figures_of_the_page_are_those_of_the_saga() -> None:
    page = " ".join(PAGE.read_text("utf-8").split())
    assert (MOST_ASKS, WITHIN, MOST_UNDOS, TERMINAL_STAYS) == (3, 120_000, 10, 24 * 3_600_000)
    assert "asked for three times, two minutes apart" in page
    assert "An undo is asked for ten times, with pauses from two minutes to five" in page
    assert "remembered for a day" in page
