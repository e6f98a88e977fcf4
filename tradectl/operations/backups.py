"""Where backups go when no place is named: `backups/` beside the store, named by time so that they sort."""

from __future__ import annotations

from pathlib import Path

from tradectl.domain.candle import utc_text

FOLDER = "backups"


def default_target(store: Path, now_ms: int, label: str = "") -> Path:
    """data/main-paper.db → data/backups/main-paper-20251010T211500.123Z.db (`label` goes before the suffix)."""
    stamp = utc_text(now_ms).replace("-", "").replace(":", "")
    return store.parent / FOLDER / f"{store.stem}-{stamp}{f'-{label}' if label else ''}{store.suffix}"


def newest(store: Path) -> str | None:
    """The newest backup of this store in the default place; None when there is none (elsewhere there may be)."""
    try:
        found = [
            path for path in (store.parent / FOLDER).iterdir()
            if path.name.startswith(f"{store.stem}-") and path.suffix == store.suffix
        ]  # fmt: skip
    except OSError:
        return None
    return str(max(found, key=lambda path: path.name)) if found else None
