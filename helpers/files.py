"""Files that are whole: written beside their place and then moved there; and JSON files, read with a sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

MOST_BYTES = 2**30  # of a reader's file


def write_whole(path: str | Path, content: str | bytes | Callable[[Path], object]) -> Path:
    """Write a file so that nobody ever meets a part of it, even if the process is killed; returns its path.

    Args:
        path: ``~`` is the home folder; folders that are missing are made.
        content: what to write, texts in UTF-8; or a function that fills the file whose path it is given.

    Raises:
        OSError: if the file can't be written; what stood at the place stays there, and nothing is left beside it.
    """
    given = Path(os.path.expanduser(path))
    path = Path(os.path.realpath(given))  # what a link leads to is replaced, not the link
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(part)
        else:
            part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        if path.is_file():
            shutil.copymode(path, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        kind = type(error) if isinstance(error, OSError) else OSError
        raise kind(f"{path} can't be written: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with suppress(OSError):  # it isn't there, and shouldn't be
            part.unlink()
    return given


def read_text(path: str | Path, what: str) -> tuple[Path, str]:
    """A reader's text file (UTF-8, with a byte-order mark or without): its path, and what it holds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is too large or no UTF-8.
    """
    path = Path(os.path.expanduser(path))
    if not os.path.isfile(path):
        found = "a folder" if os.path.isdir(path) else "missing"
        raise FileNotFoundError(f"{path} is {found}; give the path of {what}")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES >> 20} MiB; give a part of it")
    try:
        return path, path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def read_json(path: str | Path, what: str, holds: type = object) -> tuple[Path, Any]:
    """A JSON file: its path, and what it holds.

    Raises:
        FileNotFoundError, ValueError: as `read_text`, or if it isn't JSON or holds something else.
    """
    path, text = read_text(path, what)
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); give the path of {what}") from None
    if not isinstance(raw, holds):
        raise ValueError(f"{path} holds a {type(raw).__name__}; give the path of {what}")
    return path, raw


FOLDER = "KNOWLEDGE_CIRCUITS_CACHE"  # environment variable with another cache folder


def cache_folder() -> Path:
    """Where second moments are kept: ``$KNOWLEDGE_CIRCUITS_CACHE``, else the user's cache folder."""
    if os.environ.get(FOLDER):
        return Path(os.environ[FOLDER])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "knowledge-circuits"
