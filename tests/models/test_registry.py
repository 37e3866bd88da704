"""Names → classes, and a class → its settings."""

import subprocess
import sys
from typing import Literal

import pytest

from kwsbench.errors import UserError
from kwsbench.models import MODELS, model_class, settings_of


@pytest.mark.parametrize("name", MODELS)
def test_every_registered_name_is_a_model(name):
    cls = model_class(name)
    assert f"{cls.__module__}:{cls.__name__}" == MODELS[name]


def test_the_nearest_name_is_suggested():
    with pytest.raises(UserError, match=r"no model named 'gmm_hm'\n.*did you mean gmm_hmm\?") as caught:
        model_class("gmm_hm")
    assert all(name in str(caught.value) for name in MODELS)


def test_a_name_near_to_none_lists_them_all():
    with pytest.raises(UserError) as caught:
        model_class("transformer")
    assert "did you mean" not in str(caught.value) and "wavception" in str(caught.value)


MODEL_FILE = """
class Coin:
    def __init__(self, *, bias: float = 0.5) -> None:
        self.bias = bias
    def fit(self, train, validation, context): ...
    def scores(self, clips): ...
    def cost(self, clips): ...
    def save(self, folder): ...
    def load(self, folder): ...

class HalfACoin:
    def fit(self, train, validation, context): ...
    def scores(self, clips): ...
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    (tmp_path / "coins_of_mine.py").write_text(MODEL_FILE)
    (tmp_path / "needs_a_package.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("coins_of_mine", None)


def test_a_model_from_outside(outside):
    assert model_class("coins_of_mine:Coin").__name__ == "Coin"
    assert list(settings_of(model_class("coins_of_mine:Coin")).parameters) == ["bias"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coins_of_mine:Coim", "did you mean Coin"),
        ("coins_of_mine:HalfACoin", "lacks cost, save, load"),
        ("coins_of_mine:__name__", "is no class"),
        ("coins_of_mine:", "names no class"),
        ("coins_of_yours:Coin", "PYTHONPATH"),
        ("needs_a_package:Coin", "install the package no_such_package_at_all"),
    ],
)
def test_mistakes_from_outside_say_what_to_do(outside, name, message):
    with pytest.raises(UserError, match=message):
        model_class(name)


def test_settings_carry_types_and_defaults():
    class Plain:
        def __init__(self, *, size: int = 3, kind: Literal["a", "b"] = "b") -> None: ...

    size, kind = settings_of(Plain).parameters.values()
    assert (size.name, size.annotation, size.default) == ("size", int, 3)
    assert (kind.annotation, kind.default) == (Literal["a", "b"], "b")


def test_settings_that_a_recipe_cannot_give_are_refused():
    class Positional:
        def __init__(self, size: int = 3) -> None: ...

    class Untyped:
        def __init__(self, *, size=3) -> None: ...

    class Required:
        def __init__(self, *, size: int) -> None: ...

    for cls, problem in ((Positional, "keyword-only"), (Untyped, "no type"), (Required, "no default")):
        with pytest.raises(UserError, match=f"'size'.*{problem}"):
            settings_of(cls)


def test_naming_models_imports_nothing_heavy():
    code = (
        "import sys, kwsbench.models as m\n"
        "for name in m.MODELS: m.settings_of(m.model_class(name))\n"
        "heavy = {'torch', 'sklearn', 'hmmlearn', 'scipy', 'pandas', 'numba', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
