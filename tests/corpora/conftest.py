from collections.abc import Callable, Iterable
from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path) -> Callable[..., Path]:
    """Make empty files below the test's folder: corpora list names and never open a recording."""

    def make(names: Iterable[str]) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make
