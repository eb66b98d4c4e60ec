"""Markdown building blocks: escaped text for summaries and pages, code, fences and tables."""

import html
import re

import pytest
from hypothesis import example, given

from tests.support.hostile_text import hostile_texts
from turso_deploy.core.text import printable
from turso_deploy.report.markdown import (
    fenced,
    joined,
    page_code,
    page_text,
    summary_code,
    summary_prose,
    summary_text,
    table,
)


def test_ordinary_names_stay_legible_in_the_source() -> None:
    assert summary_text("schema/core-content.sql:12:4 is at 2.2.0: see users_username_unique") == (
        "schema/core-content.sql:12:4 is at 2.2.0: see users_username_unique"
    )


def test_a_mention_is_cut_from_its_name() -> None:
    assert summary_text("@octocat") == "&#64;&#8203;octocat"


def test_prose_has_code_where_it_has_back_ticks_and_shows_everything_else_as_text() -> None:
    assert summary_prose("Run `a -b`, @octocat") == "Run <code>a &#45;b</code>, &#64;&#8203;octocat"
    assert summary_prose("`") == summary_text("`")
    assert summary_prose("``") == summary_text("``")
    assert summary_prose("`a\nb`") == summary_text("`a\nb`")
    assert summary_prose("`<b>`") == "<code>&#60;b&#62;</code>"


@given(hostile_texts)
def test_escaped_text_shows_exactly_the_text(text: str) -> None:
    assert html.unescape(summary_text(text)).replace("\u200b", "") == printable(text)
    assert html.unescape(summary_code(text)) == f"<code>{printable(text)}</code>"


@given(hostile_texts)
def test_escaped_text_holds_nothing_that_markdown_acts_on(text: str) -> None:
    assert not set(summary_text(text)) & set("|<>`*~[]()\\!$@{}\"'\n\r")
    assert "://" not in summary_text(text)
    assert "www." not in summary_text(text)


@given(hostile_texts)
@example("```\n</details>\n````")
def test_a_fence_is_longer_than_any_inside(text: str) -> None:
    first, *body, last = fenced(text, "sql").split("\n")
    assert first == f"{last}sql"
    assert all(last not in line for line in body)


@pytest.mark.parametrize("text", ["# a", "1. a", "- a", "+ a", "--- "])
def test_page_text_starts_no_block(text: str) -> None:
    escaped = page_text(text)
    assert escaped.replace("\\", "") == text.strip()
    assert re.match(r"\d*\\", escaped)


def test_page_text_escapes_markup_and_keeps_the_words() -> None:
    assert page_text("see *this* [link](x)\n<b>") == r"see \*this\* \[link\](x) \<b\>"


@pytest.mark.parametrize(
    ("text", "span"), [("a", "`a`"), ("", ""), ("a`b", "`` a`b ``"), ("a``b", "``` a``b ```"), ("a || b", "`a || b`")]
)
def test_page_code_is_closed_by_its_own_back_ticks(text: str, span: str) -> None:
    assert page_code(text) == span


def test_a_table_aligns_its_columns_and_escapes_cell_borders_in_text_and_code() -> None:
    rows = [(page_text("a | b"), page_code("a || b"))]
    assert table(("x", "y"), rows, "lr") == "| x | y |\n| --- | ---: |\n| a \\| b | `a \\|\\| b` |"
    assert table(("x", "y"), rows).split("\n")[1] == "| --- | --- |"
    assert table(("x", "y"), []) == ""


def test_joined_leaves_out_empty_blocks() -> None:
    assert joined("a", "", "b") == "a\n\nb"
