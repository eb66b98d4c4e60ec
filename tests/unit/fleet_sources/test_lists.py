"""Lists of databases: their forms, their errors with file and line, and their size."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.secret import Secret
from turso_deploy.fleet_sources.selection import Access, open_selection
from turso_deploy.fleet_sources.target import Selection

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJl"
MANY = 100_000


def select(fleet: Path | str, *only: str, without: tuple[str, ...] = (), access: Access | None = None) -> Selection:
    with open_selection(str(fleet), only, without, access or Access()) as selection:
        return selection


def write(folder: Path, name: str, *lines: str) -> Path:
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder / name


def entry(name: str, **more: object) -> str:
    return json.dumps({"name": name, "url": f"libsql://{name}.example", **more})


def test_json_lines_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, "t.jsonl", entry("a", host="a.fleet", plan="free"), "", entry("b", canary=True))
    found = select(file, access=Access(Secret("given")))
    assert [(one.name, one.url, one.host, one.canary, one.source) for one in found.targets] == [
        ("a", "https://a.example", "a.fleet", False, f"{file}:1"),
        ("b", "https://b.example", "", True, f"{file}:3"),
    ]
    assert [one.token() for one in found.targets] == [Secret("given")] * 2


def test_csv_is_read(tmp_path: Path) -> None:
    header, row = "\ufeffid,name,url,canary", '7,"a","libsql://a.example",yes'
    found = select(write(tmp_path, "t.csv", header, row, "", "8,b,file:b.db,")).targets
    assert [(one.name, one.url, one.canary) for one in found] == [
        ("a", "https://a.example", True),
        ("b", "file:b.db", False),
    ]


@pytest.mark.parametrize("text", ["name,url\na,file:a.db\n", '{"name": "a", "url": "file:a.db"}\n'])
def test_standard_input_is_read_in_both_forms(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert [one.name for one in select("-").targets] == ["a"]


@pytest.mark.parametrize(
    ("name", "lines", "line", "message"),
    [
        ("t.jsonl", [entry("a"), "{"], 2, "this line is not a JSON object"),
        ("t.jsonl", ['["a"]'], 1, "this line is not a JSON object"),
        ("t.jsonl", ['{"name": "a"}'], 1, "`url` is missing"),
        ("t.jsonl", [entry("a"), '{"name": null, "url": "file:a"}'], 2, "`name` is missing"),
        ("t.jsonl", ['{"name": 7, "url": "file:a"}'], 1, "`name` must be text"),
        ("t.jsonl", [entry("a/b")], 1, "the name contains a slash"),
        ("t.jsonl", [entry("")], 1, "the name is empty"),
        ("t.jsonl", [entry("a,b")], 1, "the name may contain letters"),
        ("t.jsonl", [entry("-a")], 1, "begins with a letter"),
        ("t.jsonl", [entry("a" * 201)], 1, "longer than 200 characters"),
        ("t.jsonl", [entry(TOKEN)], 1, "the name is a token"),
        ("t.jsonl", [entry("a", url=f"libsql://a.example?authToken={TOKEN}")], 1, "contains a token"),
        ("t.jsonl", [entry("a", url="libsql://user:password@a.example")], 1, "user name or password"),
        ("t.jsonl", [entry("a", url="http://a.example")], 1, "clear text"),
        ("t.jsonl", [entry("a", url="a.example")], 1, "no scheme"),
        ("t.jsonl", [entry("a", canary="maybe")], 1, "`canary` must be"),
        ("t.jsonl", [entry("a", host="a b")], 1, "`host` must be"),
        ("t.jsonl", [entry("a", auth_token=TOKEN)], 1, "`auth_token` is that of a secret"),
        ("t.csv", ["name,url,Token", f"a,file:a,{TOKEN}"], 1, "`token` is that of a secret"),
        ("t.csv", ["name;url", "a;file:a"], 1, "its first line has to name the columns"),
        ("t.csv", [], 1, "its first line has to name the columns"),
        ("t.csv", ["name,url", '"a"b,file:a'], 2, "this is not CSV"),
        ("t.csv", ["name,url", "a"], 2, "`url` is missing"),
    ],
)
def test_error_in_a_list_has_its_line(tmp_path: Path, name: str, lines: list[str], line: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        select(write(tmp_path, name, *lines))
    assert caught.value.code is ErrorCode.FLEET_INVALID
    assert message in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.line == line
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"
    assert "password@" not in caught.value.message


def test_many_errors_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="and 20 more errors") as caught:
        select(write(tmp_path, "t.jsonl", *(entry(f"a/{number}") for number in range(30))))
    assert len(caught.value.causes) == 11


def test_name_twice_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path, "t.jsonl", entry("a"), entry("b"), entry("a", url="file:other.db"))
    with pytest.raises(InputError, match="a: the same name twice") as caught:
        select(file)
    assert f"{file}:1 and {file}:3" in caught.value.message
    assert caught.value.exit_code == 2


def test_two_names_of_one_database_are_an_error(tmp_path: Path) -> None:
    same = "https://a.example/"
    with pytest.raises(InputError, match="a and b: the same address twice"):
        select(write(tmp_path, "t.jsonl", entry("a", url=same), entry("b", url="libsql://a.example")))
    both = (entry("a", url=same, host="a.x"), entry("b", url=same, host="b.x"))
    assert len(select(write(tmp_path, "t.jsonl", *both)).targets) == 2


def test_only_and_except_take_names_and_patterns(tmp_path: Path) -> None:
    file = write(tmp_path, "t.jsonl", *(entry(name) for name in ("acme", "eu-1", "eu-2", "us-1")))
    assert [one.name for one in select(file, "acme", "eu-*", without=("eu-2",)).targets] == ["acme", "eu-1"]
    found = select(file, without=("eu-?",))
    assert [one.name for one in found.targets] == ["acme", "us-1"]
    assert [tuple(one) for one in found.skipped] == [("eu-1", "excluded"), ("eu-2", "excluded")]
    assert [one.name for one in select(file, without=("nothing-*",)).targets] == ["acme", "eu-1", "eu-2", "us-1"]


@pytest.mark.parametrize(
    ("only", "without", "message"),
    [
        (("acme", "acmee"), (), "`only` names what the fleet does not have: acmee"),
        (("acme", "asia-*"), (), "`only` names what the fleet does not have: asia-*"),
        (("ACME",), (), "`only` names what the fleet does not have: ACME"),
        ((), ("acmee",), "`except` names what the fleet does not have: acmee"),
        (("acme",), ("acme",), "no database is selected: 2 databases are left out"),
        ((), ("*",), "no database is selected"),
    ],
)
def test_selection_that_cannot_be_meant_is_an_error(
    tmp_path: Path, only: tuple[str, ...], without: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        select(write(tmp_path, "t.jsonl", entry("acme"), entry("eu-1")), *only, without=without)
    assert message in caught.value.message
    assert caught.value.exit_code == 2


def test_empty_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no database is selected"):
        select(write(tmp_path, "t.csv", "name,url"))


@pytest.mark.parametrize("fleet", ["tenants", "tenants.json", "group:", "", "libsql://a.example"])
def test_setting_of_another_form_is_an_error(fleet: str) -> None:
    with pytest.raises(InputError, match="expected a fleet file") as caught:
        select(fleet)
    assert caught.value.code is ErrorCode.INPUT_INVALID


def test_paths_are_relative_to_the_fleet_file(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    write(tmp_path / "lists", "t.jsonl", entry("a"))
    write(tmp_path, "names.txt", "# tenants", "", "first", "second ")
    fleet = write(
        tmp_path,
        "fleet.yml",
        "databases:",
        "  - list: lists/t.jsonl",
        "  - server: http://127.0.0.1:8080/",
        "    names: names.txt",
        "    except: second",
        "rollout: {canary: 2}",
    )
    found = select(fleet)
    assert [(one.name, one.url, one.host) for one in found.targets] == [
        ("a", "https://a.example", ""),
        ("first", "http://127.0.0.1:8080", "first.127.0.0.1"),
    ]
    assert [one.name for one in found.skipped] == ["second"]
    assert found.rollout.canary == 2


@pytest.mark.parametrize(
    ("server", "names", "message"),
    [
        ("http://127.0.0.1:8080", "a.b", "one label of the Host header"),
        ("http://127.0.0.1:8080", "a/b", "the name contains a slash"),
        ("file:a.db", "a", "`server` is a file"),
        (f"https://{TOKEN}@server.example", "a", "user name or password"),
    ],
)
def test_server_that_cannot_be_meant_is_an_error(tmp_path: Path, server: str, names: str, message: str) -> None:
    write(tmp_path, "names.txt", names)
    fleet = write(tmp_path, "fleet.yml", "databases:", f"  - server: {server}", "    names: names.txt")
    with pytest.raises(InputError) as caught:
        select(fleet)
    assert message in caught.value.message
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_hundred_thousand_databases_are_selected_quickly_in_bounded_memory(tmp_path: Path, form: str) -> None:
    rows = ["name,url"] if form == "csv" else []
    rows += [
        f"t{n},https://t{n}.example.com" if form == "csv" else f'{{"name": "t{n}", "url": "https://t{n}.example.com"}}'
        for n in range(MANY)
    ]
    file = write(tmp_path, f"t.{form}", *rows)
    program = (
        "import re, sys, time; begun = time.process_time()\n"
        "from turso_deploy.fleet_sources.selection import Access, open_selection\n"
        "names = ['t1*', *(f't{n}' for n in range(200, 1_200))]\n"
        "with open_selection(sys.argv[1], names, (), Access()) as found:\n"
        "    print(len(found.targets), len(found.skipped), time.process_time() - begun)\n"
        # The peak of getrusage includes the memory of the process that started this one: VmHWM does not.
        "    print(re.search(r'VmHWM:\\s+([0-9]+) kB', open('/proc/self/status').read())[1])"
    )
    ended = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True, env=None)
    chosen, skipped, seconds, memory = ended.stdout.split()
    assert (int(chosen), int(chosen) + int(skipped)) == (11_911, MANY)
    assert float(seconds) < 20
    assert int(memory) < 200_000, "kilobytes"
