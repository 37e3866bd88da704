"""What README promises: its model runs as written, its links lead somewhere, its recipes are all of them."""

import os
import re
import shutil
import subprocess
import sys

import pandas as pd


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_example_model_runs_as_written(repository, tmp_path, tone_tree):
    code = blocks((repository / "README.md").read_text(), "python")[0]
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "my_models.py").write_text(code)
    (tmp_path / "beside" / "mine.yaml").write_text(
        "corpora: speech_commands_v0.01\nsplits: {scheme: speakers, folds: 2}\nlabels: all\n"
        'models:\n  majority: {}\n  nearest: {model: "my_models:Nearest"}\n'
    )
    table = table_of(tmp_path, "run", "beside/mine.yaml", "--data", tone_tree.parent)
    assert table.loc["nearest", "accuracy"] > table.loc["majority", "accuracy"] + 0.3


def test_a_folder_of_ones_own_runs_as_written(repository, tmp_path, tone_tree):
    mine = tmp_path / "my recordings"
    shutil.copytree(tone_tree, mine)
    paths = [path.relative_to(mine) for path in sorted(mine.glob("*/*_nohash_*.wav"))]
    rows = [(path.as_posix(), path.parent.name, path.name.split("_")[0]) for path in paths]
    pd.DataFrame(rows, columns=["path", "word", "speaker"]).to_csv(mine / "manifest.csv", index=False)
    recipe = next(block for block in blocks((repository / "README.md").read_text(), "yaml") if "mine.yaml" in block)
    (tmp_path / "mine.yaml").write_text(recipe.replace("/where/my/recordings/are", str(mine)))
    table = table_of(tmp_path, "run", "mine.yaml", "--set", "models.light_cnn.epochs=1", "--set", "splits.folds=2")
    assert list(table.index) == ["majority", "gmm_hmm", "light_cnn"] and set(table["status"]) == {"ok"}
    assert table.loc["gmm_hmm", "n_test"] == len(rows)


def table_of(folder, *command) -> pd.DataFrame:
    """The table of the study "mine" after a command in ``folder``."""
    environment = os.environ | {"KWSBENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "kwsbench", *map(str, command)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return pd.read_csv(folder / "results/mine/table.csv").set_index("model")


def test_links_lead_somewhere(repository):
    for page in ("README.md", "docs/design.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (repository / page).read_text()):
            if "://" not in target:
                assert (repository / page).parent.joinpath(target).exists(), f"{page} → {target}"


def test_every_recipe_is_listed(repository):
    text = (repository / "README.md").read_text()
    for path in (repository / "recipes").glob("*.yaml"):
        assert f"(recipes/{path.name})" in text


def test_tables_say_what_results_say(repository):
    stored, compared = {}, 0
    for part in (repository / "README.md").read_text().split("\n\n"):
        if part.startswith("| model |"):
            for row in rows_of(part):
                own = stored.get(row["model"], {})
                same = [name for name in row if name in own]
                assert {name: row[name] for name in same} == {name: own[name] for name in same}
                compared += len(same) > 1
        elif found := re.findall(r"\((results/\w+/table\.md)\)", part):
            stored = {row["model"]: row for row in rows_of((repository / found[-1]).read_text())}
    assert compared > 60


def rows_of(text: str) -> list[dict[str, str]]:
    """Rows of the first table of Markdown whose columns begin with the model: column → cell."""
    table = text[text.index("| model |") :].split("\n\n")[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [dict(zip(head, row, strict=True)) for row in rows]
