"""How the contract may change: compare it with every version that was ever released, both ways (FULL_TRANSITIVE).

A record outlives the code that wrote it, and producers, consumers and replays meet in any order. So each version must
read what every other version wrote. The walk below finds what breaks and says it in the contract's words; Apache's own
checker has the last word on Avro's rules.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import make_avsc_object
from fastavro import parse_schema

from schemas.avsc import Schema, avro_schema, fullname, without
from schemas.message import Kind, Message

#: Words for people: they change no record.
WORDS = frozenset({"doc", "aliases"})
_LOGICAL = frozenset({"logicalType"})


@dataclass(frozen=True, slots=True)
class Release:
    """What the world was promised of one message, at one version."""

    version: str
    kind: Kind
    topic: str | None
    key: str | None
    schema: Schema
    #: What a query answers.
    answer: Schema | None

    @classmethod
    def of(cls, message: type[Message]) -> "Release":
        contract = message.contract
        topic = None if contract.topic is None else contract.topic.name("<env>")
        answer = None if contract.answer is None else without(avro_schema(contract.answer), WORDS)
        schema = without(avro_schema(message), WORDS)
        return cls(contract.version, contract.kind, topic, contract.key, schema, answer)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def precedence(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


#: By full name, the oldest release first.
Baseline = Mapping[str, Sequence[Release]]


@dataclass(frozen=True, slots=True)
class Break:
    """One change that somebody's code or records would not survive."""

    #: The message and, behind dots, the field.
    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


def breaks(contract: Sequence[type[Message]], baseline: Baseline) -> list[Break]:
    """Everything that keeps this contract from being released."""
    declared = {fullname(message): Release.of(message) for message in contract}
    found = [
        Break(
            name,
            f"removed, but it was released as {releases[-1].version} and its records are still there",
            "declare it again",
        )
        for name, releases in baseline.items()
        if name not in declared
    ]
    for name, now in declared.items():
        for release in baseline.get(name, ()):
            found += _moves(name, release, now)
            found += breaks_between(release.schema, now.schema, release.version)
            if release.answer is not None and now.answer is not None:
                found += breaks_between(release.answer, now.answer, release.version)
        found += _version(name, baseline.get(name, ()), now)
    # What breaks with one release often breaks with all of them: say it once.
    return list({(each.path, each.remedy): each for each in reversed(found)}.values())[::-1]


def unreleased(contract: Sequence[type[Message]], baseline: Baseline) -> dict[str, Release]:
    """What a release would add to the baseline."""
    declared = {fullname(message): Release.of(message) for message in contract}
    return {name: now for name, now in declared.items() if [now] != list(baseline.get(name, ()))[-1:]}


def same_meaning(one: Schema, other: Schema) -> bool:
    """Whether two schemas differ in words only."""
    return _normal(one) == _normal(other)


def differences(old: Schema, new: Schema) -> list[str]:
    """What changed from one version of a record to the other, field by field, harmless or not."""
    old, new = _normal(old), _normal(new)
    before, after = dict(_fields("", old, _names(old))), dict(_fields("", new, _names(new)))
    return [
        *(f"{path}: removed" for path in before if path not in after),
        *(f"{path}: added ({after[path]})" for path in after if path not in before),
        *(
            f"{path}: was {before[path]}, is {after[path]}"
            for path in after
            if path in before and before[path] != after[path]
        ),
    ]


def breaks_between(old: Schema, new: Schema, version: str = "the registered version") -> list[Break]:
    """What breaks between two versions of one record, whichever of them reads."""
    old, new = _normal(old), _normal(new)
    found = list(_Walk(old, new, version).breaks())
    if not found:
        # The walk and Avro's own rules should agree; where they don't, Avro is right.
        found = [
            Break(new["name"], f"{reader} can't read what {writer} writes ({verdict})", "take the change back")
            for reader, writer, verdict in (
                ("this contract", version, _avro_verdict(new, old)),
                (version, "this contract", _avro_verdict(old, new)),
            )
            if verdict
        ]
    return found


def _avro_verdict(reader: Schema, writer: Schema) -> str:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro leaves it untyped
    result = checker.get_compatibility(
        make_avsc_object(without(reader, _LOGICAL)), make_avsc_object(without(writer, _LOGICAL))
    )
    return "" if result.compatibility is SchemaCompatibilityType.compatible else ", ".join(sorted(result.messages))


def _moves(name: str, then: Release, now: Release) -> Iterator[Break]:
    """What Avro doesn't see: where the message travels and by which key."""
    for fact in ("kind", "topic", "key"):
        before, after = getattr(then, fact), getattr(now, fact)
        if before != after:
            yield Break(
                name,
                f"its {fact} was {before} in {then.version} and is {after} now",
                "keep it, or declare a new message beside it",
            )


def _version(name: str, releases: Sequence[Release], now: Release) -> Iterator[Break]:
    if not releases or now == releases[-1]:
        return
    newest = max(releases, key=lambda release: release.precedence)
    if now.precedence <= newest.precedence:
        yield Break(
            name,
            f"changed since {newest.version}, but its version is {now.version}",
            f"raise the version above {newest.version}",
        )


class _Walk:
    """Two versions of a schema, side by side."""

    def __init__(self, old: Schema, new: Schema, version: str) -> None:
        self._old, self._new, self._version = old, new, version
        self._old_names, self._new_names = _names(old), _names(new)

    def breaks(self) -> Iterator[Break]:
        yield from self._types(self._new["name"], self._old, self._new)

    def _types(self, path: str, old: Any, new: Any) -> Iterator[Break]:
        old, new = _resolved(old, self._old_names), _resolved(new, self._new_names)
        match old, new:
            case {"type": "record"}, {"type": "record"} if old["name"] == new["name"]:
                yield from self._records(path, old, new)
            case {"type": "enum"}, {"type": "enum"} if old["name"] == new["name"]:
                yield from self._enums(path, old, new)
            case {"type": "array"}, {"type": "array"}:
                yield from self._types(f"{path}[]", old["items"], new["items"])
            case ["null", was], ["null", now]:
                yield from self._types(path, was, now)
            case ["null", _], _:
                yield Break(path, f"was optional in {self._version}, whose records may lack it", "keep it optional")
            case _, ["null", _]:
                yield Break(path, f"became optional, but readers of {self._version} require it", "keep it required")
            case _ if _signature(old) != _signature(new):
                yield Break(
                    path,
                    f"was {_signature(old)} in {self._version} and is {_signature(new)} now",
                    "keep the type, or add a field beside it",
                )

    def _records(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        before = {field["name"]: field for field in old["fields"]}
        after = {field["name"]: field for field in new["fields"]}
        for name, field in before.items():
            if name in after:
                yield from self._types(f"{path}.{name}", field["type"], after[name]["type"])
            elif "default" not in field:
                yield Break(
                    f"{path}.{name}",
                    f"removed, but required in {self._version}, whose readers need it",
                    "keep it, or give it up with a new message",
                )
        for name, field in after.items():
            if name not in before and "default" not in field:
                yield Break(
                    f"{path}.{name}",
                    f"added as required, but the records of {self._version} lack it",
                    "make it optional (None by default)",
                )

    def _enums(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        gone = [symbol for symbol in old["symbols"] if symbol not in new["symbols"]]
        if gone:
            yield Break(
                path,
                f"{new['name']} lost {', '.join(gone)}, which records of {self._version} hold",
                "keep every symbol; stop publishing it instead",
            )
        added = [symbol for symbol in new["symbols"] if symbol not in old["symbols"]]
        if added and "default" not in old:
            yield Break(
                path,
                f"{new['name']} gained {', '.join(added)}, but in {self._version} it has no default to read them as",
                "keep the symbols, or add a field beside it",
            )


def _normal(schema: Schema) -> Schema:
    # Every name in full: Apicurio hands a schema back with the namespaces left out of its parts.
    parsed = cast("Schema", parse_schema(without(schema, WORDS), {}))
    return {name: each for name, each in parsed.items() if not name.startswith("__")}


def _names(schema: Schema) -> dict[str, Schema]:
    names: dict[str, Schema] = {}
    _collect(schema, names)
    return names


def _collect(schema: Any, names: dict[str, Schema]) -> None:
    match schema:
        case list():
            for each in schema:
                _collect(each, names)
        case {"type": "record", "fields": fields}:
            names[schema["name"]] = schema
            for field in fields:
                _collect(field["type"], names)
        case {"type": "enum"}:
            names[schema["name"]] = schema
        case {"type": "array", "items": items}:
            _collect(items, names)


def _resolved(schema: Any, names: Mapping[str, Schema]) -> Any:
    return names[schema] if isinstance(schema, str) and schema in names else schema


def _fields(path: str, schema: Any, names: Mapping[str, Schema]) -> Iterator[tuple[str, str]]:
    """Every field at any depth, with all that a version may change about it."""
    match _resolved(schema, names):
        case {"type": "record", "fields": fields}:
            for field in fields:
                inner = f"{path}.{field['name']}".removeprefix(".")
                default = ", optional" if "default" in field else ""
                yield inner, _signature(field["type"]) + default
                yield from _fields(inner, field["type"], names)
        case {"type": "array", "items": items}:
            yield from _fields(f"{path}[]", items, names)
        case {"type": "enum", "symbols": symbols}:
            yield f"{path} symbols", " ".join(symbols)
        case ["null", present]:
            yield from _fields(path, present, names)


def _signature(schema: Any) -> str:
    match schema:
        case {"logicalType": logical, "type": carrier}:
            return f"{carrier} ({logical})"
        case {"type": ("record" | "enum") as kind}:
            return f"{kind} {schema['name']}"
        case {"type": "array", "items": items}:
            return f"array of {_signature(items)}"
        case {"type": str(carrier)}:
            return carrier
        case list():
            return " or ".join(_signature(each) for each in schema)
    return str(schema)
