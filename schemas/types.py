"""The types that fields of the contract are made of. Values stay as they travel: ids are strings, times are millis.

Python objects for uuid and datetime would double the cost of a record (docs/decisions/0002).
"""

from enum import StrEnum
from typing import Annotated, Any, TypeVar, cast

from pydantic import Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
#: The last millisecond of the year 9999: every timestamp fits a datetime and a PostgreSQL timestamptz.
TIMESTAMP_MAX = 253_402_300_799_999


class Logical(StrEnum):
    """What a primitive of Avro stands for."""

    UUID = "uuid"
    TIMESTAMP = "timestamp-millis"
    LONG = "long"


#: An id has one spelling, lower case with hyphens: ids are record keys, and keys are bytes.
Uuid = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    Logical.UUID,
]
#: Milliseconds since 1970, UTC.
Timestamp = Annotated[int, Field(ge=0, le=TIMESTAMP_MAX), Logical.TIMESTAMP]
#: Minor units (cents). Never negative: the message's name gives the direction.
Money = Annotated[int, Field(ge=0, le=LONG_MAX), Logical.LONG]
#: ISO 4217.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Int = Annotated[int, Field(ge=-INT_MAX - 1, le=INT_MAX)]
Count = Annotated[int, Field(ge=0, le=INT_MAX)]
Quantity = Annotated[int, Field(ge=1, le=INT_MAX)]
#: A figure that is never summed. NaN and infinity have no place in JSON and mean nothing here.
Double = Annotated[float, Field(allow_inf_nan=False)]

T = TypeVar("T")
#: Travels as an Avro array, lives as a tuple: messages are values.
Array = Annotated[tuple[T, ...], Field(strict=False)]


#: What a reader sees for a symbol that its version of the contract doesn't have yet.
UNRECOGNIZED = "UNRECOGNIZED"


class Symbols(StrEnum):
    """An enum of the contract, with `UNRECOGNIZED` as its last member.

    A reader that is older than the writer's symbol sees `UNRECOGNIZED` (it is the Avro default), so a symbol may be
    added at any time; nobody may publish it (docs/decisions/0003).
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if UNRECOGNIZED not in cls.__members__:
            raise TypeError(f'{cls.__name__}: add UNRECOGNIZED = "UNRECOGNIZED", or new symbols break old readers')

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        # Avro gives the symbol's name, not the member; everything else in a message stays strict.
        return cast("CoreSchema", {**handler(source), "strict": False})
