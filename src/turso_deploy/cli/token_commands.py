"""The commands `check-tokens` and `rotate-token`."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import timedelta

from turso_deploy.cli.invocation import Invocation
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.github.secrets import GithubSecrets, parse_place, usable_secret_name
from turso_deploy.report.document import Report, Status
from turso_deploy.turso.rotation import rotate_token

ROTATED_LIFETIME = timedelta(days=90)
"""Default lifetime of the token that `rotate-token` mints."""


def check_tokens(invocation: Invocation) -> Report:
    """Check every given token, by its claims and with one request."""
    started = time.monotonic()
    with invocation.open_credentials() as credentials:
        if credentials.checks:
            report = Report("check-tokens", Status.CHECKED, committed=False, database=credentials.address.display)
            duration = round((time.monotonic() - started) * 1000)
            return replace(report, requests=credentials.sent.number, duration_ms=duration)
    raise InputError(
        ErrorCode.INPUT_INVALID,
        "There is no token to check.",
        hint="Set `database-url` with `auth-token`, `read-only-auth-token` or `previous-auth-token`; "
        "or set `api-token`, `organization` and `database`.",
    )


def rotate(invocation: Invocation) -> Report:
    """Mint a token, store it as a GitHub secret, and revoke the older ones if that is set. Raises DeployError."""
    started = time.monotonic()
    settings = invocation.settings
    name = usable_secret_name(settings.secret_name)
    with _secret_store(invocation) as secrets, invocation.open_credentials() as credentials:
        assert credentials.hosted is not None, "the settings of the Turso Platform are required"
        steps = rotate_token(
            credentials.hosted.platform,
            credentials.hosted.database,
            secrets,
            name,
            invocation.runner.mask,
            lifetime=settings.token_lifetime or ROTATED_LIFETIME,
            now=credentials.now,
            read_only=settings.token_access == "read-only",
            old_token=settings.auth_token.reveal() if settings.auth_token else None,
            revoke_others=settings.revoke_others,
            timeout=settings.timeout,
        )
        database = credentials.address.display
    report = Report("rotate-token", Status.ROTATED, committed=False, database=database, notices=steps)
    sent = invocation.credentials.sent.number
    return replace(report, requests=sent, duration_ms=round((time.monotonic() - started) * 1000))


def _secret_store(invocation: Invocation) -> AbstractContextManager[GithubSecrets]:
    """Return the secrets of the place in the settings. Sends nothing. Raises InputError with all that is missing."""
    settings, context = invocation.settings, invocation.context
    if not settings.uses_platform or settings.github_token is None:
        raise _missing(invocation)
    place = parse_place(settings.secret_scope, context.repository)
    return closing(GithubSecrets(place, settings.github_token.reveal(), settings.timeout, context.api_url))


def _missing(invocation: Invocation) -> InputError:
    """Return the error that names everything that is missing, as it is at the first setup."""
    settings = invocation.settings
    required = {
        "`api-token`, `organization` and `database`": settings.uses_platform,
        "a `github-token` that can write secrets": settings.github_token is not None,
        "outside of a workflow, GITHUB_REPOSITORY as owner/name": invocation.context.repository is not None,
    }
    missing = [name for name, is_given in required.items() if not is_given]
    return InputError(
        ErrorCode.INPUT_INVALID,
        "`rotate-token` mints a token with the Turso Platform and stores it with GitHub. Not set: "
        f"{', '.join(missing)}.",
        hint=f"Set {'; '.join(missing)}.",
    )
