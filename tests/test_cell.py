"""A cell by itself: what it needs to be there."""

import subprocess
import sys
import textwrap

NEEDLESS = "hmmlearn jinja2 joblib matplotlib numba pooch rich safetensors sklearn typer webrtcvad"


def test_a_neural_cell_needs_few_packages(tone_tree, tmp_path):
    """numpy, pandas, torch, soundfile; psutil on a CPU, scipy to resample: what machines with a GPU tend to have."""
    (tmp_path / "study.yaml").write_text(
        "corpora: speech_commands_v0.01\nsplits: {scheme: speakers, folds: 2}\nlabels: all\n"
        "models:\n  light_cnn: {epochs: 1}\n"
    )
    program = f"""
        import sys
        from pathlib import Path
        from kwsbench.cell import Places, run_cell
        from kwsbench.recipe import load_recipe
        from kwsbench.study import expand

        if __name__ == "__main__":
            (cell,) = expand(load_recipe(Path("study.yaml"))).cells
            places = Places(Path({str(tone_tree.parent)!r}), Path("cache"))
            outcome = run_cell(cell.with_fold("speakers/1-of-2"), places, device="cpu", threads=1)
            assert 0 < outcome.record["int8"]["bytes"] < outcome.record["cost"]["bytes"]
            assert 0 <= outcome.record["int8"]["accuracy"] <= 1 and outcome.record["cost"]["params"] > 0
            print([name for name in {NEEDLESS!r}.split() if name in sys.modules])
    """
    (tmp_path / "one.py").write_text(textwrap.dedent(program))
    done = subprocess.run([sys.executable, "one.py"], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.stdout == "[]\n", done.stdout + done.stderr
