"""Marks: from submissions to points, one process for each chapter that they belong to."""

from __future__ import annotations

import ast
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from _tools.grader.submissions import BOOK, Attempt, Chapter, GradingError, match
from helpers.files import FOLDER, cache_folder

ROOT = Path(__file__).resolve().parents[3]
KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)  # of the teacher's environment; everything else stays out
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)
QUIET = {"TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false", "BOOK_BUILD": "1"}
QUIET |= {"MPLBACKEND": "agg", "PLOTLY_RENDERER": "plotly_mimetype"}  # no answer opens a window
ALONE = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONHASHSEED": "0"}
BEGIN = "from _tools.grader.run import main; main()"


@dataclass(frozen=True)
class Limits:
    """What an answer may use.

    Attributes:
        seconds: for one answer and its check.
        memory: bytes, beyond what the chapter itself takes.
        prepare: seconds that the chapter's own code may take.
    """

    seconds: float = 60.0
    memory: int = 4 << 30
    prepare: float = 1200.0


@dataclass(frozen=True)
class Mark:
    """The points for one exercise, and why."""

    label: str
    title: str
    level: str
    points: int
    of: int
    reason: str


@dataclass(frozen=True)
class Graded:
    """A submission with its marks, or with the problem for which it has none.

    Attributes:
        broken: whether the problem is the book's or the machine's, not the submission's.
    """

    path: Path
    chapter: int = 0
    title: str = ""
    marks: tuple[Mark, ...] = ()
    problem: str = ""
    broken: bool = False

    @property
    def points(self) -> int:
        """All points together."""
        return sum(mark.points for mark in self.marks)

    @property
    def of(self) -> int:
        """The points that the chapter has to give."""
        return sum(mark.of for mark in self.marks)


def environment(home: Path) -> dict[str, str]:
    """The variables of the chapter's process: nothing of the teacher's that an answer could read."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "book"))),
        FOLDER: str(cache_folder()),
    }
    return {**kept, **dict.fromkeys(ONE_THREAD, "1"), **QUIET, **ALONE, **own}


def lines(process: subprocess.Popen, wait: Callable[[], float]) -> Iterator[dict]:
    """What a process says, line by line, until it ends or says nothing for longer than it may.

    Raises:
        TimeoutError: in the second case.
    """
    handle, held = process.stdout.fileno(), b""
    while True:
        if not select.select([handle], [], [], wait())[0]:
            raise TimeoutError
        part = os.read(handle, 65536)
        *whole, held = (held + part).split(b"\n")
        yield from map(json.loads, whole)
        if not part:
            return


def judged(code: str, jobs: Sequence[dict], limits: Limits, *, said: Callable[[], None]) -> dict[int, tuple[bool, str]]:
    """Run a chapter's code once, and judge answers on it.

    Raises:
        GradingError: if the chapter's own code fails or takes too long.
    """
    found: dict[int, tuple[bool, str]] = {}
    ready = False

    def wait() -> float:
        return limits.seconds + 60 if ready else limits.prepare

    with tempfile.TemporaryDirectory(prefix="grade-") as home:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        where = {"cwd": home, "env": environment(Path(home)), "start_new_session": True}
        process = subprocess.Popen([sys.executable, "-c", BEGIN], **pipes, **where)
        try:
            process.stdin.write(json.dumps({"chapter": code, "jobs": jobs}).encode())
            process.stdin.close()
            for line in lines(process, wait):
                if "broken" in line:
                    raise GradingError(f"the chapter's own code doesn't run here: {line['broken']}")
                if "ready" in line:
                    ready = True
                else:
                    found[line["job"]] = (line["passed"], line["reason"])
                    said()
        except (TimeoutError, OSError, json.JSONDecodeError):
            if not ready:
                raise GradingError(f"the chapter's own code takes longer than {limits.prepare:g} s") from None
        finally:
            _end(process)
    if not ready:
        raise GradingError("the chapter's own code ended before anything was judged")
    return found


def _end(process: subprocess.Popen) -> None:
    """End a process with its session; its keepers end with it."""
    for _ in range(100):
        if process.poll() is not None:
            break
        time.sleep(0.01)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    process.stdout.close()


def job_of(number: int, attempt: Attempt, limits: Limits) -> dict:
    """An answer as the chapter's process is told of it."""
    exercise = attempt.exercise
    asked = {"code": attempt.code, "names": exercise.names, "check": ast.unparse(exercise.check)}
    return {"job": number, **asked, "seconds": limits.seconds, "memory": limits.memory}


def mark(attempt: Attempt, verdict: tuple[bool, str]) -> Mark:
    """The points for an answer."""
    exercise, (passed, reason) = attempt.exercise, verdict
    reason = "".join(sign if sign.isprintable() else " " for sign in reason)
    points = exercise.points if passed else 0
    return Mark(exercise.label, exercise.title, exercise.level, points, exercise.points, reason)


def _grade_chapter(
    chapter: Chapter, work: Sequence[tuple[Path, list[Attempt]]], limits: Limits, said: Callable[[], None]
) -> list[Graded]:
    """Grade all submissions of one chapter."""
    attempts = [attempt for _, each in work for attempt in each]
    open_ones = [(i, a) for i, a in enumerate(attempts) if not a.reason]
    verdicts = {i: (False, a.reason) for i, a in enumerate(attempts) if a.reason}
    for _ in verdicts:
        said()
    if open_ones:
        code = chapter.prepared([a.code for _, a in open_ones], [a.exercise.label for _, a in open_ones])
        try:
            verdicts |= judged(code, [job_of(i, a, limits) for i, a in open_ones], limits, said=said)
        except GradingError as error:
            return [Graded(path, chapter.number, chapter.title, problem=str(error), broken=True) for path, _ in work]
    lost = (False, "It couldn't be judged: its process broke down. Try once more.")
    marks = [mark(attempt, verdicts.get(i, lost)) for i, attempt in enumerate(attempts)]
    n = len(chapter.exercises)
    parts = [tuple(marks[i : i + n]) for i in range(0, len(marks), n)]
    return [Graded(path, chapter.number, chapter.title, part) for (path, _), part in zip(work, parts, strict=True)]


def grade(
    paths: Sequence[Path], *, book: Path = BOOK, limits: Limits | None = None, said: Callable[[], None] = lambda: None
) -> list[Graded]:
    """Grade submissions; the order is that of the paths.

    Args:
        paths: notebooks that students have filled in, of any chapters.
        book: the folder with the original chapters.
        said: called once for each answer that is judged.
    """
    done: dict[int, Graded] = {}
    work: dict[int, list[tuple[int, list[Attempt]]]] = {}
    chapters: dict[int, Chapter] = {}
    for i, path in enumerate(paths):
        try:
            chapter, attempts = match(path, book)
        except GradingError as error:
            done[i] = Graded(path, problem=str(error))
            continue
        chapters[chapter.number] = chapter
        work.setdefault(chapter.number, []).append((i, attempts))
    for number, part in work.items():
        graded = _grade_chapter(chapters[number], [(paths[i], a) for i, a in part], limits or Limits(), said)
        done |= dict(zip((i for i, _ in part), graded, strict=True))
    return [done[i] for i in range(len(paths))]
