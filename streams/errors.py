"""What can go wrong between a message and the log. An undecodable record is none of these: it is a value.

OrderflowError
├── UnpublishableError
└── RegistryError
    ├── RegistryUnavailableError      wait and try again: no record is at fault
    │   └── RegistryDeniedError
    ├── SchemaUnregisteredError
    └── SchemaRejectedError
"""

from schemas.errors import OrderflowError


class UnpublishableError(OrderflowError):
    """A message that nobody may publish: readers would not understand it."""

    def __init__(self, message: str, path: str, value: object) -> None:
        super().__init__(
            f"{message}.{path} is {value!r}, which no reader can understand; publish a value of the contract"
        )
        self.message, self.path, self.value = message, path, value


class RegistryError(OrderflowError):
    """The schema registry did not do what we asked."""


class RegistryUnavailableError(RegistryError):
    """No answer, or none that makes sense."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            f"the schema registry at {url} {problem}; start the local one (orderflow up) or set ORDERFLOW_REGISTRY_URL"
        )
        self.url = url


class RegistryDeniedError(RegistryUnavailableError):
    """It doesn't know us. Waiting is right here too: it is settled by a person, and no record is at fault."""


class SchemaUnregisteredError(RegistryError):
    """The registry doesn't have the schema that we want to write with."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: this schema is not in the registry; run: orderflow schemas register")
        self.subject = subject


class SchemaRejectedError(RegistryError):
    """The registry holds the subject to FULL_TRANSITIVE and this schema breaks with a version it has."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: the registry refuses the schema ({reason})")
        self.subject, self.reason = subject, reason
