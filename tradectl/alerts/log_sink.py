"""The log sink: drains the outbox as `ALERT[type]: sentence | context={…}` lines. It is always there.

An alert is marked delivered after its line was written; a crash between the two delivers it again, never not at all.
One per type and symbol in `per_type_seconds` unless urgent; what was held back is counted in the next one.
"""

from __future__ import annotations

import json

from tradectl import logs
from tradectl.store import outbox
from tradectl.store.database import Database

_log = logs.get("alerts")
BATCH = 200


class LogSink:
    def __init__(self, db: Database, per_type_seconds: int) -> None:
        self._db = db
        self._quiet_ms = per_type_seconds * 1000
        self._last_ms: dict[tuple[str, str], int] = {}
        self._held: dict[tuple[str, str], int] = {}

    def drain(self, now_ms: int) -> int:
        """Writes every pending alert; returns how many rows left the outbox."""
        with self._db.read() as conn:
            rows = outbox.pending(conn, BATCH)
        if not rows:
            return 0
        for row in rows:
            self._write(row)
        with self._db.transaction() as conn:
            outbox.delivered(conn, [row.id for row in rows], now_ms)
        return len(rows)

    def _write(self, row: outbox.Alert) -> None:
        key = (row.type, row.symbol)
        last = self._last_ms.get(key)
        if not row.urgent and last is not None and row.at_ms - last < self._quiet_ms:
            self._held[key] = self._held.get(key, 0) + 1
            return
        held = self._held.pop(key, 0)
        self._last_ms[key] = row.at_ms
        sentence = f"{row.text} (and {held} more since the last)" if held else row.text
        context = json.dumps(row.context, ensure_ascii=False, sort_keys=True)
        _log.alert(row.type, sentence, context, urgent=row.urgent)
