from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import store_v1
from store_kit import create

from tradectl.store.database import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create(tmp_path)
    yield database
    database.close()


@pytest.fixture(scope="session")
def of_first_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, and only copied."""
    return store_v1.create_full(tmp_path_factory.mktemp("v1") / "store.db")


@pytest.fixture
def old(of_first_schema: Path, tmp_path: Path) -> Path:
    """A store of the first schema with rows in every table."""
    path = tmp_path / "store.db"
    shutil.copy(of_first_schema, path)
    return path
