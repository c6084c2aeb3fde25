"""Judging answers in processes of their own: the chapter runs once, and a copy of it is made for each answer.

Three kinds of processes. The *chapter* runs what the book itself says, never a line of a submission. For each
answer it forks a *keeper*, which forks the *answer*, waits for its verdict no longer than allowed, and then kills
it with all that it has started. The answer's process builds walls around itself (`grade_walls`, `grade_guard`),
runs the student's code on a copy of the chapter's names, calls the book's check, and sends what the check says
through a pipe, behind a word that only judge and keeper know. Printed text goes nowhere.

What this doesn't stop: somebody who attacks the judge itself, in the interpreter that they share, with enough
patience, can make a wrong answer count. Copying the folded solution isn't stopped either. Answers of people whom
you don't know at all belong into a container or a virtual machine.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import secrets
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import helpers
from _tools.grader.guard import Refused, classes, hide_checks, seal, stand_guard
from _tools.grader.walls import adopt_orphans, die_with_parent, enclose, end_all, limit
from helpers.exercises.kit import Verdict
from helpers.files import FOLDER, cache_folder

HELPERS = Path(helpers.__file__).resolve().parent
ANSWER = "<answer>"
LARGEST_FILE, LARGEST_FOLDER, LONGEST_REASON = 50_000_000, 100_000_000, 600


class Foreign(Exception):
    """Raised when an answer gives a value of a class of its own, which could say anything about itself."""


def readable() -> list[Path]:
    """What an answer may read: Python, its packages, and the library without the checks."""
    own = [path for path in HELPERS.iterdir() if path.name != "exercises"]
    python = {Path(path) for path in (sys.prefix, sys.base_prefix, *sys.path) if path}
    packages = [path for path in python if path.exists() and path not in HELPERS.parents and path != HELPERS]
    return [*own, *packages, *map(Path, ("/usr", "/lib", "/lib64", "/proc", "/sys/devices/system/cpu"))]


def plain(value: object, known: set[type], depth: int = 3) -> object:
    """``value``, if it and what it holds are of known classes.

    Raises:
        Foreign: if not.
    """
    if type(value) not in known:
        raise Foreign(
            f"it gives a `{type(value).__name__}`, a class of its own; give numbers, texts, lists or tensors."
        )
    if depth and type(value) in (list, tuple, set, frozenset, dict):
        for part in [*value, *(value.values() if type(value) is dict else ())][:10_000]:
            plain(part, known, depth - 1)
    return value


def watched(value: object, known: set[type]) -> object:
    """An answer's value for the check: plain itself, or a function whose results are plain."""
    if not callable(value) or isinstance(value, type):
        return plain(value, known)

    @wraps(value)
    def call(*arguments, **options):
        return plain(value(*arguments, **options), known)

    return call


def told(error: BaseException, code: str) -> str:
    """What went wrong in a student's code, with the line."""
    line, trace = "", error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == ANSWER:
            line = (code.splitlines() + [""] * trace.tb_lineno)[trace.tb_lineno - 1].strip()
        trace = trace.tb_next
    if isinstance(error, SystemExit):
        return f"The answer left Python with `{line[:80]}` before it was judged."
    if isinstance(error, Foreign):
        return f"Not yet: {error}"
    where = f" in `{line[:80]}`" if line else ""
    hint = ""
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        hint = " (an exercise is judged by itself: what it needs has to stand in its own cells)"
    if isinstance(error, Refused):
        return f"Stopped: {error}{where}."
    return f"Stopped by {type(error).__name__}: {str(error)[:200]}{where}{hint}"


def judge(job: dict, names: dict, known: set[type], broken: Callable[[], str], own: dict) -> tuple[bool, str]:
    """Run an answer, and ask the book's check about it."""
    code = job["code"]
    try:
        try:
            exec(compile(code, ANSWER, "exec"), own)  # noqa: S102
        except Exception as error:
            if any(name not in own for name in job["names"]):
                return False, told(error, code)  # else what was asked for is there, and a line behind it failed
        if missing := [name for name in job["names"] if name not in own]:
            return False, f"The answer has to define `{missing[0]}`, and doesn't."
        given = {name: watched(own[name], known) for name in job["names"]}
        if changed := broken():
            return False, f"Refused: the answer replaces {changed}."
        verdict = eval(compile(job["check"], "<check>", "eval"), {**names, **given})  # noqa: S307
        if changed := broken():
            return False, f"Refused: the answer replaces {changed}."
    except BaseException as error:
        return False, told(error, code)
    if type(verdict) is not Verdict:
        return False, "Refused: the check's verdict was replaced."
    return verdict.passed is True, verdict.message


def silence(*streams: int) -> None:
    """Let what goes through these streams go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in streams:
        os.dup2(nowhere, stream)


def answer(job: dict, chapter: dict, folder: Path, pipe: int, token: str) -> None:
    """The answer's process: walls, judgement, verdict. Never returns."""
    try:
        os.closerange(3, pipe)
        os.closerange(pipe + 1, 4096)
        silence(0, 1, 2)
        os.chdir(folder)
        tempfile.tempdir = str(folder)
        own = {**chapter["names"], "__name__": "__main__"}
        for name in [name for name in own if name.startswith("chapter_")]:
            del own[name]
        hide_checks()
        kept = cache_folder()
        (folder / "cache").mkdir()
        for path in kept.iterdir() if kept.is_dir() else ():
            (folder / "cache" / path.name).symlink_to(path)
        os.environ.update(HOME=str(folder), TMPDIR=str(folder), **{FOLDER: str(folder / "cache")})
        may_read = [*readable(), kept]
        limit(job["seconds"], job["memory"], LARGEST_FILE)
        enclose(may_read, folder)
        refused = stand_guard(own, may_read, folder)
        passed, reason = judge(job, chapter["names"], chapter["known"], chapter["broken"], own)
        if refused and not reason.startswith("Stopped: "):
            reason += f" (It tried to {refused[0]}, and was refused.)"
    except BaseException as error:
        passed, reason = False, f"It couldn't be judged: {type(error).__name__}: {error}"
    try:
        reason = " ".join(reason.split())[:LONGEST_REASON]
        os.write(pipe, f"{token} {'right' if passed else 'wrong'} {reason}\n".encode(errors="replace"))
    finally:
        os._exit(0)


def size(folder: Path) -> int:
    """Bytes in a folder's files."""
    total = 0
    for base, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(base, name)).st_blocks * 512
            except OSError:
                continue
    return total


def await_verdict(process: int, pipe: int, token: str, seconds: float, folder: Path) -> tuple[bool, str]:
    """What an answer's process says, or why it said nothing."""
    said, deadline, ended = b"", time.monotonic() + seconds, None
    while ended is None or select.select([pipe], [], [], 0)[0]:
        if select.select([pipe], [], [], 0.05)[0]:
            part = os.read(pipe, 65536)
            said = (said + part)[-1_000_000:]
            for line in said.split(b"\n")[:-1]:
                if line.startswith(token.encode() + b" "):
                    _, word, reason = line.decode(errors="replace").split(" ", 2)
                    return word == "right", reason
            if not part and ended is not None:
                break
        if ended is None:
            done, status = os.waitpid(process, os.WNOHANG)
            ended = os.waitstatus_to_exitcode(status) if done else None
        if time.monotonic() > deadline:
            return False, f"Stopped after {seconds:g} s: it doesn't come to an end, or is too slow."
        if size(folder) > LARGEST_FOLDER:
            return False, f"Stopped: it wrote more than {LARGEST_FOLDER // 1_000_000} MB."
    if ended < 0:
        return False, f"Its process was ended by {signal.Signals(-ended).name} before it was judged."
    return False, f"It ended its process (exit code {ended}) before it was judged."


def keep(job: dict, chapter: dict, folder: Path, out: int) -> None:
    """The keeper's process: starts an answer, waits, kills, reports. Never returns."""
    passed, reason = False, "Its process couldn't be watched."
    try:
        die_with_parent()
        adopt_orphans()
        os.setsid()
        token = secrets.token_hex(16)
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            die_with_parent()
            answer(job, chapter, folder, writing, token)
        os.close(writing)
        passed, reason = await_verdict(process, reading, token, job["seconds"], folder)
    except BaseException as error:
        reason = f"Its process couldn't be watched: {type(error).__name__}: {error}"
    finally:
        end_all()
        report = {"job": job["job"], "passed": passed, "reason": reason}
        os.write(out, (json.dumps(report) + "\n").encode())
        os._exit(0)


def prepare(code: str) -> dict:
    """Run the chapter's part of the code, and remember the state of everything."""
    names: dict = {"__name__": "__main__", "__builtins__": builtins}
    for node in ast.parse(code).body:
        exec(compile(ast.Module([node], []), "<chapter>", "exec"), names)  # noqa: S102
    importlib.import_module("helpers.exercises.kit")
    return {"names": names, "known": classes(), "broken": seal(names)}


def main() -> None:
    """The chapter's process: reads what is asked from stdin, writes a line of JSON for each answer."""
    asked, out = json.load(sys.stdin), os.dup(1)
    silence(0, 1)
    try:
        chapter = prepare(asked["chapter"])
    except BaseException as error:
        os.write(out, (json.dumps({"broken": f"{type(error).__name__}: {error}"}) + "\n").encode())
        raise SystemExit(1) from error
    os.write(out, b'{"ready": true}\n')
    for job in asked["jobs"]:
        folder = Path(tempfile.mkdtemp())
        keeper = os.fork()
        if keeper == 0:
            keep(job, chapter, folder, out)
        os.waitpid(keeper, 0)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
