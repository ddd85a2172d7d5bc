"""What the tests of journals share: a store with one entry, and the file that counts as its journal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memshim import Store


@pytest.fixture
def store(store_dir: Path) -> Iterator[Store]:
    """A store in which ann has appended one note."""
    with Store.open(store_dir, agent="ann", session="s-1") as opened:
        opened.append("one")
        yield opened


@pytest.fixture
def registered(store: Store) -> Path:
    """The journal's registration, which is the name that counts."""
    return Path(store.layout.path("journals", "ann.log"))
