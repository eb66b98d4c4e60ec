"""Client of GitHub's REST API."""

from __future__ import annotations

from turso_deploy.http.json_api import JsonApi

# https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def open_api(token: str, timeout: float, url: str) -> JsonApi:
    """Return a client of the API at `url`; `timeout` is the timeout of one request in seconds.

    Raises InputError for a token or a URL that cannot be used.
    """
    return JsonApi("GitHub's API", url, token, timeout, _HEADERS)
