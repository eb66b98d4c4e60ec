"""The owners' live database of open-interview 2.2.0: tables made by drizzle-kit, and some thousands of plausible rows.

The rows are the same in each run. Some have the keys of the shipped seeds: as they are in the file, or changed by the
application. Other tables in the database belong to the application, to drizzle-kit and to other tools.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import shipped_project
from turso_deploy.core.transaction import Value
from turso_deploy.sql.lexer import quote_identifier, quote_string

DRIZZLE = Path(__file__).parents[1] / "cases" / "drizzle-2.2.0.sql"
OTHER_TABLES = (
    "CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT NOT NULL, created_at NUMERIC)",
    "CREATE TABLE coding_challenges (id TEXT PRIMARY KEY, title TEXT NOT NULL, created_at TEXT)",
    "CREATE INDEX idx_coding_challenges_title ON coding_challenges (title)",
    "CREATE TABLE tests (id TEXT PRIMARY KEY, questions TEXT)",
    "CREATE TABLE blog_posts (id INTEGER PRIMARY KEY AUTOINCREMENT, question_id TEXT UNIQUE, slug TEXT, content TEXT)",
    "CREATE INDEX idx_blog_posts_slug ON blog_posts (slug)",
    "CREATE TABLE bot_state (bot_name TEXT PRIMARY KEY, state BLOB) WITHOUT ROWID",
    "CREATE TABLE flashcards (id TEXT PRIMARY KEY, front TEXT, back TEXT)",
)
Row = dict[str, Value]
_CHANGED = {  # what the application changes in rows with the key of a seed
    "questions": "answer",
    "channel_mappings": "sub_channel",
    "certifications": "description",
    "learning_paths": "title",
    "question_relationships": "relationship_type",
    "voice_sessions": "question_ids",
}
_STATEMENT_ROWS = 200


class SeededRows(NamedTuple):
    """The numbers of the seed rows of a table that the live database has as in the file, has changed, and lacks."""

    same: int
    changed: int
    missing: int


def drizzle_statements() -> list[str]:
    """Return the statements that create the tables as drizzle-kit does."""
    text = "\n".join(line for line in DRIZZLE.read_text(encoding="utf-8").splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def build(target: DatabaseUnderTest) -> dict[str, SeededRows]:
    """Create the tables and their rows, and return which of the seeds are among the rows."""
    random = Random(2026)
    seeded, counts = _seeded_rows()
    questions = [*seeded["questions"], *_questions(random)]
    ids = [str(row["id"]) for row in questions]
    tables: dict[str, list[Row]] = {
        "users": [{"id": f"user-{n}", "username": f"Name {n}", "password": f"not hashed {n}"} for n in range(120)],
        "questions": questions,
        "channel_mappings": [*seeded["channel_mappings"], *_mappings(random, ids)],
        "question_relationships": [*seeded["question_relationships"], *_relationships(random, ids)],
        "certifications": [*seeded["certifications"], *_certifications(random)],
        "learning_paths": [*seeded["learning_paths"], *_learning_paths(random, ids)],
        "voice_sessions": [*seeded["voice_sessions"], *_voice_sessions(random, ids)],
        **_records(random, ids),
        "__drizzle_migrations": [{"id": n, "hash": f"{n:064x}", "created_at": 1_760_000_000 + n} for n in range(3)],
        "coding_challenges": [{"id": f"c{n}", "title": f"challenge {n}", "created_at": _time(n)} for n in range(60)],
        "tests": [{"id": f"test-{n}", "questions": _json(ids[n : n + 5])} for n in range(40)],
        "blog_posts": [
            {"id": 2 * n + 1, "question_id": ids[n], "slug": f"post-{n}", "content": "…"} for n in range(80)
        ],
        "bot_state": [{"bot_name": f"bot {n}", "state": bytes([0, n, 255])} for n in range(8)],
    }
    inserts = [insert for table, rows in tables.items() for insert in _inserts(table, rows)]
    deleted = ["DELETE FROM bot_ledger WHERE id % 9 = 0", "DELETE FROM channel_mappings WHERE id > 1990"]
    target.run(*drizzle_statements(), *OTHER_TABLES, *inserts, *deleted)
    return counts


def dump(target: DatabaseUnderTest) -> dict[str, list[tuple[Value, ...]]]:
    """Return the rows of all tables with their rowids, storage classes and bytes, in the order of their keys.

    Of the catalog, the definitions of the tables.
    """
    names = [str(name) for (name,) in target.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {"": target.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name")}
    for name in names:
        columns = [quote_identifier(str(column)) for _, column, *_ in target.rows(f"PRAGMA table_xinfo('{name}')")]
        stored = [f"{column}, typeof({column}), hex({column})" for column in columns]
        rowid = [] if name == "bot_state" else ["rowid"]
        selected = ", ".join([*rowid, *stored])
        found[name] = target.rows(f"SELECT {selected} FROM {quote_identifier(name)} ORDER BY 1")
    return found


def _seeded_rows() -> tuple[dict[str, list[Row]], dict[str, SeededRows]]:
    """Return live rows with keys of the seeds: of three, one is the same, one has changed, one is missing."""
    rows: dict[str, list[Row]] = {}
    counts = {}
    present: set[Value] = set()
    seeds = sorted(shipped_project().seeds, key=lambda seed: seed.table != "questions")
    for seed in seeds:
        live = rows.setdefault(seed.table, [])
        numbers = [0, 0, 0]
        all_rows = [dict(zip(group.columns, row, strict=True)) for group in seed.groups for row in group.rows]
        for position, row in enumerate(all_rows):
            parents = [value for name, value in row.items() if name.endswith("question_id")]
            kind = position % 3 if set(parents) <= present else 2
            numbers[kind] += 1
            if kind == 2:
                continue
            if seed.table == "questions":
                present.add(row["id"])
                row["status"] = "deleted" if position % 2 else "active"  # which no seed gives
            if kind == 1:
                value = row[_CHANGED[seed.table]]
                row[_CHANGED[seed.table]] = "[]" if str(value).startswith("[") else f"{value!s}, edited"
            live.append(row)
        counts[seed.table] = SeededRows(*numbers)
    return rows, counts


def _inserts(table: str, rows: Iterable[Row]) -> Iterator[str]:
    by_columns: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        by_columns.setdefault(tuple(row), []).append(row)
    for columns, some in by_columns.items():
        for first in range(0, len(some), _STATEMENT_ROWS):
            values = ", ".join(
                f"({', '.join(map(_literal, row.values()))})" for row in some[first : first + _STATEMENT_ROWS]
            )
            yield f"INSERT INTO {quote_identifier(table)} ({', '.join(columns)}) VALUES {values}"


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return quote_string(value) if isinstance(value, str) else str(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _time(minutes: int) -> str:
    """Return a time in one of the two formats that are in the database."""
    time = datetime(2025, 10, 1, tzinfo=UTC) + timedelta(minutes=minutes * 17)
    return time.strftime("%Y-%m-%d %H:%M:%S") if minutes % 4 == 0 else f"{time:%Y-%m-%dT%H:%M:%S}.{minutes % 1000:03}Z"


def _questions(random: Random) -> Iterator[Row]:
    for n in range(1, 1201):
        choices = [{"id": letter, "text": f"answer {letter}", "isCorrect": letter == "b"} for letter in "abcd"]
        yield {
            "id": f"cert-aws-saa-{1_760_000_000 + n}-x{n}" if n % 10 == 0 else f"q-{n + 6000}",
            "question": f"What does part {n} of the system do — and why isn't it 'simple'?",
            "answer": _json(choices) if n % 10 == 0 else f"It does step {n}.",
            "explanation": f'## Part {n}\n\n- first\n- second; "quoted"\n',
            "diagram": f"graph TD; A{n}-->B{n};" if n % 3 == 0 else None,
            "difficulty": random.choice(["beginner", "intermediate", "advanced"]),
            "tags": _json(random.sample(["react", "javascript", "aws", "sql", "größe"], 2)),
            "channel": random.choice(["system-design", "databases", "aws-saa", "frontend"]),
            "sub_channel": random.choice(["case-studies", "indexing", "general"]),
            "videos": _json({"shortVideo": None, "longVideo": f"https://example.org/{n}"}) if n % 2 else None,
            "relevance_score": n % 101 if n % 5 == 0 else None,
            "job_title_relevance": _json({"sre": n % 100}) if n % 4 == 0 else None,
            "status": random.choice(["active", "active", "flagged", "deleted"]) if n % 50 else None,
            "is_new": n % 2,
            "last_updated": _time(n) if n % 3 else None,
            "created_at": _time(n),
        }


def _mappings(random: Random, ids: list[str]) -> Iterator[Row]:
    for n in range(1, 2001):  # some are duplicates: nothing forbids them
        channel, topic = random.choice([("system-design", "case-studies"), ("databases", "indexing"), ("aws", "ec2")])
        yield {"id": n, "channel_id": channel, "sub_channel": topic, "question_id": random.choice(ids)}


def _relationships(random: Random, ids: list[str]) -> Iterator[Row]:
    for n in range(1, 801):
        kind = random.choice(["prerequisite", "follow_up", "related", "deeper_dive", "similar"])
        source, target = random.choice(ids), random.choice(ids)
        yield {
            "id": n * 3,
            "source_question_id": source,
            "target_question_id": target,
            "relationship_type": kind,
            "created_at": _time(n),
        }


def _certifications(random: Random) -> Iterator[Row]:
    for n in range(40):
        yield {
            "id": f"cert-{n}",
            "name": f"Certification {n}",
            "provider": random.choice(["Amazon Web Services", "Google", "HashiCorp"]),
            "description": f"Proves knowledge {n}.",
            "difficulty": random.choice(["beginner", "intermediate", "advanced", "expert"]),
            "category": random.choice(["cloud", "devops", "security", "data"]),
            "domains": _json([{"id": "d1", "name": "First", "weight": 100}]),
            "prerequisites": _json(["aws-clf"] if n % 3 else []),
            "question_count": n * 7,
            "created_at": _time(n),
        }


def _learning_paths(random: Random, ids: list[str]) -> Iterator[Row]:
    shapes: list[Mapping[str, object]] = [
        {"id": "m1", "title": "Start", "questionIds": ids[:2], "estimatedHours": 3},
        {"percentage": 25, "questionIndex": 4, "title": "First quarter", "description": "…"},
        {"title": "All", "questionCount": 20},
    ]
    for n in range(64):
        yield {
            "id": f"company-{n}-beginner",
            "title": f"Path {n}",
            "description": f"Leads to company {n}.",
            "path_type": "company",
            "target_company": f"Company {n}",
            "difficulty": "beginner",
            "question_ids": _json(random.sample(ids, 20)),
            "channels": _json(["system-design", "databases"]),
            "milestones": _json([shapes[n % 3]]),
            "metadata": _json({"totalQuestions": 20, "generatedFrom": "bot", "company": f"Company {n}"}),
            "popularity": n,
            "created_at": _time(n),
        }


def _voice_sessions(random: Random, ids: list[str]) -> Iterator[Row]:
    for n in range(60):
        yield {
            "id": f"vs-databases-{1_760_000_000_000 + n}-ab{n}",
            "topic": f"Topic {n}",
            "channel": "databases",
            "difficulty": "intermediate",
            "question_ids": _json(random.sample(ids, 5)),
            "total_questions": 5,
            "created_at": _time(n),
        }


def _records(random: Random, ids: list[str]) -> dict[str, list[Row]]:
    """Return the rows that bots and users leave behind."""
    results = ["Error: 429 Too Many Requests", _json({"error": "timeout"}), _json({"fixed": ["tags"]}), "", None]
    queue: list[Row] = [
        {
            "id": n * 2,
            "item_type": "question",
            "item_id": random.choice(ids),
            "action": random.choice(["improve", "verify", "placeholder_content"]),
            "priority": n % 10 + 1,
            "status": random.choice(["pending", "completed", "failed"]),
            "created_at": _time(n),
            "result": results[n % 5],
        }
        for n in range(1, 301)
    ]
    ledger: list[Row] = [
        {
            "bot_name": f"bot {n % 5}",
            "action": random.choice(["create", "update", "verify", "flag"]),
            "item_type": "question",
            "item_id": random.choice(ids),
            "before_state": _json({"status": "active"}) if n % 2 else None,
            "after_state": _json({"status": "flagged"}),
            "created_at": _time(n),
        }
        for n in range(1500)
    ]
    runs: list[Row] = [
        {
            "id": n + 900,
            "bot_name": f"bot {n % 5}",
            "started_at": _time(n),
            "status": "completed",
            "items_processed": n,
            "summary": _json({"message": "done", "actionCounts": {"improve": n}}),
        }
        for n in range(300)
    ]
    sessions: list[Row] = [
        {
            "id": f"{n:08x}-0000-4000-8000-000000000000",
            "session_type": random.choice(["test", "channel", "training"]),
            "session_key": f"test-session-{n % 40}",
            "title": f"Session {n}",
            "progress": n % 101,
            "total_items": 10,
            "session_data": _json({"questions": ids[:3], "answers": {ids[0]: ["b"]}}),
            "started_at": _time(n),
            "last_accessed_at": _time(n + 1),
            "status": random.choice(["active", "completed", "abandoned"]),
        }
        for n in range(400)
    ]
    history: list[Row] = [
        {
            "question_id": random.choice(ids),
            "event_type": random.choice(["created", "improved", "flagged"]),
            "event_source": random.choice(["bot", "import"]),
            "changed_fields": _json(["tags"]) if n % 3 else None,
            "before_snapshot": _json({"tags": []}) if n % 3 else None,
            "metadata": _json({"model": "reviewer"}),
            "created_at": _time(n),
        }
        for n in range(1500)
    ]
    return {
        "work_queue": queue,
        "bot_ledger": ledger,
        "bot_runs": runs,
        "user_sessions": sessions,
        "question_history": history,
    }
