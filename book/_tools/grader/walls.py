"""Walls that the kernel builds around a process: files, network, new processes, memory, time.

Nothing here needs privileges, and nothing can be taken back by the process itself. Landlock (Linux 5.13) leaves some
folders to read and one to write in; a seccomp filter (x86-64 and ARM64) refuses sockets, new processes, other programs,
and signals to others; resource limits hold everywhere. Where the kernel has no Landlock or seccomp, `enclose` says so.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterable
from pathlib import Path

NO_NEW_PRIVILEGES, SECCOMP, SUBREAPER, DIE_WITH_PARENT = 38, 22, 36, 1  # what prctl calls them
REFUSED = {  # numbers of system calls: (x86-64, ARM64)
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),  # processes and threads
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "setsid": (112, 157),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "chroot": (161, 51),
    "shmget": (29, 194),
    "memfd_create": (319, 279),
    "mknodat": (259, 33),
    "chmod": (90, None),  # this and the next: Landlock lets them pass
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "alarm": (37, None),  # this and the next: a student's function would run in the middle of the check
    "setitimer": (38, 103),
    "timer_create": (222, 107),
}
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ERRNO, ALLOW = 0x00050000, 0x7FFF0000
READ = 1 << 0 | 1 << 2 | 1 << 3  # Landlock's rights: run a file, read it, list a folder
WRITES = sum(1 << bit for bit in (1, *range(4, 13)))
LATER_WRITES = ((2, 13), (3, 14))  # (version of Landlock, bit): move between folders, truncate
ON_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14
TINY = ("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_libc = ctypes.CDLL(None, use_errno=True)


def _instruction(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def seccomp_program(machine: str) -> bytes:
    """The filter's instructions for a machine; empty if the numbers of its system calls aren't known here.

    The numbers of another architecture (32-bit calls on 64 bits) are refused altogether.
    """
    if machine not in ARCHITECTURES:
        return b""
    column, architecture = ARCHITECTURES[machine]
    load, equal, at_least, done = 0x20, 0x15, 0x35, 0x06
    refuse, pass_on = _instruction(done, 0, 0, ERRNO | 1), _instruction(done, 0, 0, ALLOW)
    program = [_instruction(load, 0, 0, 4), _instruction(equal, 1, 0, architecture), refuse]
    program += [_instruction(load, 0, 0, 0), _instruction(at_least, 0, 1, 0x40000000), refuse]
    for number in filter(None, (numbers[column] for numbers in REFUSED.values())):
        program += [_instruction(equal, 0, 1, number), refuse]
    return b"".join([*program, pass_on])


def refuse_calls() -> bool:
    """Put the seccomp filter around this process for good; false if the kernel or the machine doesn't allow it."""
    program = seccomp_program(platform.machine()) if sys.platform == "linux" else b""
    if not program or _libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    return _libc.prctl(SECCOMP, 2, ctypes.create_string_buffer(header, len(header)), 0, 0) == 0


def _landlock(call: int, *arguments) -> int:
    return _libc.syscall(444 + call, *arguments)


def close_files(readable: Iterable[Path | str], writable: Path) -> bool:
    """Leave this process some files and folders to read, and one folder to write in; false without Landlock."""
    version = _landlock(0, None, 0, 1) if sys.platform == "linux" else -1
    if version < 1:
        return False
    writes = WRITES | sum(1 << bit for since, bit in LATER_WRITES if version >= since)
    handled = struct.pack("Q", READ | writes)
    rules = _landlock(0, ctypes.create_string_buffer(handled, 8), 8, 0)
    if rules < 0:
        return False
    allowed = [(path, READ) for path in readable] + [(writable, READ | writes)]
    for path, rights in allowed + [(path, 1 << 1 | 1 << 2) for path in TINY]:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        rights &= ~0 if os.path.isdir(path) else ON_FILES
        rule = struct.pack("=Qi", rights & (READ | writes), handle)
        _landlock(1, rules, 1, ctypes.create_string_buffer(rule, len(rule)), 0)
        os.close(handle)
    _libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    closed = _landlock(2, rules, 0) == 0
    os.close(rules)
    return closed


def limit(seconds: float, memory: int, file_size: int) -> None:
    """Limit this process: processor time (a last resort), bytes of memory beyond what it has, bytes of a file."""
    held = 0
    if Path("/proc/self/statm").exists():
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    wanted = {"CPU": int(seconds) + 5, "AS": held + memory, "FSIZE": file_size, "CORE": 0, "NOFILE": 256}
    for name, value in wanted.items():
        if name == "AS" and not held:
            continue  # on macOS, what a process has isn't told, and the limit isn't kept
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))


def enclose(readable: Iterable[Path | str], writable: Path) -> list[str]:
    """Build all walls; returns those that this kernel has, of ``"files"`` and ``"calls"``."""
    files = close_files(readable, writable)
    return ["files"] * files + ["calls"] * refuse_calls()


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends."""
    if sys.platform == "linux":
        _libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end, also of those that left the session."""
    if sys.platform == "linux":
        _libc.prctl(SUBREAPER, 1, 0, 0, 0)


def children(parent: int) -> list[int]:
    """The ids of a process's children; none where there is no ``/proc``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found += [int(path.parent.name)] * (int(fields[1]) == parent)
    return found


def end_all(seconds: float = 5.0) -> bool:
    """Kill all descendants of this process, which has adopted orphans; false if some still live after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for child in children(os.getpid()):
            os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        time.sleep(0.01)
    return False
