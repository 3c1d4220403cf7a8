"""A saga as a picture and a table, for people: made from the value that runs, so that they are never out of date.

`python -m agents.orchestrator.diagram FILE` writes them anew between the two markers of a page.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

from agents.orchestrator.place_order import place_order
from agents.orchestrator.saga import Saga, Step

BEGIN, END = "<!-- generated from agents/orchestrator/place_order.py -->", "<!-- end of what is generated -->"
_BLOCK = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)


def diagram(saga: Saga) -> str:
    """In Mermaid: what is asked for in boxes, what is answered on the arrows."""
    return "\n".join(["flowchart TD", *(f"    {line}" for line in _lines(saga))])


def table(saga: Saga) -> str:
    rows = [
        ("step", "asked for with", "done", "refused", "undone with", "undone once", "asked again after"),
        ("---",) * 7,
        *(
            (
                f"`{step.name}`",
                _asked(step.ask),
                step.ok.__name__,
                step.no.__name__ if step.no else "",
                _asked(step.undo),
                _undone(step),
                f"{step.within // 1_000} s",
            )
            for step in saga.steps
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def renewed(page: str) -> str:
    """The page with picture and table as they are now."""
    block = f"{BEGIN}\n```mermaid\n{diagram(place_order)}\n```\n\n{table(place_order)}\n{END}"
    return _BLOCK.sub(lambda _: block, page)


def _lines(saga: Saga) -> Iterator[str]:
    yield f"start([StartCheckout]) --> {saga.steps[0].name}"
    for number, step in enumerate(saga.steps):
        earlier = f"undo_{saga.steps[number - 1].name}" if number else "failed"
        later = saga.steps[number + 1].name if step is not saga.steps[-1] else "completed"
        yield f"{step.name}[{_asked(step.ask)}] -->|{step.ok.__name__}| {later}"
        if step.no is not None:
            yield f"{step.name} -->|{step.no.__name__}| {earlier}"
        yield f"{step.name} -.->|silent, or undone by others| undo_{step.name}"
        yield f"undo_{step.name}[{_asked(step.undo)}] -->|{_undone(step)}| {earlier}"
        if step.stands is not None:
            yield f"undo_{step.name} -->|{step.stands.__name__}| completed"
    yield "completed([CheckoutCompleted])"
    yield "failed([CheckoutFailed])"


def _undone(step: Step) -> str:
    return " or ".join(answer.__name__ for answer in step.undone)


def _asked(ask: Callable[[Any], Any]) -> str:
    """The message that it makes."""
    name: str = get_type_hints(ask)["return"].__name__
    return name


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text("utf-8")), "utf-8")
