"""Other writers: an application in an interactive transaction, which holds the write lock; one that never rests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from tests.support.sqld import Sqld, send
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.database.hrana import HranaDatabase


class Writer:
    """One stream to a server. `committed` is whether its COMMIT succeeded."""

    def __init__(self, sqld: Sqld) -> None:
        self.committed = False
        self._url = f"{sqld.url}/v3/pipeline"
        self._headers = {"Authorization": f"Bearer {sqld.token()}"}
        self._baton: str | None = None

    def execute(self, sql: str) -> Any:
        """The server's result for one statement of the transaction."""
        body = {"baton": self._baton, "requests": [{"type": "execute", "stmt": {"sql": sql}}]}
        answer = send("POST", self._url, body, self._headers)
        self._baton = answer["baton"]
        return answer["results"][0]

    def commit_after(self, seconds: float) -> None:
        """Keep the lock as long as that, touching it now and then so that the stream stays open, and commit."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 2))
            self.execute("SELECT 1")
        self.committed = self.execute("COMMIT")["type"] == "ok"


@contextmanager
def writing_all_the_time(sqld: Sqld, sql: str) -> Iterator[list[int]]:
    """Inside, the statement is run again and again, with the number of the time as `?1`; yields those that worked."""
    stop, written = Event(), list[int]()

    def write() -> None:
        database = HranaDatabase(sqld.url, sqld.token(), 60)
        number = 0
        while not stop.is_set():
            number += 1
            [answer] = database.query([Query(sql, (number,))])
            if isinstance(answer, Rows):
                written.append(number)
        database.close()

    thread = Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()
