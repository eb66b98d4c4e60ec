"""GitHub's secrets: store a value where only workflows read it. https://docs.github.com/en/rest/actions/secrets.

A value is sealed for GitHub's public key before it leaves this process; nobody can read it back, not even its owner.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import Any, Literal

from msgspec import Struct

from turso_deploy.core.errors import ErrorCode, InputError, PlatformError
from turso_deploy.http.json_api import JsonApi, Reply, segment

API_URL = "https://api.github.com"

_API = "GitHub's API"
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_NAME = re.compile(r"(?!GITHUB_)[A-Z_][A-Z0-9_]{0,99}", re.IGNORECASE)
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_ORGANIZATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_LOOKS = 5


class SecretPlace(Struct, frozen=True):
    """Whose secret it is. `owner` is `owner/repository` or the organization; `environment` is the repository's."""

    scope: Literal["repository", "environment", "organization"]
    owner: str
    environment: str = ""

    @property
    def path(self) -> str:
        """The part of the API's paths that all requests about these secrets share."""
        if self.scope == "organization":
            return f"/orgs/{segment(self.owner)}/actions/secrets"
        repository = f"/repos/{self.owner}"
        if self.scope == "environment":
            return f"{repository}/environments/{segment(self.environment)}/secrets"
        return f"{repository}/actions/secrets"

    def __str__(self) -> str:
        """The place in words."""
        where = f"environment {self.environment} of {self.owner}"
        return where if self.scope == "environment" else f"{self.scope} {self.owner}"


def parse_place(text: str, repository: str | None) -> SecretPlace:
    """The place that a setting names: `repository`, `environment:NAME` or `organization:NAME`.

    `repository` is `owner/name`. Raises InputError.
    """
    scope, _, name = text.partition(":")
    if scope == "organization" and _ORGANIZATION.fullmatch(name):
        return SecretPlace("organization", name)
    if text != "repository" and not (scope == "environment" and name.strip() and name.isprintable()):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "The setting `secret-scope` is not one of `repository`, `environment:NAME`, `organization:NAME`.",
        )
    if not repository or not _REPOSITORY.fullmatch(repository):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "It is not known which repository the secret is for.",
            hint="Outside of a workflow, set GITHUB_REPOSITORY to owner/name.",
        )
    if scope == "environment":
        return SecretPlace("environment", repository, name)
    return SecretPlace("repository", repository)


def usable_secret_name(name: str) -> str:
    """The name, once it is known that a secret can have it. Raises InputError otherwise."""
    if _NAME.fullmatch(name):
        return name
    raise InputError(
        ErrorCode.INPUT_INVALID,
        "The name of the secret cannot be one: letters, digits and `_` make one, not a digit first, "
        "and not `GITHUB_` in front.",
    )


class GithubSecrets:
    """The secrets of one place. `token` may write them: the GITHUB_TOKEN of a workflow may not, whatever it is given.

    Raises InputError for a token or an address that cannot be used.
    """

    def __init__(self, place: SecretPlace, token: str, timeout: float, url: str = API_URL) -> None:
        self.place = place
        self._api = JsonApi(_API, url, token, timeout, _HEADERS)

    @property
    def owner(self) -> str:
        """The owner of the secrets, as messages name it: `repository acme/quiz`."""
        return str(self.place)

    def check(self, name: str) -> None:
        """Find out that the secret can be stored, as far as reading tells: the place is there, and a key for it.

        A secret of an organization has to exist: which repositories see it is not for this program to choose.
        Raises PlatformError.
        """
        usable_secret_name(name)
        self._public_key()
        if self.place.scope == "organization" and self._read(name) is None:
            raise PlatformError(
                ErrorCode.NOT_FOUND,
                f"There is no secret {name} in the {self.place}.",
                hint="Create it once by hand, with the repositories that may see it; from then on it is renewed.",
            )

    def store(self, name: str, value: str, pause: float = 1.0) -> None:
        """Seal the value, store it, and see that the secret's `updated_at` moved.

        `pause` is the seconds between looks. Raises PlatformError; whether the secret changed is then told.
        """
        key_id, key = self._public_key()
        before = self._read(name)
        body = {"encrypted_value": seal(value, key), "key_id": key_id, **self._visibility(name, before)}
        self._accept(
            self._api.call("PUT", f"{self.place.path}/{segment(name)}", body=body), f"storing the secret {name}"
        )
        for look in range(_LOOKS):
            if look:
                time.sleep(pause)
            after = self._read(name)
            if after is not None and after.get("updated_at") != (before or {}).get("updated_at"):
                return
        raise PlatformError(
            ErrorCode.UNEXPECTED_REPLY,
            f"GitHub accepted the secret {name}, and its `updated_at` has not moved.",
            hint="Look at the secret in the settings, and run it again.",
        )

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def _public_key(self) -> tuple[str, str]:
        doing = f"reading the public key of the {self.place}"
        reply = self._accept(self._api.call("GET", f"{self.place.path}/public-key"), doing)
        document = reply.document if isinstance(reply.document, dict) else {}
        key_id, key = document.get("key_id"), document.get("key")
        if not isinstance(key_id, str) or not isinstance(key, str):
            raise PlatformError(
                ErrorCode.UNEXPECTED_REPLY, f"{doing.capitalize()} failed: there is none in the answer."
            )
        return key_id, key

    def _read(self, name: str) -> dict[str, Any] | None:
        """What GitHub tells about a secret (never its value); None when there is none."""
        reply = self._api.call("GET", f"{self.place.path}/{segment(name)}")
        if reply.status == 404:
            return None
        self._accept(reply, f"looking up the secret {name}")
        return reply.document if isinstance(reply.document, dict) else {}

    def _visibility(self, name: str, before: dict[str, Any] | None) -> dict[str, Any]:
        """Who may see the secret of an organization: the same repositories as before, which each write has to name."""
        if self.place.scope != "organization":
            return {}
        visibility = (before or {}).get("visibility", "private")
        if visibility != "selected":
            return {"visibility": visibility}
        reply = self._api.call("GET", f"{self.place.path}/{segment(name)}/repositories", query={"per_page": "100"})
        document = self._accept(reply, f"reading which repositories see {name}").document or {}
        repositories = document.get("repositories", [])
        if document.get("total_count", 0) > len(repositories):
            raise PlatformError(
                ErrorCode.UNEXPECTED_REPLY,
                f"More than {len(repositories)} repositories see the secret {name}, and not all of them could be read.",
                hint="Give the secret the visibility `private` or `all`.",
            )
        return {"visibility": "selected", "selected_repository_ids": [entry["id"] for entry in repositories]}

    def _accept(self, reply: Reply, doing: str) -> Reply:
        if not reply.ok:
            raise _refusal(reply, doing)
        return reply


def seal(value: str, public_key: str) -> str:
    """The value in a sealed box that only GitHub opens, in base64. Raises PlatformError when the key is none."""
    from nacl.exceptions import CryptoError
    from nacl.public import PublicKey, SealedBox

    try:
        box = SealedBox(PublicKey(base64.b64decode(public_key, validate=True)))
    except (binascii.Error, ValueError, TypeError, CryptoError):
        raise PlatformError(
            ErrorCode.UNEXPECTED_REPLY, "GitHub's public key for secrets cannot be used.", hint="Run it again."
        ) from None
    return base64.b64encode(box.encrypt(value.encode())).decode()


def _refusal(reply: Reply, doing: str) -> PlatformError:
    code, meaning, hint = _meaning(reply)
    said = f" It says: {reply.reason}" if reply.reason else ""
    start = doing[:1].upper() + doing[1:]
    return PlatformError(code, f"{start} failed: {meaning} (HTTP {reply.status}).{said}", hint=hint)


def _meaning(reply: Reply) -> tuple[ErrorCode, str, str | None]:
    match reply.status:
        case 401:
            return ErrorCode.API_TOKEN_REJECTED, "GitHub does not accept the token", "Renew `github-token`."
        case 403 | 429 if reply.status == 429 or reply.retry_after is not None or "rate limit" in reply.reason.lower():
            wait = f"Wait {reply.retry_after} seconds" if reply.retry_after is not None else "Wait a while"
            return ErrorCode.RATE_LIMITED, "GitHub has had too many requests", f"{wait} and run it again."
        case 403:
            return (
                ErrorCode.API_FORBIDDEN,
                "the token may not do this",
                "Give `github-token` a GitHub App's or a fine-grained personal token with the permission "
                "Secrets: write (Environments: write for an environment's). The GITHUB_TOKEN of a workflow cannot.",
            )
        case 404:
            return (
                ErrorCode.NOT_FOUND,
                "there is no such place, or the token does not see it",
                "Check the repository, environment or organization, and that the token was given access to it.",
            )
        case 422:
            return ErrorCode.UNEXPECTED_REPLY, "GitHub did not accept the value", "Run it again."
    if reply.status >= 500:
        return ErrorCode.SERVER_ERROR, "GitHub failed", "Run it again later; see https://www.githubstatus.com."
    return ErrorCode.UNEXPECTED_REPLY, "GitHub answered in an unknown way", None
