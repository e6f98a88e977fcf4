"""The kill switch's first act, before anything else is imported: the latch is committed, or a halt file left.

Standard library only, and of that only what is cheap: this module's whole import closure is asserted in the tests.
It never creates a store, it never asks, and what it does not recognise on the command line it leaves to typer.
Promise 2: whoever records an entry afterwards finds the latch, or the halt file, inside its own transaction.
"""

import os
import sys
import time

try:
    import _sqlite3 as sqlite  # sqlite3 itself also imports datetime
except ImportError:
    import sqlite3 as sqlite  # type: ignore[no-redef]

from tradectl.store import chain, files, guard, halt, pointers
from tradectl.store.actor import operator_name

BOUND_MS = 2_000  # to write the latch; then the halt file
_STEP_MS = 5  # SQLite backs off within its own wait, and is deaf: a short step gets the lock, and hears Ctrl-C
INTERRUPTED = "interrupted before the latch was written"
LATCH = "kill_switch"
NO_REASON = "operator's kill switch"
APPLICATION_ID = 0x74646374  # of schema_v1, asserted equal in the tests
SCHEMA_VERSION = 3
_FLAGS = ("--flatten", "--yes", "-y", "--json", "--no-color", "-v", "-vv", "-vvv", "--verbose")
_VALUES = ("--state", "--account", "--reason", "--config")


class FenceResult:
    """What became of one store. `how` is 'latch', 'halt_file' or 'none' (not fenced, `why` says why).

    `at_ms`, `by` and `reason` are those of the latch that stands: an older one's where `already` is true.
    `guard` says that the newest session is a guard session: then what stands here stops nobody else's entries.
    `strange` says that the file is no readable store: a fence beside it may be beside the wrong file.
    `interrupted`: Ctrl-C was pressed; the fence came first all the same.
    """

    __slots__ = (
        "account", "already", "at_ms", "by", "environment", "guard", "how", "interrupted", "path", "reason", "strange",
        "venue", "why",
    )  # fmt: skip

    def __init__(self, path: str, by: str, at_ms: int, reason: str) -> None:
        self.path = path
        self.account = self.venue = self.environment = ""
        self.how = "none"
        self.already = False
        self.by = by
        self.at_ms = at_ms
        self.reason = reason
        self.why = ""
        self.guard = False
        self.strange = False
        self.interrupted = False

    @property
    def fenced(self) -> bool:
        """Whether latch or halt file stands; where `guard`, that fences nobody else."""
        return self.how != "none"

    def line(self) -> str:
        """One line for the operator: what, whose, where; a second one where it may be the wrong file."""
        known = f"{self.account} · {self.venue} · {self.environment} · " if self.account else ""
        since = f"{_utc(self.at_ms)} by {self.by}: {_one_line(self.reason)}"
        if self.how == "latch":
            was = "already set" if self.already else "set"
            if self.guard:
                return f"NOT FENCED {known}{self.path}  ({guard.NOT_FENCED}; latch {LATCH} {was} {since})"
            return f"FENCED {known}{self.path}  (latch {LATCH} {was} {since})"
        if self.how == "halt_file":
            was = "was there already" if self.already else f"left {since}"
            word = f"NOT FENCED ({guard.NOT_FENCED}), HALT FILE" if self.guard else "FENCED BY HALT FILE"
            said = f"{word} {known}{halt.halt_path(self.path)}  ({was}; the store: {self.why})"
            return f"{said}\n{doubt}" if (doubt := self.doubt()) else said
        return f"NOT FENCED{': interrupted' if self.interrupted else ''} {known}{self.path}  ({self.why})"

    def doubt(self) -> str:
        """Of a file that is no readable store, and that no bot is known by: which stores of bots are known here."""
        known = pointers.pointers() if self.strange else []
        if not self.strange or any(pointer.path == self.path for pointer in known):
            return ""
        named = [f"{one.path} ({'runs' if one.alive else 'was killed'})" for one in known]
        others = f"bots known here: {', '.join(named)}" if named else "no other bot is known here"
        return f"NO BOT MAY BE FENCED BY THIS: {self.path} is not a readable store: is it your bot's? {others}"


class FenceReport:
    """What the fast path did and how the command line reads: the command goes on from here, never from the start."""

    __slots__ = ("account", "as_json", "flatten", "reason", "results", "state", "yes")

    def __init__(self, options: dict[str, str]) -> None:
        self.results: list[FenceResult] = []
        self.state = options.get("--state", "")
        self.account = options.get("--account", "")
        self.reason = options.get("--reason", "")
        self.flatten = "--flatten" in options
        self.yes = "--yes" in options or "-y" in options
        self.as_json = "--json" in options

    @property
    def fenced(self) -> bool:
        return bool(self.results) and all(result.fenced for result in self.results)

    @property
    def interrupted(self) -> bool:
        return any(result.interrupted for result in self.results)


REPORT: FenceReport | None = None
who = operator_name  # the commands name the operator by the same rule


def fast_path(argv: list[str]) -> FenceReport | None:
    """Fences if `argv` (without the program's name) is a `killswitch activate` that can be read without a doubt.

    None: nothing was done and nothing printed; typer reads the line. Otherwise the report, also kept in REPORT.
    """
    global REPORT
    options = parse(argv)
    if options is None:
        return None
    report = FenceReport(options)
    paths = _paths(report)
    if not paths:
        return None
    by = who()
    reason = report.reason or NO_REASON
    # with several stores, one that is locked must not keep the others waiting for their fence
    waiting = paths if len(paths) == 1 else [path for path in paths if not _at_once(report, path, by, reason)]
    for path in waiting:
        wait_ms = 0 if report.interrupted else BOUND_MS
        report.results.append(fence(path, by=by, reason=reason, wait_ms=wait_ms, account=report.account))
    REPORT = report
    for result in report.results if report.interrupted or not report.as_json else ():
        aside = report.as_json or result.how != "latch"
        print(result.line(), file=sys.stderr if aside else sys.stdout, flush=True)
    return report


def parse(argv: list[str]) -> dict[str, str] | None:
    """The options of a `killswitch activate`, by name ('' for a flag); None for anything else or in any doubt."""
    options: dict[str, str] = {}
    words = []
    place = 0
    while place < len(argv):
        token = argv[place]
        place += 1
        name, equals, value = token.partition("=")
        if name in _VALUES:
            if not equals:
                if place == len(argv):
                    return None
                value = argv[place]
                place += 1
            if (name in options and name != "--config") or not value or value in ("-h", "--help"):
                return None
            options[name] = value
        elif token in _FLAGS:
            options[token] = ""
        elif token.startswith("-"):
            return None
        else:
            words.append(token)
    if words != ["killswitch", "activate"]:
        return None
    # a configuration says which store is meant, unless the line itself does: reading it is the slow path's work
    return None if "--config" in options and "--state" not in options else options


def fence(
    path: str, *, by: str, reason: str, wait_ms: int = BOUND_MS, account: str = "", halt_file: bool = True
) -> FenceResult:
    """Sets the kill-switch latch of one store within `wait_ms`, else leaves a halt file. Never raises, never creates.

    `account`, when given, must be the store's own. `halt_file=False` only tries the latch. Ctrl-C ends the wait: the
    halt file is left at once, and `interrupted` says so. A second one ends the rest.
    """
    result = FenceResult(os.path.realpath(path), _clean(by), time.time_ns() // 1_000_000, _clean(reason))
    if not os.path.isfile(result.path):
        result.why = "there is no store at this path, and the kill switch never creates one"
        return result
    try:
        trouble = _set_latch(result, wait_ms, account)
    except KeyboardInterrupt:
        result.interrupted, trouble = True, "" if result.how == "latch" else INTERRUPTED
    if trouble and halt_file and not result.why:
        result.why = trouble
        _leave_halt_file_first(result)
    elif trouble:
        result.why = result.why or trouble
    return result


def by_halt_file(path: str, *, by: str, reason: str, why: str) -> FenceResult:
    """Leaves a halt file beside a store that is known not to be writable (`why`)."""
    result = FenceResult(os.path.realpath(path), _clean(by), time.time_ns() // 1_000_000, _clean(reason))
    result.why = why
    _leave_halt_file(result)
    return result


def _leave_halt_file_first(result: FenceResult) -> None:
    """Once more after a Ctrl-C that comes only now; the second one ends it, and what is there then is said."""
    for _ in range(2):
        try:
            _leave_halt_file(result)
            return
        except KeyboardInterrupt:
            again, result.interrupted = result.interrupted, True
            if again:
                break
    if halt.read(result.path) is not None:
        result.how = "halt_file"


def _paths(report: FenceReport) -> list[str]:
    if report.state:
        return [report.state]
    named = os.environ.get("TRADECTL_STATE", "")
    if named and not report.account:
        return [named]
    found = [pointer.path for pointer in pointers.choose(report.account)]
    return found or ([named] if named else [])


def _at_once(report: FenceReport, path: str, by: str, reason: str) -> bool:
    result = fence(path, by=by, reason=reason, wait_ms=0, account=report.account, halt_file=report.interrupted)
    if result.fenced or result.interrupted:
        report.results.append(result)
    return result.fenced


def _set_latch(result: FenceResult, wait_ms: int, account: str) -> str:
    """'' when the latch stands; else why not. `result.why` is filled where a halt file must not be left either."""
    end_ns = time.monotonic_ns() + wait_ms * 1_000_000
    conn = None
    try:
        conn = sqlite.connect(files.uri(result.path), uri=True, timeout=0, isolation_level=None)
        _patiently(conn, "PRAGMA synchronous = EXTRA", end_ns)
        known = _patiently(conn, "PRAGMA application_id", end_ns).fetchone()[0]
        version = _patiently(conn, "PRAGMA user_version", end_ns).fetchone()[0]
        if known == 0 and version == 0:
            result.strange = True
            return "it is empty or was never finished"
        if known != APPLICATION_ID:
            result.why = "this is not a tradectl store but another program's database"
            return result.why
        _read_identity(result, conn, end_ns)
        _read_session(result, conn, end_ns)
        if account and result.account and account != result.account:
            result.why = f"the store belongs to account {result.account!r}, not {account!r}"
            return result.why
        if version > SCHEMA_VERSION:
            return f"it was written by a newer tradectl (schema {version})"
        _patiently(conn, "BEGIN IMMEDIATE", end_ns)
        fresh = chain.set_latch(conn, LATCH, "", result.by, result.at_ms, result.reason)
        if not fresh:
            result.already = True
            result.by, result.at_ms, result.reason = conn.execute(
                "SELECT set_by, set_at_ms, reason FROM latches WHERE name = ? AND scope = ''", (LATCH,)
            ).fetchone()
        _patiently(conn, "COMMIT", end_ns)
        result.how = "latch"
        return ""
    except (sqlite.Error, TypeError) as error:  # TypeError: a row that every store has is missing
        result.strange = not result.account and "lock" not in str(error)
        return f"{error} (waited up to {wait_ms / 1000:g} s)" if "lock" in str(error) else str(error)
    finally:
        if conn is not None:
            conn.close()  # rolls back what was not committed


def _read_identity(result: FenceResult, conn: "sqlite.Connection", end_ns: int) -> None:
    row = _patiently(conn, "SELECT account, venue, environment FROM identity WHERE id = 1", end_ns).fetchone()
    result.account, result.venue, result.environment = row


def _read_session(result: FenceResult, conn: "sqlite.Connection", end_ns: int) -> None:
    """Only for the words: what is wrong with it keeps nothing from the fence."""
    try:
        row = _patiently(conn, "SELECT mode FROM sessions ORDER BY number DESC LIMIT 1", end_ns).fetchone()
    except sqlite.Error:
        return
    result.guard = row is not None and guard.is_guard(row[0])


def _patiently(conn: "sqlite.Connection", sql: str, end_ns: int) -> "sqlite.Cursor":
    """Waits for the lock until `end_ns`, step by step."""
    while True:
        left_ms = max((end_ns - time.monotonic_ns()) // 1_000_000, 0)
        conn.execute(f"PRAGMA busy_timeout = {min(left_ms, _STEP_MS):d}")
        try:
            return conn.execute(sql)
        except sqlite.OperationalError as error:
            if left_ms <= _STEP_MS or "lock" not in str(error):
                raise


def _leave_halt_file(result: FenceResult) -> None:
    text = (
        f"kill switch: {_one_line(result.reason)}\nby={_one_line(result.by)}\nat={_utc(result.at_ms)}\n"
        f"at_ms={result.at_ms}\nstore={result.path}\nbecause={_one_line(result.why)}\n"
    )
    before = halt.read(result.path) is not None
    try:
        result.already = not halt.write(result.path, text)
    except OSError as error:
        # a name that is taken by something unreadable halts as well, and so does an empty file on a full disk
        if halt.read(result.path) is None:
            result.why += f"; and no halt file can be left beside it: {error.strerror}"
            return
        result.why += f"; the halt file could not be written whole: {error.strerror}"
        result.already = before
    result.how = "halt_file"


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: bytes of the command line that it cannot are shown as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _utc(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))
