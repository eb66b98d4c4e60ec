"""Texts that try to act as Markdown, HTML or workflow commands."""

from hypothesis import strategies as st

HOSTILE = [
    "| <b>",
    "`` ` ``",
    "::error::",
    "a\nb\r\nc",
    "🚀👩‍🚀",
    "</details>",
    "\\|",
    "<!--",
    "$x$",
    "- a",
    "# a",
    "www.evil.org",
]

hostile_texts = st.one_of(st.text(), st.text(alphabet="|<>`\\\n\r_*~[]!#&;$@"), st.sampled_from(HOSTILE))
