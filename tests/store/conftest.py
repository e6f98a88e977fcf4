from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_kit import create

from tradectl.store.database import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create(tmp_path)
    yield database
    database.close()
