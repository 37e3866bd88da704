"""The command line: quick, light, and clear about mistakes."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numba", "sklearn", "matplotlib")


def run(*arguments: str, cwd=None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60)


@pytest.mark.parametrize(
    "statement", ["import kwsbench", "import kwsbench.cli", "import kwsbench.recipe, kwsbench.study"]
)
def test_imports_pull_in_nothing_heavy(statement):
    done = run("-c", f"import sys; {statement}; print([m for m in {HEAVY} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_help_pulls_in_neither_pandas_nor_numpy():
    code = (
        "import sys\nfrom kwsbench.cli import app\nsys.argv = ['kwsbench', '--help']\n"
        "try:\n    app()\nexcept SystemExit:\n    print([m for m in ('numpy', 'pandas', 'torch') if m in sys.modules])"
    )
    assert run("-c", code).stdout.strip().endswith("[]")


def test_checking_a_recipe_pulls_in_nothing_heavy(repository):
    code = (
        "import sys\nfrom kwsbench.cli import app\nsys.argv = ['kwsbench', 'check', 'recipes/all.yaml']\n"
        f"try:\n    app()\nexcept SystemExit:\n    print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = run("-c", code, cwd=repository)
    assert done.stdout.strip().endswith("[]"), done.stderr


def test_every_recipe_checks(repository):
    for path in sorted((repository / "recipes").glob("*.yaml")):
        done = run("-m", "kwsbench", "check", str(path))
        assert done.returncode == 0, done.stderr
        assert path.read_text().startswith("# "), f"{path.name} says at its top what it asks and how long it takes"


def test_a_mistake_ends_with_two_and_no_traceback(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("corpora: synthetic\nsplits: hash\nlabels: kws12\nmodels:\n  light_cnm: {}\n")
    done = run("-m", "kwsbench", "run", str(path))
    assert done.returncode == 2
    assert "broken.yaml:5" in done.stderr
    assert "light_cnn" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("device", "said"), [("cuda", "sees no GPU"), ("gpu", "one of auto, cpu, cuda")])
def test_a_device_that_is_not_there(device, said, repository, tmp_path):
    path = repository / "recipes" / "all.yaml"
    statement = "import torch; torch.cuda.is_available = lambda: False; from kwsbench.cli import main; main()"
    done = run("-c", statement, "run", str(path), "--device", device, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.rglob("cells"))


@pytest.mark.parametrize("what", ["models", "corpora", "recipes"])
def test_list_names_what_there_is(what, repository):
    done = run("-m", "kwsbench", "list", what, cwd=repository)
    assert done.returncode == 0, done.stderr
    expected = {"models": "wavception", "corpora": "speech_commands", "recipes": "all"}[what]
    assert expected in done.stdout


def test_absent_corpus_says_how_to_get_it(tmp_path, repository):
    done = run(
        "-m", "kwsbench", "run", str(repository / "recipes/speech_commands.yaml"), "--data", str(tmp_path), cwd=tmp_path
    )
    assert done.returncode == 2
    assert "kwsbench data fetch speech_commands_v0.01" in done.stderr


def test_version():
    from kwsbench import __version__

    assert run("-m", "kwsbench", "--version").stdout.strip() == f"kwsbench {__version__}"
