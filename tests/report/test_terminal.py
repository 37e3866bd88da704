"""The table on a terminal and in a pipe."""

import io

import pytest

from kwsbench.report import terminal_report, write_report
from kwsbench.report.terminal import WIDTH


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(made, stream=None) -> str:
    stream = stream or io.StringIO()
    report = write_report("study", {}, made.records, made.predictions, lambda name, content: None)
    terminal_report(report, stream)
    return stream.getvalue()


def test_a_pipe_gets_plain_aligned_text(made):
    made.add("majority", 0.1, corpus="synthetic")
    made.add("light_cnn", 0.9, corpus="synthetic")
    text = printed(made)
    lines = text.splitlines()
    assert "\x1b" not in text and max(map(len, lines)) <= WIDTH
    assert "(synthetic speech)" in " ".join(lines[:2])
    head = next(i for i, line in enumerate(lines) if line.startswith("model"))
    rows = lines[head + 2 : head + 4]
    assert [row.split()[0] for row in rows] == ["majority", "light_cnn"]
    assert rows[0].index("314 k") == rows[1].index("314 k") == lines[head].index("params") + 1
    assert "[" in rows[1] and "7.2 M" in rows[1]
    assert " 1. Corpus synthetic" in text


@pytest.mark.parametrize("length", [10, 40, 90, 200])
def test_it_fits_whatever_the_names(made, length):
    setting = ", ".join(f"setting{i}={i}" for i in range(30))[:length]
    for seed in (0, 1):
        made.add("wavception", setting=setting, seed=seed, corpus="speech_commands_v0.01" * 3)
        made.add("gmm", seed=seed, status="out-of-memory", corpus="speech_commands_v0.01" * 3)
    text = printed(made)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "out-of-memory (2 of 2)" in text and "accuracy" in text
    assert all(word in text for word in setting.split(", "))


def test_a_terminal_gets_colours_and_its_own_width(made, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "70")
    made.add("gmm")
    made.add("cnn", status="failed", reason="[bold]boom[/bold]")
    text = printed(made, Terminal())
    assert "\x1b[" in text and "[bold]boom[/bold]" in text
    table = [line for line in text.splitlines() if "gmm" in line or "─" in line]
    assert all(len(line) <= 70 + 12 for line in table) and "MACs" not in text.split("[bold]")[0].split("1. ")[0]
