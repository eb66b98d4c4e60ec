"""Commands and flags of other tools, and what is meant by them here. Nothing is done for them but to name it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys("apply migrate push up sync seed release upgrade update run execute start".split(), "deploy"),
    **dict.fromkeys("diff preview pending generate show explain state info".split(), "plan"),
    **dict.fromkeys("check changes".split(), "plan --check"),
    **dict.fromkeys("dry-run dryrun simulate try test".split(), "plan --dry-run"),
    **dict.fromkeys("validate drift compare".split(), "verify"),
    **dict.fromkeys("introspect inspect dump export import init adopt baseline clone".split(), "pull"),
    **dict.fromkeys("doc document documentation diagram erd".split(), "docs"),
    **dict.fromkeys("token tokens check-token".split(), "check-tokens"),
    **dict.fromkeys("rotate rotate-tokens rotation".split(), "rotate-token"),
    **dict.fromkeys("log list ls deployments".split(), "history"),
    **dict.fromkeys("down downgrade revert undo back".split(), "rollback"),
    **dict.fromkeys("accept resolve".split(), "accept-drift"),
    "help": "--help",
    "version": "--version",
}
"""Commands of other tools, and the arguments that are meant here; a command that does not exist here is no hint."""

_SUBJECTS = {"db", "database", "schema", "migrate", "migration", "migrations"}
"""First words of other tools that say what the second one is about: `db push`, `schema diff`, `migrate status`."""

_FLAGS: Mapping[str, str] = {
    **dict.fromkeys("--url --db --db-url --uri --dsn --connection-string --remote-url".split(), "--database-url"),
    **dict.fromkeys("--token --db-token --password --auth".split(), "--auth-token"),
    **dict.fromkeys("--schema --dir --folder --path --migrations --migrations-dir -d".split(), "--schema-path"),
    **dict.fromkeys("--dryrun --simulate --trial -n".split(), "--dry-run"),
    **dict.fromkeys("--out --output-dir -o".split(), "--output"),
    **dict.fromkeys("--debug --trace -v -vv".split(), "--verbose"),
    **dict.fromkeys("--silent -q".split(), "--quiet"),
    **dict.fromkeys("--format --output-format -j".split(), "--json"),
    **dict.fromkeys("--to --from --against --base".split(), "--compare-to"),
    **dict.fromkeys("--exit-code --detailed-exitcode --fail-on-changes".split(), "--check"),
    **dict.fromkeys("--script --to-sql --print-sql".split(), "--sql"),
    **dict.fromkeys("--backup --snapshot".split(), "--restore-point"),
    **dict.fromkeys("--settings --config --config-file -c".split(), "--settings-file"),
    **dict.fromkeys("--dotenv --env --envfile".split(), "--env-file"),
    **dict.fromkeys("--environment --stage --profile".split(), "--target"),
    "--org": "--organization",
}
"""Flags of other tools, and the flags that are meant here."""

_COMMANDS_AS_FLAGS: Mapping[str, str] = {"--dry-run": "plan --dry-run", "--plan": "plan", "--diff": "plan"}
"""Flags that turn a deployment into a plan elsewhere, where no flag is like them."""

_CONSENT = set(
    "--yes -y --assume-yes --force -f --force-reset --auto-approve --approve --allow --accept-data-loss "
    "--allow-data-loss --no-input --skip-checks --ignore-warnings".split()
)
"""Flags that agree to everything that may come."""


def meant_command(arguments: Sequence[str], commands: Collection[str]) -> tuple[str, str] | None:
    """Return the command of another tool that begins the command line, and the arguments that are meant by it.

    Returns None if the first word is one of `commands`, or is not known.
    """
    words = [word.lower() for word in arguments if not word.startswith("-")]
    if not words or words[0] in commands:
        return None
    candidates = {words[0]: _COMMANDS.get(words[0])}
    if words[0] in _SUBJECTS and len(words) > 1:
        second = words[1]
        candidates = {f"{words[0]} {second}": second if second in commands else _COMMANDS.get(second), **candidates}
    for word, meant in candidates.items():
        if meant and (meant.startswith("-") or meant.split()[0] in commands):
            return word, meant
    return None


def meant_by_flag(name: str, flags: Collection[str]) -> str | None:
    """Return what is meant by a flag of another tool: one of `flags`, or a command; None if it is not known."""
    meant = _FLAGS.get(name)
    if meant in flags:
        return meant
    command = _COMMANDS_AS_FLAGS.get(name)
    return f"turso-deploy {command}" if command else None


def consent_hint(unknown: Iterable[str]) -> str | None:
    """Return the hint for flags that agree to everything, which do not exist here; None if there are none."""
    if any(word.partition("=")[0] in _CONSENT for word in unknown):
        return (
            ": nothing is asked during a run, and a hazard is approved by its name and object, as in "
            "--allow-hazards drop-column:users.nickname"
        )
    return None
