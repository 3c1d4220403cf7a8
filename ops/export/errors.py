"""What can go wrong with an export."""

from schemas.errors import OrderflowError


class ExportError(OrderflowError):
    """The directory and the topics don't go together."""


class MissingExtraError(ExportError):
    """The package that writes parquet isn't installed."""

    exit_code = 2
