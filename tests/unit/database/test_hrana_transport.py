"""When the transport of SQL over HTTP sends a request again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from responses import RequestsMock

from tests.support.databases import quick_retries
from turso_deploy.core.errors import DatabaseError, ErrorCode, LostReplyError
from turso_deploy.database.hrana_transport import Transport

URL = "https://quiz-acme.turso.io"
NOT_FOUND = {"error": "Namespace `quiz` doesn't exist"}
ANSWER: dict[str, Any] = {"results": [{"type": "ok", "response": {"type": "close"}}]}


@pytest.fixture
def transport() -> Transport:
    return Transport(URL, "hunter2", 5, quick_retries(5))


def answer(replies: RequestsMock, status: int, content: Any) -> None:
    replies.post(f"{URL}/v3/pipeline", json.dumps(content), status=status)


@pytest.mark.parametrize("writes", [False, True])
def test_transport_asks_once_more_for_a_database_that_is_not_found(transport: Transport, writes: bool) -> None:
    with RequestsMock() as replies:
        answer(replies, 404, NOT_FOUND)
        answer(replies, 200, ANSWER)
        assert transport.send([{"type": "close"}], writes=writes) == ANSWER["results"]
    (retry,) = transport.retry_budget.log
    assert retry.startswith("There is no database at this address; tried again after ")


@pytest.mark.parametrize("writes", [False, True])
def test_transport_believes_the_second_answer_without_a_database(transport: Transport, writes: bool) -> None:
    with RequestsMock() as replies:
        answer(replies, 404, NOT_FOUND)
        with pytest.raises(DatabaseError) as caught:
            transport.send([{"type": "close"}], writes=writes)
        assert len(replies.calls) == transport.requests == 2
    assert (caught.value.code, caught.value.committed) == (ErrorCode.DATABASE_NOT_FOUND, False)
    assert not isinstance(caught.value, LostReplyError)


def test_transport_does_not_repeat_a_write_whose_stream_is_not_found(transport: Transport) -> None:
    with RequestsMock() as replies:
        answer(replies, 404, {"error": "stream not found: 1:2"})
        with pytest.raises(LostReplyError):
            transport.send([{"type": "close"}], writes=True)
        assert len(replies.calls) == 1
