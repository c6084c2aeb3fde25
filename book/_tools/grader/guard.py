"""A guard inside the interpreter: it says which way out was refused, and notices when a library was tampered with.

The kernel's walls (`grade_walls`) hold without it. The guard gives refusals a name, refuses what only Python can see
(other frames, the checks' own code), and stands in for the walls where a kernel has none. It can't stop somebody who is
determined and patient: whoever shares an interpreter with the judge can deceive it in the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

REFUSED = {  # beginnings of audit events -> what a submission may not do
    "socket.": "use the network",
    "subprocess.": "start another program",
    "os.system": "start another program",
    "os.exec": "start another program",
    "os.posix_spawn": "start another program",
    "os.spawn": "start another program",
    "pty.spawn": "start another program",
    "os.fork": "start another process",
    "os.kill": "send signals to processes",
    "signal.pthread_kill": "send signals to processes",
    "_thread.start_new_thread": "start threads",
    "sys.addaudithook": "watch the judge",
    "sqlite3.connect": "open a database",
    "syslog.": "write into the system's log",
}
ONLY_LIBRARIES = {  # libraries may, a submission may not
    "ctypes.": "call machine code",
    "sys._getframe": "look into the judge",
    "sys._current": "look into the judge",
    "sys.settrace": "watch the judge",
    "sys.setprofile": "watch the judge",
    "sys.monitoring.": "watch the judge",
    "gc.get_": "look into the judge",
}
INSIDE = {"tb_frame", "gi_frame", "cr_frame", "ag_frame", "__code__", "__defaults__", "__kwdefaults__", "__closure__"}
WRITERS = {  # audit events that change files -> how many of their arguments are paths
    **dict.fromkeys(("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.utime"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
    **dict.fromkeys(("os.setxattr", "os.removexattr", "os.chflags"), 1),
}
READERS = ("os.listdir", "os.scandir")
DEVICES = ("/dev/urandom", "/dev/random", "/dev/zero", "/etc/localtime")
FORWARDERS = {"inspect", "traceback", "ctypes", "_ctypes", "ctypes._endian", "ctypes.util"}
GUARDED = """builtins collections copy dataclasses einops functools helpers importlib io itertools json math networkx
numbers numpy operator os pandas posixpath random re scipy sklearn statistics torch transformer_lens types
typing""".split()


class Refused(PermissionError):
    """Says what a submission may not do."""


def _inside(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _place(path: object, folder_handle: object = -1) -> str:
    """The real path of a file that an audit event names."""
    name = os.fsdecode(path)
    if isinstance(folder_handle, int) and folder_handle >= 0 and not name.startswith("/"):
        name = os.path.join(os.readlink(f"/proc/self/fd/{folder_handle}"), name)
    return os.path.realpath(name)


def _file_misuse(event: str, arguments: tuple, readable: Sequence[str], writable: str) -> str:
    """What an event about files would do that isn't allowed; empty if it is allowed."""
    if event == "open":
        path, mode, flags = (*arguments, None, None)[:3]
        if isinstance(path, int) or path is None:
            return ""
        writes = bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)) or set(mode or "") & set(
            "wax+"
        )
        place = _place(path)
        if writes:
            return "" if _inside(place, [writable, "/dev/null"]) else f"write to {place}"
        return "" if _inside(place, [*readable, writable]) else f"read {place}"
    if event in READERS:
        if isinstance(arguments[0], int):
            return ""
        place = _place(arguments[0] or ".")
        return "" if _inside(place, [*readable, writable]) else f"list {place}"
    for at in range(WRITERS[event]):
        handle = arguments[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1
        place = str(arguments[at]) if isinstance(arguments[at], int) else _place(arguments[at], handle)
        if not _inside(place, [writable]) and not isinstance(arguments[at], int):
            return f"change {place}"
    return ""


def _by(own: dict) -> bool:
    """Whether what is being refused or not was asked for by code of this namespace, perhaps through `inspect`."""
    frame = sys._getframe(3)  # behind this function, `misuse` and `hook`
    while frame and frame.f_globals.get("__name__") in FORWARDERS and frame.f_globals is not own:
        frame = frame.f_back
    return frame is not None and frame.f_globals is own


def stand_guard(own: dict, readable: Iterable[Path | str], writable: Path) -> list[str]:
    """Refuse from now on, in this process, what a submission may not do; this can't be taken back.

    Args:
        own: the namespace of the submission's code.

    Returns:
        A list to which every refusal is added.
    """
    may_read, may_write = [os.path.realpath(p) for p in (*readable, *DEVICES)], os.path.realpath(writable)
    refused: list[str] = []
    busy = []

    def misuse(event: str, arguments: tuple) -> str:
        if event == "import":
            return "use the code of the checks" if str(arguments[0]).startswith("helpers.exercises") else ""
        if event == "open" or event in WRITERS or event in READERS:
            return _file_misuse(event, arguments, may_read, may_write)
        if event in ("object.__getattr__", "object.__setattr__"):
            return "look into the judge" if arguments[1] in INSIDE and _by(own) else ""
        for start, what in ONLY_LIBRARIES.items():
            if event.startswith(start):
                return what if _by(own) else ""
        return next((what for start, what in REFUSED.items() if event.startswith(start)), "")

    def hook(event: str, arguments: tuple) -> None:
        if busy:
            return
        busy.append(True)
        try:
            what = misuse(event, arguments)
        finally:
            busy.clear()
        if what:
            refused.append(what)
            raise Refused(f"a submission may not {what}")

    sys.addaudithook(hook)
    return refused


def hide_checks() -> None:
    """Take the modules with the checks out of reach; who holds them already goes on using them."""
    for name in [name for name in sys.modules if name.startswith("helpers.exercises")]:
        del sys.modules[name]
    vars(sys.modules["helpers"]).pop("exercises", None)


def classes() -> set[type]:
    """All classes that there are."""
    found, new = {object}, [object]
    while new:
        below = {c for cls in new for c in type.__subclasses__(cls)} - found
        found |= below
        new = list(below)
    return found


def seal(names: dict) -> Callable[[], str]:
    """Remember what the libraries and the chapter define.

    Args:
        names: the chapter's names.

    Returns:
        A function that says what was replaced since, or an empty string.
    """
    held: list[tuple[str, dict, dict]] = [("the chapter's", names, dict(names))]
    types: dict[type, dict] = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name.partition(".")[0] in GUARDED:
            own = {k: v for k, v in vars(module).items() if callable(v)}
            held.append((name, vars(module), own))
            types |= {cls: {} for cls in own.values() if isinstance(cls, type)}
    types = {cls: {k: v for k, v in vars(cls).items() if callable(v) or hasattr(v, "__get__")} for cls in types}

    def broken() -> str:
        for name, now, before in held:
            for key, value in before.items():
                if now.get(key, None) is not value:
                    return f"{name} `{key}`"
        for cls, before in types.items():
            now = vars(cls)
            changed = [key for key, value in before.items() if now.get(key, None) is not value]
            changed += [key for key, value in now.items() if key not in before and callable(value)]
            if changed:
                return f"{cls.__module__} `{cls.__name__}.{changed[0]}`"
        return ""

    return broken
