"""Is this store whole? SQLite's own checks, the journal's chain, the ledger's totals, the schema, the file mode."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tradectl.domain.fill import FillKind
from tradectl.domain.money import ZERO, dec
from tradectl.errors import TradectlError
from tradectl.store import journal, ledger, migrations
from tradectl.store.database import Database
from tradectl.store.identity import Identity


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """`identity` and `size_bytes` are None and 0 when the file could not be opened at all."""

    path: str
    identity: Identity | None
    size_bytes: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.ok)


def verify(path: Path | str, lock_wait_ms: int = 2_000) -> VerifyReport:
    """Runs every check that can still run, on one consistent picture. Changes nothing.

    A file that cannot be opened as a store is a report with one failed check; StoreMissing and StoreBusy are raised,
    because then there was nothing to look at.
    """
    try:
        db = Database.open(path, expect=None, lock_wait_ms=lock_wait_ms, readonly=True)
    except TradectlError as error:
        if error.exit_code != error.exit_code.REFUSED or type(error).__name__ == "StoreMissing":
            raise
        return VerifyReport(
            str(path), None, 0, (Check("opens", False, "; ".join(filter(None, (error.what, error.why)))),)
        )
    with db:
        checks = [_file_mode(db.path)]
        try:
            with db.read() as conn:
                checks += [
                    _integrity(conn),
                    _foreign_keys(conn),
                    _schema(conn),
                    _strict(db),
                    _journal_mode(conn),
                    _chain(conn),
                    _totals(conn),
                ]
        except sqlite3.Error as error:
            checks.append(Check("readable", False, str(error)))
        except TradectlError as error:
            if error.exit_code != error.exit_code.REFUSED:
                raise
            checks.append(Check("readable", False, f"{error.what}: {error.why}"))
        return VerifyReport(str(db.path), db.identity, db.path.stat().st_size, tuple(checks))


def _file_mode(path: Path) -> Check:
    mode = path.stat().st_mode & 0o777
    return Check("file mode", mode == 0o600, f"{mode:04o}" if mode == 0o600 else f"{mode:04o}: chmod 600 {path}")


def _integrity(conn: sqlite3.Connection) -> Check:
    rows = [str(row[0]) for row in conn.execute("PRAGMA integrity_check(10)").fetchall()]
    return Check("integrity", rows == ["ok"], "; ".join(rows))


def _foreign_keys(conn: sqlite3.Connection) -> Check:
    rows = conn.execute("PRAGMA foreign_key_check").fetchall()
    return Check("foreign keys", not rows, f"{len(rows)} broken" if rows else "ok")


def _schema(conn: sqlite3.Connection) -> Check:
    recorded = [(version, name) for version, name, _ in migrations.applied(conn)]
    wanted = [(step.version, step.name) for step in migrations.MIGRATIONS]
    version = migrations.version_of(conn)
    ok = recorded == wanted and version == migrations.CURRENT_VERSION
    return Check("schema", ok, f"version {version}" if ok else f"version {version}, recorded steps {recorded}")


def _strict(db: Database) -> Check:
    loose = [table.name for table in db.utils.tables if not table.strict and not table.name.startswith("sqlite_")]
    triggers = {trigger.name for trigger in db.utils.triggers}
    missing = {"journal_rows_never_change", "journal_rows_never_go"} - triggers
    problems = [f"not strict: {', '.join(loose)}"] * bool(loose) + [f"missing: {name}" for name in sorted(missing)]
    return Check("tables", not problems, "; ".join(problems) or "strict, journal append-only")


def _journal_mode(conn: sqlite3.Connection) -> Check:
    mode = str(conn.execute("PRAGMA journal_mode").fetchone()[0])
    return Check("journal mode", mode == "delete", f"{mode} (SQLite {sqlite3.sqlite_version})")


def _chain(conn: sqlite3.Connection) -> Check:
    report = journal.verify(conn)
    return Check("journal chain", report.ok, f"{report.rows} rows" if report.ok else report.why)


def _totals(conn: sqlite3.Connection) -> Check:
    try:
        return _compare_totals(conn)
    except ValueError as error:  # a column that holds no number
        return Check("ledger totals", False, str(error))


def _compare_totals(conn: sqlite3.Connection) -> Check:
    kept = ledger.totals(conn)
    gross = fees = funding = ZERO
    fills = 0
    for realised, fee, kind in conn.execute("SELECT realised, fee, kind FROM fills").fetchall():
        gross, fees = gross + dec(realised), fees + dec(fee)
        fills += not FillKind(kind).invented  # the totals count what the venue has booked
    for (amount,) in conn.execute("SELECT amount FROM funding").fetchall():
        funding += dec(amount)
    trades = int(conn.execute("SELECT count(*) FROM trades").fetchone()[0])
    summed = ledger.LedgerTotals(gross, fees, funding, fills, trades)
    return Check("ledger totals", kept == summed, "ok" if kept == summed else f"kept {kept}, summed {summed}")
