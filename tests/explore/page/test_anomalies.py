import sys

import pytest

from kwsbench.explore.material import Material
from kwsbench.explore.page.anomalies import anomalies_part
from kwsbench.explore.page.duplicates import duplicates_part
from kwsbench.pages.markup import tag
from kwsbench.pages.shell import self_contained
from kwsbench.sound import Places, read_sound


@pytest.fixture(scope="module")
def material(tone_tree, tmp_path_factory):
    places = Places(tone_tree.parent, tmp_path_factory.mktemp("cache"))
    return Material(read_sound("speech_commands_v0.01", places), workers=1)


def test_without_plotly_two_flat_scatters_say_how_to_get_the_third_dimension(material, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    part = anomalies_part(material, audio=False)
    assert part.body.count('<svg viewBox="0 0 460 380" class="chart"') == 2 and part.scripts == []
    assert "kwsbench[explore]" in part.body and "<audio" not in part.body
    assert list(part.tables) == ["unusual"] and "Of 80 clips" in part.findings[0]


def test_the_scatter_is_drawn_under_the_page_policy(material, browser, tmp_path):
    pytest.importorskip("plotly")
    part = anomalies_part(material, audio=True)
    assert part.body.count("<audio") == 40 and "eval(" not in part.scripts[1]
    page = tmp_path / "page.html"
    page.write_text(self_contained("odd", [tag("main", part.body)], part.scripts), encoding="utf-8")
    tab, told = browser.new_page(), []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.goto(page.as_uri())
    tab.wait_for_selector("#components .main-svg", state="attached", timeout=20_000)
    assert not [text for text in told if "Content Security Policy" in text]
    assert tab.eval_on_selector("#components", "host => host.data.map(trace => trace.name)")[-1] == "unusual clips"
    tab.close()


def test_the_part_on_duplicates_says_what_is_there(material):
    part = duplicates_part(material, audio=False)
    assert part.findings[0] == "No two of 80 clips hold the same samples."
    assert set(part.tables) == {"exact_duplicates", "near_duplicates", "suspicious_speakers"}
    assert "10 speaker ids" in part.body
