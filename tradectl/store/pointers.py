"""Pointer files: where the kill switch finds the store of a running bot without a configuration.

One per store that a bot runs on, under `$XDG_STATE_HOME/tradectl/` (default `~/.local/state/tradectl/`), as
`key=value` lines: account, venue, environment, path, pid, started. Standard library only: the fast path reads them.
"""

import os

from tradectl.store import files

_SUFFIX = ".bot"
_KEYS = ("account", "venue", "environment", "path", "pid", "started")


class Pointer:
    """One pointer. `started` tells a reused pid apart (files.process_start); `alive` is as of reading it."""

    __slots__ = ("account", "alive", "environment", "file", "path", "pid", "started", "venue")

    def __init__(self, file: str, values: dict[str, str]) -> None:
        self.file = file
        self.account = values["account"]
        self.venue = values["venue"]
        self.environment = values["environment"]
        self.path = values["path"]
        self.pid = int(values["pid"])
        self.started = values["started"]
        self.alive = files.process_alive(self.pid, self.started)


def folder() -> str:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "tradectl")


def write(*, account: str, venue: str, environment: str, path: str, pid: int = 0, started: str = "") -> str:
    """Leaves the pointer of this store, in the place of an older one; `pid` 0 is this process. Returns its path.

    Raises OSError: a bot without a pointer still runs, and says so.
    """
    pid = pid or os.getpid()
    store = os.path.realpath(path)
    values = (account, venue, environment, store, str(pid), started or files.process_start(pid))
    os.makedirs(folder(), mode=0o700, exist_ok=True)
    target = os.path.join(folder(), _name(account, environment, store))
    draft = f"{target}.{pid}"
    if os.path.exists(draft):
        os.unlink(draft)
    files.write_new(draft, "".join(f"{key}={value}\n" for key, value in zip(_KEYS, values, strict=True)))
    os.replace(draft, target)
    return target


def remove(pointer_path: str) -> None:
    """Removes a pointer when its bot ends; one that is gone already is well."""
    if os.path.exists(pointer_path):
        os.unlink(pointer_path)


def pointers() -> list[Pointer]:
    """Every readable pointer, by account and path. A broken one counts as none: `--state` names its store."""
    try:
        names = sorted(os.listdir(folder()))
    except OSError:
        return []
    found = []
    for name in names:
        if name.endswith(_SUFFIX):
            pointer = _read(os.path.join(folder(), name))
            if pointer is not None:
                found.append(pointer)
    found.sort(key=lambda pointer: (pointer.account, pointer.path))
    return found


def choose(account: str = "") -> list[Pointer]:
    """The stores an operator means who names none (or only an account): the bots that run.

    Where none runs: the last one, if there is only one. Empty: nobody can tell from here.
    """
    known = [pointer for pointer in pointers() if not account or pointer.account == account]
    live = [pointer for pointer in known if pointer.alive]
    return live or (known if len(known) == 1 else [])


def _read(path: str) -> Pointer | None:
    try:
        lines = files.read_text(path).splitlines()
        return Pointer(path, dict(line.split("=", 1) for line in lines if "=" in line))
    except (OSError, KeyError, ValueError):
        return None


def _name(account: str, environment: str, store: str) -> str:
    # told apart by the store's path; any fixed checksum will do, the name is only read by people
    number = 0
    for char in store:
        number = (number * 31 + ord(char)) % 0x100000000
    safe = "".join(char if char.isalnum() or char in "-_" else "_" for char in f"{account}-{environment}")
    return f"{safe}-{number:08x}{_SUFFIX}"
