"""The page around its content: its scripts run, small ones as they are and large ones out of their packing."""

import pytest

from kwsbench.pages.markup import Markup, tag
from kwsbench.pages.shell import LARGE, self_contained

SAID = "document.getElementById('said').textContent += '%s';"


def page_of(scripts):
    return self_contained("small", [tag("p", Markup(""), id="said")], scripts)


@pytest.mark.parametrize("length", [10, LARGE + 1])
def test_scripts_run_in_their_order_under_the_page_policy(browser, tmp_path, length):
    scripts = [f"/* {'é' * length} */ {SAID % 'first '}", SAID % "second"]
    file = tmp_path / "page.html"
    file.write_text(page_of(scripts), encoding="utf-8")
    tab, told = browser.new_page(), []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.goto(file.as_uri())
    # a condition in JavaScript would be evaluated, which the policy forbids, where it does not hold at once
    tab.get_by_text("first second", exact=True).wait_for(timeout=20_000)
    assert told == []
    tab.close()


def test_a_page_is_the_same_each_time_and_small():
    scripts = ["x = 1; " * LARGE]
    assert page_of(scripts) == page_of(scripts) and len(page_of(scripts)) < LARGE
