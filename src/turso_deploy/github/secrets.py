"""Secrets of GitHub Actions: encrypt a value and store it. https://docs.github.com/en/rest/actions/secrets.

A value is encrypted with GitHub's public key before it is sent. The API never returns the value of a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from turso_deploy.core.errors import ErrorCode, ErrorExplanation, InputError, PlatformError
from turso_deploy.core.text import retry_hint
from turso_deploy.github.api import open_api
from turso_deploy.github.context import API_URL
from turso_deploy.http.backoff import poll
from turso_deploy.http.json_api import Reply, error_for_reply, segment

_NAME = re.compile(r"(?!GITHUB_)[A-Z_][A-Z0-9_]{0,99}", re.IGNORECASE)
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_ORGANIZATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_MAX_READS = 5
_PERHAPS_STORED = (ErrorCode.TIMEOUT, ErrorCode.UNREACHABLE, ErrorCode.SERVER_ERROR)
_RESOLUTION = 1.0  # seconds, of `updated_at`

EXPLANATIONS = {
    401: ErrorExplanation(ErrorCode.API_TOKEN_REJECTED, "GitHub does not accept the token", "Renew `github-token`."),
    403: ErrorExplanation(
        ErrorCode.API_FORBIDDEN,
        "the token does not have the permission",
        "Use as `github-token` the token of a GitHub App or a fine-grained personal token with the permission "
        "Secrets: write (for secrets of an environment, Environments: write). The GITHUB_TOKEN of a workflow cannot "
        "write secrets.",
    ),
    404: ErrorExplanation(
        ErrorCode.NOT_FOUND,
        "the repository, environment or organization does not exist, or the token has no access to it",
        "Check the name, and give the token access to it.",
    ),
    422: ErrorExplanation(ErrorCode.UNEXPECTED_REPLY, "GitHub did not accept the value", "Run it again."),
}
"""The statuses with a meaning of their own; 403 may also be a rate limit."""

_FAILED = ErrorExplanation(
    ErrorCode.SERVER_ERROR, "GitHub failed", "Run it again later; see https://www.githubstatus.com."
)
_UNKNOWN = ErrorExplanation(ErrorCode.UNEXPECTED_REPLY, "GitHub gave an unknown answer")


class SecretPlace(NamedTuple):
    """Location of a secret: `owner` is `owner/repository` or an organization, `environment` one of the repository."""

    scope: Literal["repository", "environment", "organization"]
    owner: str
    environment: str = ""

    @property
    def path(self) -> str:
        """Common start of the paths of all requests about these secrets."""
        if self.scope == "organization":
            return f"/orgs/{segment(self.owner)}/actions/secrets"
        repository = f"/repos/{self.owner}"
        if self.scope == "environment":
            return f"{repository}/environments/{segment(self.environment)}/secrets"
        return f"{repository}/actions/secrets"

    def __str__(self) -> str:
        """Return the place in words: `repository acme/quiz`."""
        where = f"environment {self.environment} of {self.owner}"
        return where if self.scope == "environment" else f"{self.scope} {self.owner}"


def parse_place(text: str, repository: str | None) -> SecretPlace:
    """Parse the setting `secret-scope`: `repository`, `environment:NAME` or `organization:NAME`.

    `repository` is `owner/name`, if it is known. Raises InputError.
    """
    scope, _, name = text.partition(":")
    if scope == "organization" and _ORGANIZATION.fullmatch(name):
        return SecretPlace("organization", name)
    if text != "repository" and not (scope == "environment" and name.strip() and name.isprintable()):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "The setting `secret-scope` must be `repository`, `environment:NAME` or `organization:NAME`.",
            hint="`repository` stores a secret of the repository, `environment:NAME` of one of its environments, "
            "`organization:NAME` of a GitHub organization.",
        )
    if not repository or not _REPOSITORY.fullmatch(repository):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "The repository of the secret is unknown.",
            hint="Outside of a workflow, set GITHUB_REPOSITORY to owner/name.",
        )
    if scope == "environment":
        return SecretPlace("environment", repository, name)
    return SecretPlace("repository", repository)


def usable_secret_name(name: str) -> str:
    """Return the name if GitHub accepts it for a secret. Raises InputError otherwise."""
    if _NAME.fullmatch(name):
        return name
    raise InputError(
        ErrorCode.INPUT_INVALID,
        "The name of the secret is not valid: it may contain letters, digits and `_`, and must not start with a digit "
        "or with `GITHUB_`.",
    )


class _PublicKey(BaseModel, frozen=True, strict=True):
    """The key that encrypts the secrets of a place, in base64."""

    key_id: str
    key: str


class _StoredSecret(BaseModel, frozen=True, strict=True):
    """GitHub's data about a secret, which never include its value."""

    updated_at: str | None = None
    visibility: str = "private"


class _Repository(BaseModel, frozen=True, strict=True):
    id: int


class _Repositories(BaseModel, frozen=True, strict=True):
    """The repositories with access to a secret of an organization; `total_count` counts also those not listed."""

    total_count: int
    repositories: list[_Repository]


class GithubSecrets:
    """Secrets of one place. `token` needs the permission to write them, which a workflow's GITHUB_TOKEN never has.

    `timeout` is the timeout of one request in seconds. Raises InputError for a token or a URL that cannot be used.
    """

    def __init__(self, place: SecretPlace, token: str, timeout: float, url: str = API_URL) -> None:
        self.place = place
        self._api = open_api(token, timeout, url)

    @property
    def owner(self) -> str:
        """Owner of the secrets as messages name it: `repository acme/quiz`."""
        return str(self.place)

    def check(self, name: str) -> None:
        """Check, by reading only, that the secret can be stored: its place exists and has a public key.

        A secret of an organization must exist already, because its visibility is the owner's decision.
        Raises PlatformError.
        """
        usable_secret_name(name)
        self._public_key()
        if self.place.scope == "organization" and self._read(name) is None:
            raise PlatformError(
                ErrorCode.NOT_FOUND,
                f"The secret {name} does not exist in the {self.place}.",
                hint="Create it once by hand and select the repositories with access to it; later runs update it.",
            )

    def store(self, name: str, value: str, interval: float = 1.0) -> None:
        """Encrypt and store the value, and wait until the secret's `updated_at` has changed.

        `updated_at` has whole seconds. If it has not changed, the secret may have been stored twice within one, and it
        is stored once more in a later one. `interval` is in seconds. Raises PlatformError if the secret may not be
        stored.
        """
        public = self._public_key()
        before = self._read(name)
        body = {"encrypted_value": seal(value, public.key), "key_id": public.key_id, **self._visibility(name, before)}
        for _ in range(2):
            put_at = time.monotonic()
            error = self._put(name, body)
            is_refused = error is not None and error.code not in _PERHAPS_STORED
            if self._has_changed(name, before, interval, attempts=1 if is_refused else _MAX_READS):
                return
            if error:
                raise error
            time.sleep(max(0.0, _RESOLUTION - (time.monotonic() - put_at)))
        raise PlatformError(
            ErrorCode.UNEXPECTED_REPLY,
            f"GitHub accepted the secret {name}, but its `updated_at` has not changed: it may hold the old value.",
            hint="Check the secret in the settings of the repository, and run it again.",
        )

    def _put(self, name: str, body: dict[str, Any]) -> PlatformError | None:
        """Store a secret; return the error of a reply that is lost or not a success."""
        try:
            reply = self._api.call("PUT", f"{self.place.path}/{segment(name)}", body=body)
            self._accept(reply, f"storing the secret {name}")
        except PlatformError as error:
            return error
        return None

    def _has_changed(self, name: str, before: _StoredSecret | None, interval: float, attempts: int) -> bool:
        """Return True as soon as the `updated_at` of a secret is another one; False if it cannot be read."""
        stored_at = before.updated_at if before else None
        try:
            after = poll(
                lambda: self._read(name),
                lambda secret: secret is not None and secret.updated_at != stored_at,
                interval=interval,
                attempts=attempts,
            )
        except PlatformError:
            return False
        return after is not None and after.updated_at != stored_at

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def _public_key(self) -> _PublicKey:
        action = f"reading the public key of the {self.place}"
        reply = self._accept(self._api.call("GET", f"{self.place.path}/public-key"), action)
        return self._api.read(reply.document, _PublicKey, action)

    def _read(self, name: str) -> _StoredSecret | None:
        """Return GitHub's data about a secret, which never include its value; None if it does not exist."""
        reply = self._api.call("GET", f"{self.place.path}/{segment(name)}")
        if reply.status == 404:
            return None
        action = f"looking up the secret {name}"
        return self._api.read(self._accept(reply, action).document, _StoredSecret, action)

    def _visibility(self, name: str, before: _StoredSecret | None) -> dict[str, Any]:
        """Return the visibility of an organization's secret, which each write must repeat; empty for others."""
        if self.place.scope != "organization":
            return {}
        visibility = before.visibility if before else "private"
        if visibility != "selected":
            return {"visibility": visibility}
        reply = self._api.call("GET", f"{self.place.path}/{segment(name)}/repositories", query={"per_page": "100"})
        action = f"reading the repositories with access to the secret {name}"
        found = self._api.read(self._accept(reply, action).document, _Repositories, action)
        if found.total_count > len(found.repositories):
            raise PlatformError(
                ErrorCode.UNEXPECTED_REPLY,
                f"The secret {name} was not changed: more than {len(found.repositories)} repositories have access to "
                "it.",
                hint="Give the secret the visibility `private` or `all`.",
            )
        return {"visibility": "selected", "selected_repository_ids": [one.id for one in found.repositories]}

    def _accept(self, reply: Reply, action: str) -> Reply:
        if not reply.ok:
            raise error_for_reply(reply, action, explain(reply), "GitHub")
        return reply


def seal(value: str, public_key: str) -> str:
    """Encrypt the value for a public key (a sealed box of libsodium, in base64).

    Raises PlatformError if the key is invalid.
    """
    from nacl.exceptions import CryptoError
    from nacl.public import PublicKey, SealedBox

    try:
        box = SealedBox(PublicKey(base64.b64decode(public_key, validate=True)))
    except (binascii.Error, ValueError, TypeError, CryptoError):
        raise PlatformError(
            ErrorCode.UNEXPECTED_REPLY, "GitHub's public key for secrets is invalid.", hint="Run it again."
        ) from None
    return base64.b64encode(box.encrypt(value.encode())).decode()


def explain(reply: Reply) -> ErrorExplanation:
    """Return the explanation of a failed reply by its status.

    A rate limit has the status 429, or 403 with a message or a header that says so:
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    is_limited = reply.retry_after is not None or "rate limit" in reply.reason.lower()
    if reply.status == 429 or (reply.status == 403 and is_limited):
        hint = retry_hint(reply.retry_after)
        return ErrorExplanation(ErrorCode.RATE_LIMITED, "GitHub received too many requests", hint)
    return EXPLANATIONS.get(reply.status) or (_FAILED if reply.status >= 500 else _UNKNOWN)
