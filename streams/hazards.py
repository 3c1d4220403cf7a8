"""Schemas that would hurt whoever reads with them. A stranger may register one; one record of it must not stop us.

fastavro follows a type into itself without looking at the stack, so a few kilobytes end the process; and it skips
a billion items of no width one by one. No message of the contract needs either.
"""

from collections.abc import Iterator
from typing import Any

from schemas.avsc import Schema


def hazard(parsed: Schema) -> str | None:
    """Why a schema that fastavro has parsed must not be read with; None if it is harmless."""
    return next(_Search(parsed["__named_schemas"]).hazards(parsed), None)


class _Search:
    def __init__(self, named: dict[str, Schema]) -> None:
        self._named = named
        self._entered: list[str] = []
        self._harmless: set[str] = set()

    def hazards(self, schema: Any) -> Iterator[str]:
        match schema:
            case str() if schema in self._named:
                yield from self._enter(schema)
            case list():
                for branch in schema:
                    yield from self.hazards(branch)
            case {"type": "record" | "error", "name": name}:
                yield from self._enter(name)
            case {"type": "array", "items": items}:
                yield from self.hazards(items)  # first: what holds itself has no width to be asked for
                if self._weightless(items):
                    yield "it has an array of items without any width"
            case {"type": "map", "values": values}:
                yield from self.hazards(values)
            case {"type": (dict() | list()) as wrapped}:
                yield from self.hazards(wrapped)

    def _enter(self, name: str) -> Iterator[str]:
        if name in self._entered:
            yield f"{name} holds itself"
        elif name not in self._harmless:
            self._entered.append(name)
            for field in self._named[name].get("fields", ()):
                yield from self.hazards(field["type"])
            self._entered.pop()
            self._harmless.add(name)

    def _weightless(self, schema: Any) -> bool:
        match schema:
            case "null" | {"type": "null"} | {"type": "fixed", "size": 0}:
                return True
            case str() if schema in self._named:
                return self._weightless(self._named[schema])
            case {"type": "record" | "error", "fields": fields}:
                return all(self._weightless(field["type"]) for field in fields)
        return False
