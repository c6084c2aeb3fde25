"""Files that are whole: written beside their place and then moved there; and JSON files, read with a sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError


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


def read_json(path: str | Path, kind: str) -> dict[str, object]:
    """The object in a JSON file.

    Args:
        kind: what the file should be, for the message: ``"a circuit that Circuit.save wrote"``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there is no JSON object in it. Both messages name the file.
    """
    path = Path(os.path.expanduser(path))
    if not os.path.isfile(path):  # a folder, or a device that never ends
        raise FileNotFoundError(f"{path} is no file; give {kind}")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} isn't {kind}: {error}") from error
    if not isinstance(raw, dict):
        raise ValueError(f"{path} isn't {kind}: it holds a {type(raw).__name__}, not an object")
    return raw
