"""Whether the projector could apply an event now: tried in empty tables of the same shape, beside its own."""

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from projections.models.model import Place, ReadModel, Rows, UnfitEventError
from projections.store import Begun
from projections.upsert import Upsert
from schemas.message import Message


class Trial:
    """Of one read model. Nothing of what is tried stays."""

    def __init__(self, model: ReadModel, connection: Connection) -> None:
        self._model = model
        self._connection = connection
        self._upserts = {table: Upsert(table) for table in model.tables}
        for table, upsert in self._upserts.items():
            # PostgreSQL looks among temporary tables first, so statements that name no schema find these.
            connection.execute(
                SQL("CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING ALL)").format(
                    Identifier(table.name), Identifier(model.name, table.name)
                )
            )
            connection.execute(upsert.stage)

    def takes(self, message: Message, place: Place) -> bool:
        rows = Rows(self._model)
        try:
            rows.add(self._model.changes(message, place), place.offset)
        except UnfitEventError:
            return False
        with self._connection.transaction(force_rollback=True):
            return Begun(self._model, self._upserts, self._connection).refusal(rows) is None
