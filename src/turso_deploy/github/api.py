"""Client of GitHub's REST API, and the errors of its replies."""

from __future__ import annotations

from turso_deploy.core.errors import ErrorExplanation, PlatformError
from turso_deploy.core.text import capitalized
from turso_deploy.http.json_api import JsonApi, Reply

# https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def open_api(token: str, timeout: float, url: str) -> JsonApi:
    """Return a client of the API at `url`; `timeout` is the timeout of one request in seconds.

    Raises InputError for a token or a URL that cannot be used.
    """
    return JsonApi("GitHub's API", url, token, timeout, _HEADERS)


def error_for_reply(reply: Reply, action: str, explanation: ErrorExplanation) -> PlatformError:
    """Return the error of a failed reply: the action, the explanation, the status and GitHub's own message."""
    message = f"{capitalized(action)} failed: {{}} (HTTP {reply.status})."
    said = f" GitHub's message: {reply.reason}" if reply.reason else ""
    return explanation.error(PlatformError, message + said)
