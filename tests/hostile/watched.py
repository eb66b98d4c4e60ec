"""The program as a runner starts it, and everything that it leaves behind for somebody to read."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.platform.github import Github
from tests.support.counters import count
from tests.support.databases import QUICK
from turso_deploy.cli.main import main
from turso_deploy.core.errors import DeployError

_MASK = re.compile(r"^::add-mask::.*$", re.MULTILINE)
_SHORTEST_PART = 12


@dataclass
class Watched:
    """One run: its exit status, and what it wrote by the name of the place."""

    status: int
    written: dict[str, str]

    @property
    def everything(self) -> str:
        """All of it, one after the other."""
        return "\n".join(self.written.values())


@dataclass
class Watcher:
    """Runs commands on a runner of its own, for a pull request, and keeps what they write.

    What is written into `folder` by the commands themselves (pages, a schema folder) is a place too.
    """

    folder: Path
    github: Github
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, *flags: str, **settings: Any) -> Watched:
        """One command. `settings` are given in the variables that the runner sets for an Action's inputs."""
        outputs, summary = self.folder / "outputs", self.folder / "summary.md"
        made: list[DeployError] = []
        with self.monkeypatch.context() as patch:
            for name in list(os.environ):
                if name.startswith(("INPUT_", "TURSO_", "GITHUB_")):
                    patch.delenv(name)
            runner = {
                "GITHUB_ACTIONS": "true",
                "GITHUB_OUTPUT": str(outputs),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_API_URL": self.github.url,
                "GITHUB_REPOSITORY": "acme/quiz",
                "GITHUB_REF": "refs/pull/7/merge",
                **self.environment,
            }
            inputs = {f"INPUT_{name.upper().replace('_', '-')}": str(value) for name, value in settings.items()}
            for name, value in {**runner, **inputs}.items():
                patch.setenv(name, value)
            _keep_errors(patch, made)
            outputs.write_text("", encoding="utf-8")
            summary.write_text("", encoding="utf-8")
            self.github.comments.clear()
            self.caplog.clear()
            self.caplog.set_level(logging.DEBUG)
            try:
                status = main([command, *flags], QUICK)
            except SystemExit as error:
                status = int(str(error.code))
        printed = self.capsys.readouterr()
        return Watched(
            status,
            {
                "stdout": _MASK.sub("", printed.out),
                "stderr": _MASK.sub("", printed.err),
                "outputs": outputs.read_text(encoding="utf-8"),
                "summary": summary.read_text(encoding="utf-8"),
                "comment": "\n".join(one["body"] for one in self.github.comments.get(7, [])),
                "debug log": self.caplog.text,
                "errors": "\n".join(f"{error!r} {error.__cause__!r} {error.hint} {error.place}" for error in made),
            },
        )


def _keep_errors(patch: pytest.MonkeyPatch, made: list[DeployError]) -> None:
    """Keep every error of ours that is made, told or not."""
    original = DeployError.__init__

    def keep(self: DeployError, *arguments: Any, **settings: Any) -> None:
        original(self, *arguments, **settings)
        made.append(self)

    patch.setattr(DeployError, "__init__", keep)


def parts_of(secret: str) -> list[str]:
    """The secret and, of a token, each part that is no one else's: the first is the same for all."""
    return [secret, *(part for part in secret.split(".")[1:] if len(part) >= _SHORTEST_PART)]


def leaks(watched: Watched, secrets: dict[str, str]) -> list[str]:
    """Which secrets are to be seen, and where. Secrets have names, so that a failing test does not print them."""
    found = []
    for place, text in watched.written.items():
        decoded = f"{text}\n{_unescaped(text)}"
        for name, secret in secrets.items():
            count("secrets searched for, by secret", name)
            count("secrets searched for, by place", place)
            if any(part in decoded for part in parts_of(secret)):
                found.append(f"{name} in {place}")
    return found


def _unescaped(text: str) -> str:
    """The text with what Markdown writes as references, and JSON as escapes, in clear."""
    shown = re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), text)
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), shown)
