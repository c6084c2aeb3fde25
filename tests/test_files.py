"""Files are whole or not there, whatever fails on the way; what can't be read is told in a sentence."""

import errno
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers.files import read_json, write_whole


@pytest.mark.parametrize("content", ["é\r\n", "é\r\n".encode(), lambda path: path.write_bytes("é\r\n".encode())])
def test_a_file_is_what_was_given(tmp_path, content):
    path = write_whole(tmp_path / "new" / "file.txt", content)
    assert path.read_bytes() == "é\r\n".encode() and [p.name for p in path.parent.iterdir()] == ["file.txt"]


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def half(path):
    path.write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_stood_there_stays_if_writing_fails(tmp_path, monkeypatch, step):
    path = write_whole(tmp_path / "file.txt", "old")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match=r"^/.*file.txt can't be written: No space left on device$"):
        write_whole(path, "new")
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="file.txt can't be written: No space"):
        write_whole(tmp_path / "file.txt", half)
    with pytest.raises(RuntimeError, match="halfway"):
        write_whole(
            tmp_path / "file.txt",
            lambda path: (path.write_text("half"), (_ for _ in ()).throw(RuntimeError("halfway"))),
        )
    with pytest.raises(OSError, match="x.safetensors can't be written"):
        write_whole(tmp_path / "x.safetensors", lambda path: save_file({"a": torch.ones(1)}, tmp_path / "no" / "x"))
    assert not [*tmp_path.iterdir()]
    write_whole(tmp_path / "x.safetensors", lambda path: save_file({"a": torch.ones(1)}, path))
    assert load_file(tmp_path / "x.safetensors")["a"] == 1


def test_places_that_cant_be_written_are_named(tmp_path):
    write_whole(tmp_path / "file", "x")
    for place in (tmp_path, tmp_path / "file" / "below", tmp_path / ("long" * 100)):
        with pytest.raises(OSError, match=f"{place.name}.* can't be written: "):
            write_whole(place, "y")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_home_links_and_modes_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert write_whole("~/file", "x") == tmp_path / "file"
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", "y")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "y"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[]", b"3", b"", b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}"])
def test_what_is_no_json_object_is_named(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"x\.json (is not|holds a|has) .*; (give the path of a recipe|save it as UTF-8)"
    ):
        read_json(tmp_path / "x.json", "a recipe", dict)


def test_missing_files_are_named(tmp_path):
    for place in (tmp_path, tmp_path / "none.json", "~/none.json", "/dev/zero", "a\0b", "long" * 999):
        with pytest.raises(FileNotFoundError, match="(missing|a folder|no file); give the path of a recipe"):
            read_json(place, "a recipe")
