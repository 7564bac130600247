"""The connection for reads on the event loop, which a server, a host or a network that hangs must not stop."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

import psycopg

from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import BY_INDEX, Connection, Parameters, Row, connect
from trackd.storage.postgres.waiting import Hurried

OPEN_S = 0.5  # of the event loop, for each attempt after a connection was lost; a host that answers nothing takes 3 s
NO_ANSWER = "the database does not answer"


class HurriedConnection(Connection):
    """A statement has HURRY_S seconds. A thread opens the connection, and goes on when nobody waits for it any more.

    Only the first one is waited for, before the event loop runs. `away` is the reason why nothing is to be expected
    from the server now, or None.
    """

    def __init__(self, url: str, away: Callable[[], StoreError | None]) -> None:
        super().__init__(url, set_up=BY_INDEX)
        self._away = away
        self._opening: Future[psycopg.Connection[Row]] | None = None

    def open(self) -> psycopg.Connection[Row]:
        if (error := self._away()) is not None:
            raise error
        return super().open()

    def _connect(self) -> psycopg.Connection[Row]:
        opening = self._opening
        if opening is None:
            self._opening = opening = Future()
            threading.Thread(target=self._open, args=(opening,), name="connecting", daemon=True).start()
            wait([opening], None if self._connection is None else OPEN_S)
        if not opening.done():
            raise StoreError(f"no connection: {NO_ANSWER}")
        self._opening = None
        return opening.result()

    def _open(self, opening: Future[psycopg.Connection[Row]]) -> None:
        try:
            opening.set_result(connect(self._url, self._name, Hurried, self._set_up))
        except TimeoutError:
            opening.set_exception(StoreError(f"no connection: {NO_ANSWER}"))
        except Exception as error:
            opening.set_exception(error)

    def read(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        try:
            return super().read(sql, parameters)
        except TimeoutError:
            self._failure, self._failed_at = StoreError(f"cannot read: {NO_ANSWER}"), time.monotonic()
            raise self._failure from None

    def close(self) -> None:
        super().close()
        if self._opening is not None:
            self._opening.add_done_callback(_close)


def _close(opening: Future[psycopg.Connection[Row]]) -> None:
    if opening.exception() is None:
        opening.result().close()
