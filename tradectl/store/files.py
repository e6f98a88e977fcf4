"""Paths, durable files and processes, with nothing imported that the kill switch's fast path cannot afford.

Shared by the fence, the halt file, the pointers and the lease. Standard library only, and of that only `os`.
"""

# pathlib alone would cost as much as all the rest of the fence
# ruff: noqa: PTH110, PTH120

import os


def uri(path: str) -> str:
    """An SQLite URI that opens `path` read-write and never creates it."""
    quoted = os.path.realpath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode=rw"


def sync_folder(path: str) -> None:
    """Makes a created, renamed or removed name in the folder of `path` survive a power cut."""
    handle = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: str, text: str) -> bool:
    """Creates `path` (mode 0600) with `text`, durably; False, and untouched, when it is already there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    try:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path)
    return True


def read_text(path: str) -> str:
    handle = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(handle, 65536):
            parts.append(part)
    finally:
        os.close(handle)
    return b"".join(parts).decode("utf-8", "replace")


def process_start(pid: int) -> str:
    """What tells two processes of one pid apart: the start tick of a live process, '' where there is no /proc."""
    try:
        stat = read_text(f"/proc/{pid}/stat")
    except OSError:
        return ""
    # the command, in parentheses, may hold blanks and parentheses itself: fields are counted from its end
    fields = stat[stat.rfind(")") + 2 :].split()
    return "" if len(fields) < 20 or fields[0] == "Z" else fields[19]


def process_alive(pid: int, start: str) -> bool:
    """True while the process that had `start` (as of process_start; '' when unknown) still runs, stopped or not."""
    if pid <= 0:
        return False
    if os.path.exists("/proc/self/stat"):
        now = process_start(pid)
        return bool(now) and (not start or now == start)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
