from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Account, account


@pytest.fixture
def acct(tmp_path: Path) -> Iterator[Account]:
    """One account on disk: a store, and a stepped simulated exchange beside it."""
    made = account(tmp_path)
    yield made
    made.embedded.host.close()
