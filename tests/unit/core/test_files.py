"""Files are regular files: nothing that never ends is read, and no link is followed unasked."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from turso_deploy.core.files import SpecialFileError, TooLargeError, read_file, write_file


def make_special(path: Path, kind: str) -> None:
    """Make a file of a kind that is not a regular file."""
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with closing(socket.socket(socket.AF_UNIX)) as listening:
                listening.bind(str(path))
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
@pytest.mark.parametrize("follow_links", [False, True])
def test_special_file_is_neither_read_nor_written(tmp_path: Path, kind: str, follow_links: bool) -> None:
    path = tmp_path / "x"
    make_special(path, kind)
    with pytest.raises(SpecialFileError):
        read_file(path, 100, follow_links=follow_links)
    with pytest.raises(SpecialFileError):
        write_file(path, b"text")
    assert not stat.S_ISREG(path.lstat().st_mode)


def test_link_is_followed_only_by_those_who_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("missing")
    assert read_file(tmp_path / "link", 100, follow_links=True) == b"precious"
    for name in ("link", "dangling"):
        with pytest.raises(SpecialFileError, match="it is a link"):
            read_file(tmp_path / name, 100)
        with pytest.raises(SpecialFileError, match="it is a link"):
            write_file(tmp_path / name, b"text")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "missing").exists()


def test_file_with_more_bytes_than_allowed_is_not_read(tmp_path: Path) -> None:
    write_file(tmp_path / "x", b"12345")
    assert read_file(tmp_path / "x", 5) == b"12345"
    with pytest.raises(TooLargeError):
        read_file(tmp_path / "x", 4)


def test_content_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_file(tmp_path / "x", b"a longer text")
    write_file(tmp_path / "x", b"short")
    assert (tmp_path / "x").read_bytes() == b"short"
