"""A toy model and toy corpora that recipes can name, and a recipe file to write."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from kwsbench.corpora import CORPORA
from kwsbench.errors import UserError
from kwsbench.models import MODELS
from kwsbench.recipe import load_recipe

TOYS = '''
from typing import ClassVar, Literal, Optional, Union

class Toy:
    """A model with a setting of every type."""

    frontend: ClassVar[dict] = {"kind": "mfcc", "rate": 8000}

    def __init__(self, *, size: int = 8, rate_of_learning: float = 0.5, name: str = "a", fast: bool = False,
                 start: Literal["equal", "kmeans"] = "equal", deltas: Literal[0, 1, 2] = 0,
                 widths: tuple[int, ...] = (1, 2), pair: tuple[int, str] = (1, "x"), floor: Optional[float] = None,
                 many: "Union[int, tuple[int, ...]]" = 1, blocks: tuple[tuple[int, ...], ...] = ()) -> None:
        if size < 1:
            raise ValueError(f"size {size}: expected 1 or more")

    def fit(self, train, validation, context): ...
    def scores(self, clips): ...
    def cost(self, clips): ...
    def save(self, folder): ...
    def load(self, folder): ...

class Strange(Toy):
    frontend: ClassVar[dict] = {"kindd": "mfcc"}

def load(root, *, progress=None, manifest: str, takes: int = 2):
    """A toy corpus."""

def load_plain(root, *, progress=None):
    """A corpus without settings."""
'''


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A model ``toy``, corpora ``toys`` (one setting required) and ``plain`` (none), known by name."""
    folder = tmp_path_factory.mktemp("toys")
    (folder / "kws_toys.py").write_text(TOYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setitem(MODELS, "toy", "kws_toys:Toy")
        patch.setitem(CORPORA, "toys", "kws_toys:load")
        patch.setitem(CORPORA, "plain", "kws_toys:load_plain")
        yield folder


@pytest.fixture
def write(tmp_path, toys, monkeypatch):
    """Writes a recipe and gives its path, short because relative; ``plain`` is its corpus unless it names one."""
    monkeypatch.chdir(tmp_path)

    def writing(text: str, name: str = "r.yaml") -> Path:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return Path(name)

    return writing


@pytest.fixture
def mistakes() -> Callable[..., list[str]]:
    """The lines of the message with which ``load_recipe`` refuses a recipe."""

    def refused(path: Path, **arguments) -> list[str]:
        with pytest.raises(UserError) as caught:
            load_recipe(path, **arguments)
        return str(caught.value).splitlines()

    return refused
