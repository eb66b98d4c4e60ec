"""Redacted string: a secret that no output shows by accident; and redaction of text."""

from __future__ import annotations

import re
from collections.abc import Iterable

# A token of Turso or of another issuer of JWTs, a token of GitHub, and the user name and password in a URL.
_SECRET_LIKE = r"eyJ[\w-]{8,}(?:\.[\w-]+)*|gh[a-z]_\w{16,}|github_pat_\w+|(?<=://)[^\s/@]+(?=@)"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with a mask in place of each of the secrets, and of everything that looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(_SECRET_LIKE, "***", text)


class Secret:
    """A secret text. Printing it prints a mask; only `reveal` returns the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret text."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"
