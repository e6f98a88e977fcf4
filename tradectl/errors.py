"""The errors an operator can meet, and the exit code each one ends in.

    TradectlError                     (never raised itself)
    ├── UsageError             3      the command line is wrong
    ├── ToolError              3      the tool itself failed; a bug of ours
    ├── ConfigError           78      the configuration cannot be used (carries every fault found)
    ├── NotAvailable          78      a mode or knob whose step is not built yet
    ├── Refused                2      we will not do that, and say why
    │   ├── StoreRefused       2      the store is not the one expected, or cannot be trusted
    │   │   ├── StoreMissing   2      there is no store at that path
    │   │   ├── StoreMismatch  2      stamped with another account, venue or environment
    │   │   ├── StoreTooNew    2      written by a newer tradectl
    │   │   ├── StoreDamaged   2      truncated, not a database, or the journal chain is broken
    │   │   └── StoreUnwritable 2     read-only medium, no space, no permission
    │   ├── EntryRefused       2      the fence, a latch or the lease forbids this entry
    │   └── KeyRefused         2      the venue does not accept the API key
    ├── Busy                  75      try again
    │   ├── StoreBusy         75      another process holds the store's lock for too long
    │   └── VenueUnreachable  75      the venue did not answer, or not completely
    │       ├── RateLimited   75      it asks to be left alone for a while
    │       └── NotUnderstood 75      it answered what it is not documented to answer
    └── LeaseHeld             79      another bot holds this account

One place catches them (`cli/main.py`), prints `what`, `where`, `why` and `hint`, and exits with the code.
Anything else that reaches that place is a bug: it is written to the log with its traceback, and the operator
sees one line and exit code 3.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell sees. `health` uses only 0 to 3."""

    OK = 0
    DRIFT = 1  # drift, warning, fenced but not verified
    REFUSED = 2  # refused, conflict, failure
    USAGE = 3  # bad usage, or the tool itself failed
    BUSY = 75  # the store is busy or the venue unreachable: try again
    CONFIG = 78  # configuration invalid
    LEASE = 79  # another bot holds this account


class TradectlError(Exception):
    """An error meant for an operator.

    what:  one sentence, what is wrong.
    where: the place in the operator's terms (`file:line:column`, a path, a symbol), or empty.
    why:   the reason behind it, or empty.
    hint:  what to do now, ideally a command to type, or empty.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint

    def lines(self) -> list[str]:
        """The message as plain lines: what first, then where, why and what to do."""
        rows = [self.what]
        for label, text in (("where", self.where), ("why", self.why), ("do", self.hint)):
            if text:
                rows.append(f"  {label}: {text}")
        return rows


class UsageError(TradectlError):
    exit_code = ExitCode.USAGE


class ToolError(TradectlError):
    exit_code = ExitCode.USAGE


class ConfigError(TradectlError):
    """The configuration cannot be used. `faults` holds every fault, each already located."""

    exit_code = ExitCode.CONFIG

    def __init__(
        self, what: str, *, where: str = "", why: str = "", hint: str = "", faults: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what, where=where, why=why, hint=hint)
        self.faults = faults

    def lines(self) -> list[str]:
        return [*super().lines(), *(f"  {fault}" for fault in self.faults)]


class NotAvailable(TradectlError):
    exit_code = ExitCode.CONFIG


class Refused(TradectlError):
    exit_code = ExitCode.REFUSED


class StoreRefused(Refused):
    pass


class StoreMissing(StoreRefused):
    pass


class StoreMismatch(StoreRefused):
    pass


class StoreTooNew(StoreRefused):
    pass


class StoreDamaged(StoreRefused):
    pass


class StoreUnwritable(StoreRefused):
    pass


class EntryRefused(Refused):
    """An intent was not recorded: `code` is the gate, latch or lease rule that forbade it."""

    def __init__(self, what: str, *, code: str, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, why=why, hint=hint)
        self.code = code


class KeyRefused(Refused):
    pass


class Busy(TradectlError):
    exit_code = ExitCode.BUSY


class StoreBusy(Busy):
    pass


class VenueUnreachable(Busy):
    pass


class RateLimited(VenueUnreachable):
    """Too many requests (429, 418). `retry_after_ms`: how long the venue asks to be left alone."""

    def __init__(self, what: str, *, retry_after_ms: int, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, why=why, hint=hint)
        self.retry_after_ms = retry_after_ms


class NotUnderstood(VenueUnreachable):
    pass


class LeaseHeld(TradectlError):
    exit_code = ExitCode.LEASE
