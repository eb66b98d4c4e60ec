"""Client of GitHub's REST API."""

from __future__ import annotations

from typing import TypeVar

from turso_deploy.core.errors import ErrorCode, PlatformError
from turso_deploy.core.text import capitalized
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.http.json_api import JsonApi, Reply

T = TypeVar("T")

# https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def open_api(token: str, timeout: float, url: str) -> JsonApi:
    """Return a client of the API at `url`; `timeout` is the timeout of one request in seconds.

    Raises InputError for a token or a URL that cannot be used.
    """
    return JsonApi("GitHub's API", url, token, timeout, _HEADERS)


def read(reply: Reply, model: type[T], action: str) -> T:
    """Return the document of a reply as a model. Raises PlatformError, which names the values that are wrong."""
    try:
        return validate(reply.document, model)
    except ValidationError as error:
        message = f"{capitalized(action)} failed: GitHub's answer cannot be read{error.names}."
        raise PlatformError(ErrorCode.UNEXPECTED_REPLY, message) from None
