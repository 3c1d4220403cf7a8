"""A schema registry in memory: same answers, same refusals, no server."""

from schemas.avsc import Schema, canonical
from schemas.evolution import breaks_between, same_meaning
from streams.errors import RegistryUnavailableError, SchemaRejectedError, SchemaUnregisteredError
from streams.registry import FULL_TRANSITIVE


class MemoryRegistry:
    """Set `away` to make it unreachable."""

    def __init__(self, *, registers: bool = True) -> None:
        self.away = False
        self._registers = registers
        self._ids: dict[str, int] = {}
        self._schemas: dict[int, Schema] = {}
        self._subjects: dict[str, list[Schema]] = {}
        self._guarded: set[str] = set()

    def schema_of(self, schema_id: int) -> Schema | None:
        self._answer()
        return self._schemas.get(schema_id)

    def id_of(self, subject: str, schema: Schema) -> int:
        self._answer()
        for version in reversed(self._subjects.get(subject, [])):
            if same_meaning(version, schema):
                return self._ids[canonical(version)]
        if not self._registers:
            raise SchemaUnregisteredError(subject)
        return self.register(subject, schema)

    def latest(self, subject: str) -> Schema | None:
        self._answer()
        versions = self._subjects.get(subject)
        return versions[-1] if versions else None

    def register(self, subject: str, schema: Schema) -> int:
        self._answer()
        versions = self._subjects.setdefault(subject, [])
        if schema not in versions:
            if subject in self._guarded:
                broken = [each for version in versions for each in breaks_between(version, schema)]
                if broken:
                    raise SchemaRejectedError(subject, str(broken[0]))
            versions.append(schema)
        return self._id(schema)

    def level(self, subject: str) -> str | None:
        self._answer()
        return FULL_TRANSITIVE if subject in self._guarded else None

    def guard(self, subject: str) -> None:
        self._answer()
        self._guarded.add(subject)

    def _id(self, schema: Schema) -> int:
        schema_id = self._ids.setdefault(canonical(schema), len(self._ids) + 1)
        self._schemas[schema_id] = schema
        return schema_id

    def _answer(self) -> None:
        if self.away:
            raise RegistryUnavailableError("memory", "does not answer")
