"""The commit, the branch and the user of a git checkout, read from its files: no `git` runs, and no link is followed.

Source: https://git-scm.com/docs/gitrepository-layout. What has another form than git writes counts as not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from turso_deploy.core.files import read_file

_MAX_SIZE = 16 * 1024 * 1024
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A part begins with no dot, so none is `..`: https://git-scm.com/docs/git-check-ref-format
_REF = re.compile(r"refs(?:/(?!\.)[^\x00-\x20\x7f~^:?*\[\\/]+)+")
_MAX_REF = 250
_SECTION = re.compile(r"\[\s*([A-Za-z0-9.-]+)\s*(\".*\")?\s*\]")
_NAME = re.compile(r"name\s*=\s*(.*)", re.IGNORECASE)
_MAX_NAME = 100


class Checkout(NamedTuple):
    """A git checkout. What is not known is None: the commit before the first one, the ref of a detached head."""

    commit_sha: str | None = None
    ref: str | None = None
    user: str | None = None


def read_checkout(path: Path, environment: Mapping[str, str]) -> Checkout:
    """Return the checkout that a folder is in, which need not exist; all None without one."""
    above = (path.absolute(), *path.absolute().parents)
    found = next((folder / ".git" for folder in above if (folder / ".git").exists()), None)
    if found is None or (own := _folder(found)) is None:
        return Checkout()
    shared = _led_to(own / "commondir", own) or own
    user = _user(shared, environment)
    head = (_text(own / "HEAD") or "").strip()
    if _HASH.fullmatch(head):
        return Checkout(head, None, user)
    ref = head.removeprefix("ref:").strip()
    if len(ref) > _MAX_REF or not _REF.fullmatch(ref) or not ref.isprintable():
        return Checkout(user=user)
    commit = _commit_of(ref, shared)
    return Checkout(commit, ref if commit else None, user)


def _folder(git: Path) -> Path | None:
    """Return the folder of a checkout; in a worktree and in a submodule, `.git` is a file that names it."""
    if git.is_symlink():
        return None
    return git if git.is_dir() else _led_to(git, git.parent, "gitdir:")


def _led_to(file: Path, base: Path, start: str = "") -> Path | None:
    """Return the folder that a file names, relative to `base`."""
    text = _text(file)
    if text is None or not text.startswith(start):
        return None
    name = text.removeprefix(start).strip()
    folder = base / name
    try:
        return folder if name and folder.is_dir() else None
    except (OSError, ValueError):
        return None


def _commit_of(ref: str, folder: Path) -> str | None:
    """Return the commit of a ref: from its own file, or from that of all packed refs."""
    path = folder / ref
    if path.resolve().is_relative_to(folder.resolve()):  # a folder on the way may be a link
        commit = (_text(path) or "").strip()
        if _HASH.fullmatch(commit):
            return commit
    for line in (_text(folder / "packed-refs") or "").splitlines():
        commit, _, name = line.partition(" ")
        if name == ref and _HASH.fullmatch(commit):
            return commit
    return None


def _user(folder: Path, environment: Mapping[str, str]) -> str | None:
    """Return the name that git writes into commits; that of the checkout precedes that of the user's home folder."""
    names = [environment.get("GIT_COMMITTER_NAME", "")]
    home = environment.get("HOME") or environment.get("USERPROFILE")
    config = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else None)
    files = [folder / "config"]
    files += [Path(home, ".gitconfig")] if home else []
    files += [Path(config, "git", "config")] if config else []
    names += [name for file in files for name in list(_names_in(_text(file) or ""))[-1:]]
    shown = (name.strip()[:_MAX_NAME] for name in names)
    return next((name for name in shown if name and name.isprintable()), None)


def _names_in(config: str) -> Iterator[str]:
    """Yield the values of `user.name` in a configuration file; https://git-scm.com/docs/git-config#_syntax."""
    section = ""
    for line in config.splitlines():
        text = line.strip()
        if header := _SECTION.match(text):
            section = "" if header[2] else header[1].lower()
            text = text[header.end() :].strip()
        if section == "user" and (found := _NAME.fullmatch(text)):
            value = found[1].strip()
            if value.startswith('"'):
                yield value[1:].partition('"')[0]
            else:
                yield re.split(r"[#;]", value)[0].strip()


def _text(file: Path) -> str | None:
    """Return the text of a regular file; None for another one, and for one that cannot be read."""
    try:
        return read_file(file, _MAX_SIZE).decode()
    except (OSError, ValueError):
        return None
