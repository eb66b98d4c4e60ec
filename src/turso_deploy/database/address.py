"""Database URLs: the supported forms, the address that each names, and its form for logs."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.http.proxies import is_loopback

_HTTP_SCHEMES = {"libsql": "https", "turso": "https", "wss": "https", "https": "https", "ws": "http", "http": "http"}
_TLS_PARAMETERS: tuple[list[tuple[str, str]], ...] = ([], [("tls", "0")], [("tls", "1")])
_EXAMPLES = "Use libsql://<database>-<organization>.turso.io (see `turso db show --url <database>`), or file:<path>."
_ROTATE = (
    "Give the token as auth-token (TURSO_AUTH_TOKEN), never in the URL: URLs are logged. "
    "If this one may have been logged, rotate the token."
)


class RemoteAddress(NamedTuple):
    """A server that speaks SQL over HTTP. `url` starts with http: or https: and ends without a slash."""

    url: str

    @property
    def display(self) -> str:
        """The address for logs; parsing rejected every URL with a secret in it."""
        return self.url


class FileAddress(NamedTuple):
    """A database file. `path` is decoded: the name in the file system."""

    path: str

    @property
    def display(self) -> str:
        """The address for logs."""
        return f"file:{self.path}"


Address = RemoteAddress | FileAddress


def parse_address(url: str, *, allow_insecure_http: bool = False) -> Address:
    """Parse a database URL.

    `libsql:`, `turso:` and `wss:` mean https, `ws:` means http, and so does `?tls=0` after `libsql://host:port`. Plain
    http sends the token in clear text, so it is for loopback only unless `allow_insecure_http`.
    Raises InputError (DATABASE_URL_INVALID); no message repeats a part of the URL that could be a secret.
    """
    if not url.strip():
        raise _invalid("the database URL is empty", "Check that the variable or the secret is set.")
    if url != url.strip():
        raise _invalid("the database URL has white space around it", "Store the value again, without it.")
    if url[:1] in ("'", '"', "`"):
        raise _invalid("the database URL has quotes around it", "Store the value again, without them.")
    if not url.isprintable():
        raise _invalid("the database URL contains a control character", _EXAMPLES)
    if ":memory:" in url or ":memory:" in unquote(url):
        raise _invalid("an in-memory database would be lost at the end of the run", _EXAMPLES)
    try:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return _file(parts)
        return _remote(parts, allow_insecure_http)
    except ValueError:  # the message of urllib may quote the URL
        raise _invalid("the host or port of the database URL cannot be read", _EXAMPLES) from None


def _file(parts: SplitResult) -> FileAddress:
    """Parse a `file:` URL, which escapes with %HH: https://www.sqlite.org/uri.html."""
    if parts.query or parts.fragment:
        raise _invalid("a file: URL takes no parameters", "In a file name, write `?` as %3F and `#` as %23.")
    if parts.netloc not in ("", "localhost"):
        raise _invalid("a file: URL names no host", "Use file:relative/path.db or file:///absolute/path.db.")
    path = unquote(parts.path)
    if not path or not path.isprintable():
        raise _invalid("the file: URL does not name a file", "Use file:relative/path.db or file:///absolute/path.db.")
    return FileAddress(path)


def _remote(parts: SplitResult, allow_insecure_http: bool) -> RemoteAddress:
    scheme = _HTTP_SCHEMES.get(parts.scheme)
    if parts.scheme.startswith("sqlite"):
        raise _invalid("the scheme of the database URL belongs to other tools", "For a file, write file:site.db.")
    if not parts.scheme or (scheme is None and not parts.netloc):
        raise _invalid("the database URL has no scheme", _EXAMPLES)
    if scheme is None:
        raise _invalid(
            "the scheme of the database URL is not one of libsql, turso, https, http, wss, ws, file", _EXAMPLES
        )
    if "@" in parts.netloc:
        raise _invalid("the database URL contains a user name or password", _ROTATE)
    if (
        "eyJ" in parts.netloc + parts.path
    ):  # the start of every token: https://www.rfc-editor.org/rfc/rfc7519#section-3.1
        raise _invalid("the database URL contains a token", _ROTATE)
    if not parts.hostname:
        raise _invalid("the database URL names no host", _EXAMPLES)
    if any(character.isspace() for character in parts.netloc + parts.path):
        raise _invalid("the database URL has white space inside", _EXAMPLES)
    port = parts.port  # raises ValueError for an invalid port
    if _disables_tls(parts):
        if port is None:
            raise _invalid("a URL with tls=0 must name its port", "For example libsql://127.0.0.1:8080?tls=0.")
        scheme = "http"
    if scheme == "http" and not (allow_insecure_http or is_loopback(parts.hostname)):
        raise _invalid(
            "plain http would send the token over the network in clear text",
            "Use libsql:// or https://; plain http is for this machine only, unless `allow-insecure-http` is set.",
        )
    return RemoteAddress(f"{scheme}://{parts.netloc}{parts.path}".rstrip("/"))


def _disables_tls(parts: SplitResult) -> bool:
    """Return True for `tls=0`. Raises InputError for every other parameter."""
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    if any("token" in name.lower() or value.startswith("eyJ") for name, value in parameters):
        raise _invalid("the database URL contains a token", _ROTATE)
    allowed = _TLS_PARAMETERS if parts.scheme in ("libsql", "turso") else ([],)
    if parts.fragment or parameters not in allowed:
        raise _invalid("the database URL has unknown parameters", "Only `?tls=0` after libsql:// is supported.")
    return parameters == [("tls", "0")]


def _invalid(message: str, hint: str) -> InputError:
    return InputError(ErrorCode.DATABASE_URL_INVALID, message, hint=hint)
