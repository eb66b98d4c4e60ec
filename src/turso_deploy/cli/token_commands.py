"""The commands that are about tokens alone: look at them, and rotate one."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from turso_deploy.cli.credentials import Credentials, lifetime_of
from turso_deploy.cli.settings import Settings
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.github.context import RunContext
from turso_deploy.github.secrets import GithubSecrets, parse_place, usable_secret_name
from turso_deploy.report.document import Report, Status
from turso_deploy.turso.rotation import rotate_token

ROTATED_LIFETIME = "90d"


def check_tokens(access: Credentials) -> Report:
    """What the checks came to; they were made when the way in was opened."""
    if not access.checks:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "There is no token to check.",
            hint="Give `database-url` with `auth-token`, `read-only-auth-token` or `previous-auth-token`; "
            "or `api-token`, `organization` and `database`.",
        )
    return Report("check-tokens", Status.CHECKED, committed=False, database=access.address.display)


def rotate(access: Credentials, inputs: Settings, context: RunContext, mask: Callable[[str], None]) -> Report:
    """Mint a token, store it as a GitHub secret, and refuse the older ones when asked to. Raises DeployError."""
    started = time.monotonic()
    name = usable_secret_name(inputs.secret_name)
    if access.hosting is None or inputs.github_token is None:
        raise _tokens_missing(access, inputs, context)
    place = parse_place(inputs.secret_scope, context.repository)
    secrets = GithubSecrets(place, inputs.github_token.reveal(), inputs.timeout, context.api_url)
    try:
        done = rotate_token(
            access.hosting.platform,
            access.hosting.database,
            secrets,
            name,
            mask,
            lifetime=lifetime_of(inputs, ROTATED_LIFETIME),
            now=access.now,
            read_only=inputs.token_access == "read-only",
            old_token=inputs.auth_token.reveal() if inputs.auth_token else None,
            revoke_others=inputs.revoke_others,
            timeout=inputs.timeout,
        )
    finally:
        secrets.close()
    report = Report(
        "rotate-token", Status.ROTATED, committed=False, database=access.address.display, notices=done.steps
    )
    return replace(report, duration_ms=round((time.monotonic() - started) * 1000))


def _tokens_missing(access: Credentials, inputs: Settings, context: RunContext) -> InputError:
    """All that is missing at once: whoever sets up a rotation has none of it yet."""
    wanted = {
        "`api-token`, `organization` and `database`": access.hosting is None,
        "a `github-token` that may write secrets": inputs.github_token is None,
        "outside of a workflow, GITHUB_REPOSITORY as owner/name": not context.repository,
    }
    missing = [name for name, is_missing in wanted.items() if is_missing]
    return InputError(
        ErrorCode.INPUT_INVALID,
        "`rotate-token` mints a token at the Turso Platform and stores it at GitHub; a token for one is missing.",
        hint=f"Give {'; '.join(missing)}.",
    )
