"""The page in a real browser: nothing is complained of, and the comparison sorts and filters."""

import re

import pytest

from kwsbench.report import write_report


@pytest.fixture
def page(browser, made, tmp_path):
    for seed in (0, 1):
        made.add("light_cnn", 0.93, seed=seed)
    made.add("gmm_hmm", 0.8, setting="mixtures=8")
    made.add("gmm_hmm", 0.85, setting="mixtures=16")
    made.add("majority", 0.2)
    made.add("broken", status="failed", reason="no memory")
    files = {}
    write_report("study", {}, made.records, made.predictions, files.__setitem__)
    (tmp_path / "report.html").write_text(files["report.html"])
    opened, said = browser.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((tmp_path / "report.html").as_uri())
    yield opened
    assert said == []
    opened.close()


def names(page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("table.comparison tbody tr:visible th").all_inner_texts()]


def test_it_loads_and_says_the_verdict_first(page):
    assert page.locator(".lead").first.inner_text().startswith("Best: light_cnn")
    assert page.locator(".lead").first.bounding_box()["y"] < 500
    assert page.locator("svg.chart").count() > 5


def test_it_sorts_by_a_column_and_back(page):
    before = names(page)
    head = page.get_by_role("button", name="accuracy %")
    head.click()
    best_first = ["light_cnn", "gmm_hmm mixtures=16", "gmm_hmm mixtures=8", "majority", "broken failed"]
    assert names(page) == best_first
    assert page.locator("th[aria-sort=descending]").count() == 1
    head.click()
    assert names(page) == [*best_first[3::-1], best_first[4]]
    head.click()
    assert names(page) == before and page.locator("th[aria-sort]").count() == 0


def test_it_filters_by_name(page):
    page.get_by_label("Show models named").fill("GMM 16")
    assert names(page) == ["gmm_hmm mixtures=16"]
    assert page.locator(".filter output").inner_text() == "1 of 5"
    page.get_by_label("Show models named").fill("")
    assert len(names(page)) == 5


def test_the_keyboard_is_enough(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the comparison"
    page.get_by_role("button", name="params").focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=ascending]").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(page, scheme):
    page.emulate_media(color_scheme=scheme)
    ink, paper = (
        [int(x) for x in page.evaluate(f"getComputedStyle(document.body).{what}")[4:-1].split(",")]
        for what in ("color", "backgroundColor")
    )
    assert abs(sum(ink) - sum(paper)) > 450


def test_it_needs_no_sideways_scrolling_on_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_mark_says_what_it_stands_for_when_the_pointer_is_on_it(page):
    mark = page.locator("svg.chart .dot").first
    mark.scroll_into_view_if_needed()
    mark.hover()
    told = page.locator(".told")
    assert told.is_visible() and re.match(r"[a-z_]+.*: \d+\.\d .*% at ", told.inner_text())
    page.mouse.move(2, 2)
    assert not told.is_visible()
