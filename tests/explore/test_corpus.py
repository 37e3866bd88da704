"""The command as a user gives it, and its page in a browser."""

import os
import re
import subprocess
import sys

import pandas as pd
import pytest


def explore(*arguments, data, cache):
    command = [sys.executable, "-m", "kwsbench", "explore", *map(str, arguments)]
    env = {**os.environ, "KWSBENCH_DATA": str(data), "KWSBENCH_CACHE": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)


@pytest.fixture(scope="module")
def explored(tone_tree, tmp_path_factory):
    """What the command printed about the tiny corpus, and the folder it wrote."""
    folder = tmp_path_factory.mktemp("explored")
    flags = ["--out", folder / "out", "--figures", "--audio"]
    heard = explore("speech_commands_v0.01", *flags, data=tone_tree.parent, cache=folder / "cache")
    assert heard.returncode == 0, heard.stderr
    done = explore("speech_commands_v0.01", *flags[:2], data=tone_tree.parent, cache=folder / "cache")
    assert done.returncode == 0, done.stderr
    return done, folder / "out"


def test_it_writes_a_page_tables_and_figures(explored):
    done, folder = explored
    findings = pd.read_csv(folder / "findings.csv")
    for part, finding in zip(findings["part"], findings["finding"], strict=True):
        assert f"{part}: {finding}" in done.stdout
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    assert len(list((folder / "figures").glob("*.svg"))) > 10
    for table in folder.glob("*.csv"):
        assert len(pd.read_csv(table).columns) > 1, table.name


def test_recordings_are_in_the_page_that_is_asked_for_them_alone(explored):
    _, folder = explored
    silent, heard = (folder / name for name in ("explore.html", "explore_audio.html"))
    assert "<audio" not in silent.read_text() and "data:audio" not in silent.read_text()
    assert "<audio" in heard.read_text()


@pytest.mark.parametrize("file", ["explore.html", "explore_audio.html"])
def test_the_page_in_a_browser(browser, explored, file):
    opened, said = browser.new_page(), []
    # what plotly draws with brings a hint on speed
    opened.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((explored[1] / file).as_uri())
    assert opened.locator("#findings dd p").count() > 8
    for link in opened.locator("nav a").all():
        target = link.get_attribute("href")
        assert opened.locator(f'[id="{target[1:]}"]').count() == 1, target
        assert opened.locator(f'[id="{target[1:]}"] h2').inner_text() == link.inner_text()
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    opened.emulate_media(color_scheme="dark")
    opened.emulate_media(media="print")
    assert said == []
    opened.close()


def test_it_says_how_to_repeat_it_without_places_of_this_machine(explored, tone_tree):
    page = (explored[1] / "explore.html").read_text()
    assert "python -m kwsbench explore speech_commands_v0.01 --seed 2017" in page
    assert str(tone_tree.parent) not in re.sub(r"data:[^\"]*", "", page)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fsddd"], "did you mean fsdd?"),
        (["fsdd"], "fsdd is not there"),
        (["folder", "--set", "pat=x"], "did you mean path?"),
        (["folder", "--set", "path=/nowhere/at/all"], "no folder /nowhere/at/all"),
    ],
)
def test_a_mistake_ends_with_two_and_says_what_to_do(arguments, said, tmp_path):
    done = explore(*arguments, "--out", tmp_path / "out", data=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
