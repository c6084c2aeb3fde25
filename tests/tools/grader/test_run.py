"""Right, wrong, empty, endless and hostile submissions: points, reasons, and nothing touched outside.

All are graded in one run, three times: as they are to be; with the kernel's walls alone; with Python's guard alone.
"""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from _tools.grader import marks as grade_marks
from _tools.grader.marks import Graded, Limits, environment, grade
from submissions import filled, save, tiny

FORK = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1)\n"
RIGHT = "\ndef double(x): return 2 * x"
KIND = {  # name -> (answer to ex-90-1, whether it is right, what the reason says)
    "right": (RIGHT, True, "Right."),
    "right, then a line that fails": (f"{RIGHT}\nprint(undefined)", True, "Right."),
    "square": ("def double(x): return x * x", False, "Not yet: that is the square."),
    "raises": (
        "def double(x):\n    return x + y",
        False,
        "Stopped by NameError: name 'y' is not defined in `return x + y`",
    ),
    "None": ("def double(x):\n    'Later.'\n    return None", False, "Not attempted yet."),
    "bad text": ("class E(Exception):\n    def __str__(self): return 1\ndef double(x): raise E", False, ""),
    "deep": ("def double(x): return double(x)", False, "RecursionError"),
    "sys.exit": ("import sys\nsys.exit(0)", False, "left Python with `sys.exit(0)`"),
    "os._exit": ("import os\ndef double(x): os._exit(0)", False, "ended its process (exit code 0) before"),
    "crash": ("def double(x): raise KeyboardInterrupt", False, "KeyboardInterrupt"),
}
ENDLESS = {
    "endless": ("while True: pass", False, "Stopped after"),
    "deaf": (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ndef double(x):\n"
        "    while True:\n        try: time.sleep(9)\n        except BaseException: pass",
        False,
        "Stopped after",
    ),
    "talkative": ("while True: print('Right. ' * 1000)", False, "Stopped after"),
    "memory": ("def double(x): return bytearray(1 << 36)", False, "MemoryError"),
    "disk": (
        "n = 0\nwhile True:\n    n += 1\n    with open(f'{n}', 'wb') as file:\n        file.write(bytes(20_000_000))",
        False,
        "wrote more than 100 MB",
    ),
}
CHEATS = {
    "printed verdict": (
        "import os\nos.write(1, b'right Right.\\n')\nprint('Right.')\ndouble = 1",
        False,
        "Stopped by TypeError",
    ),
    "all pipes": (
        "import os\nfor n in range(3, 99):\n    try: os.write(n, b'x right Right.\\n')\n    except OSError: pass\n"
        "def double(x): return 0",
        False,
        "",
    ),
    "closed pipes": ("import os\nos.closerange(3, 99)\ndef double(x): return 2 * x", False, "before it was judged"),
    "own checks": (
        "from types import SimpleNamespace as S\nchapter_90 = S(doubles=lambda f: True)\ndef doubles(f): return True\n"
        "def expect(*a): pass\ndef double(x): return 0",
        False,
        "Not yet: twice 1 is 2.",
    ),
    "library": (
        "import helpers.exercises.kit as e\ne.Verdict.__bool__ = lambda v: True\ne.expect = lambda *a: None\n"
        "def double(x): return 0",
        False,
        "use the code of the checks",
    ),
    "check's names": ("def double(x): doubles.__globals__['expect'] = lambda *a: None", False, "replaces"),
    "verdict": (
        "import helpers.exercises.kit as e\ne.Verdict.message = e.Verdict.__str__ = lambda v: 'Right.'\n"
        "def double(x): return 0",
        False,
        "use the code of the checks",
    ),
    "builtins": (
        "import builtins\nbuiltins.abs = lambda x: 0\ndef double(x): return 0",
        False,
        "replaces builtins `abs`",
    ),
    "builtins, later": (
        "def double(x):\n    import builtins\n    builtins.abs = lambda x: 0\n    return 0",
        False,
        "replaces",
    ),
    "liar": (
        "class Two:\n    __eq__ = __ne__ = __sub__ = __abs__ = lambda *a: Two()\n    __bool__ = lambda s: True\n"
        "def double(x): return Two()",
        False,
        "a class of its own",
    ),
    "checks' code": (
        "def double(x):\n    import helpers.exercises.chapter_01\n    return 2 * x",
        False,
        "the code of the checks",
    ),
    "frames": ("import sys\ndef double(x): return sys._getframe(1).f_locals['x'] * 2", False, "look into the judge"),
    "stack": ("import inspect\ndef double(x): return inspect.stack() and 2 * x", False, "look into the judge"),
}
ATTACKS = {  # PLACE is a folder with a file; PORT is open
    "write": ("def double(x):\n    open('PLACE/file', 'w')\n    return 2 * x", False, "write to"),
    "new file": ("open('PLACE/new', 'w')", False, "write to"),
    "library's folder": ("import helpers\nopen(helpers.__file__ + '.txt', 'w')", False, "write to"),
    "delete": ("import os\nos.remove('PLACE/file')", False, "change"),
    "rename": ("import os\nos.rename('PLACE/file', 'PLACE/other')", False, "change"),
    "tree": ("import shutil\nshutil.rmtree('PLACE')", False, "PLACE"),
    "link": ("import os\nos.symlink('PLACE/file', 'mine')\nopen('mine', 'a').write('x')", False, "change"),
    "mode": ("import os\nos.chmod('PLACE/file', 0)", False, "change"),
    "read": ("secret = open('PLACE/file').read()\ndef double(x): return 2 * x if secret else 0", False, "read"),
    "list": ("import os\ntry: os.listdir('PLACE')\nexcept OSError: pass", True, "Right. (It tried to list PLACE, and"),
    "socket": ("import socket\nsocket.create_connection(('127.0.0.1', PORT))", False, "use the network"),
    "subprocess": ("import subprocess\nsubprocess.run(['touch', 'PLACE/new'])", False, "start another program"),
    "system": ("import os\nos.system('touch PLACE/new')", False, "start another program"),
    "exec": ("import os\nos.execv('/bin/touch', ['touch', 'PLACE/new'])", False, "start another program"),
    "daemon": (f"{FORK}        open('PLACE/new', 'w')", False, "start another process"),
    "bomb": ("import os\nwhile True: os.fork()", False, "start another process"),
    "thread": ("import threading\nthreading.Thread(target=print).start()", False, "thread"),
    "kill": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", False, "send signals"),
    "ctypes": ("import ctypes\nctypes.CDLL(None).system(b'touch PLACE/new')", False, "call machine code"),
}
ALL = KIND | CHEATS | ATTACKS
NEXT = (
    "right",
    "raises",
    "sys.exit",
    "os._exit",
    "library",
    "delete",
    "kill",
    *ENDLESS,
)  # also answer the second exercise


@dataclass
class Run:
    """What was graded, and what came of it outside."""

    graded: dict[str, Graded]
    place: Path
    caller: socket.socket

    def first(self, name: str) -> tuple[int, str]:
        mark = self.graded[name].marks[0]
        return mark.points, mark.reason


def run_of(folder: Path, answers: dict, seconds: float) -> Run:
    """Grade all answers; whatever they attack with, all define what is asked for."""
    (folder / "book").mkdir()
    (folder / "place").mkdir()
    (folder / "place" / "file").write_text("secret")
    chapter, listener = tiny(folder / "book"), socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.01)
    paths = []
    for i, (name, (code, _, _)) in enumerate(answers.items()):
        code = code.replace("PLACE", str(folder / "place")).replace("PORT", str(listener.getsockname()[1]))
        own = {"ex-90-1": code if "double" in code else code + RIGHT}
        second = {"ex-90-2": "largest = max(table)"} if name in NEXT else {}
        paths.append(save(folder, f"s{i}", filled(chapter, own | second)))
    graded = grade(paths, book=folder / "book", limits=Limits(seconds=seconds, memory=2 << 30))
    return Run(dict(zip(answers, graded, strict=True)), folder / "place", listener)


def untouched(run: Run) -> None:
    """Nothing outside was changed, nobody called, nothing goes on."""
    time.sleep(1.2)
    assert [path.name for path in run.place.iterdir()] == ["file"]
    assert (run.place / "file").read_text() == "secret" and (run.place / "file").stat().st_mode & 0o400
    with pytest.raises(TimeoutError):
        run.caller.accept()
    run.caller.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("full"), ALL, 60)


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("endless"), ENDLESS, 4)


@pytest.mark.parametrize("name", ALL)
def test_points_and_reasons(run, name):
    points, reason = run.first(name)
    _, right, says = ALL[name]
    assert points == right, reason
    assert says.replace("PLACE", str(run.place)) in reason


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_stopped(endless, name):
    points, reason = endless.first(name)
    assert points == 0 and ENDLESS[name][2] in reason


def test_one_exercise_takes_nothing_from_the_next(run, endless):
    for name, graded in [*run.graded.items(), *endless.graded.items()]:
        assert not graded.problem
        if name not in NEXT:
            continue
        first, second, third = graded.marks
        assert (second.points, second.reason) == (2, "Right.")
        assert (third.points, third.reason) == (0, "Not attempted yet.")
        assert graded.points == first.points + 2 and graded.of == 6


def test_nothing_outside_was_touched(run):
    untouched(run)


@pytest.mark.parametrize("off", ["stand_guard", "enclose"])
def test_each_defence_holds_without_the_other(tmp_path, monkeypatch, off):
    without = f"import _tools.grader.run as r; r.{off} = lambda *a: []; r.main()"
    monkeypatch.setattr(grade_marks, "BEGIN", without)
    run = run_of(tmp_path, {"right": KIND["right"], **ATTACKS}, 60)
    untouched(run)
    counts = {name for name in run.graded if run.first(name)[0]}
    harmless = {"list", "system", "ctypes"} if off == "stand_guard" else {"list", "thread"}
    assert counts - harmless == {"right"}


def test_a_chapter_that_does_not_run_is_no_fault_of_the_student(tmp_path):
    path = tiny(tmp_path)
    submission = save(tmp_path, "mine", filled(path))
    path.write_text(path.read_text().replace("table = [3, 1, 2]", "table = [3, 1, 2] + None"))
    (graded,) = grade([submission], book=tmp_path)
    assert graded.broken and "own code doesn't run here: TypeError" in graded.problem


def test_a_chapter_that_takes_too_long_is_told(tmp_path):
    path = tiny(tmp_path)
    submission = save(tmp_path, "mine", filled(path))
    (graded,) = grade([submission], book=tmp_path, limits=Limits(prepare=0.01))
    assert graded.broken and "takes longer than 0.01 s" in graded.problem


def test_the_environment_holds_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "secret")
    assert "secret" not in "".join(environment(tmp_path).values())


def test_an_empty_submission_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(grade_marks, "judged", None)
    path = tiny(tmp_path)
    (graded,) = grade([path], book=tmp_path)
    assert [mark.reason for mark in graded.marks] == ["Not attempted yet."] * 3 and graded.points == 0


def test_a_figure_in_an_answer_opens_no_window(tmp_path):
    code = "import helpers.figures.display as d, plotly.io as pio; d.setup(); print(pio.renderers.default)"
    run = subprocess.run([sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, text=True)
    assert run.stdout.strip() == "plotly_mimetype", run.stderr[-2000:]
