"""The page: whole, self-contained, readable by those who cannot see it, and with everything promised in it."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from kwsbench.report import footnotes, write_report

VOID = {"meta", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Every element with its attributes and text; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, name, attributes):
        element = {"tag": name, "attributes": dict(attributes), "text": "", "inside": [e["tag"] for e in self.open]}
        self.elements.append(element)
        if name not in VOID:
            self.open.append(element)

    def handle_endtag(self, name):
        assert self.open.pop()["tag"] == name

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, **attributes):
        return [
            e
            for e in self.elements
            if e["tag"] == tag
            and all(value in e["attributes"].get(k.rstrip("_"), "") for k, value in attributes.items())
        ]


def report(made, recipe=None, name="all"):
    """File name → content of a report."""
    files = {}
    write_report(name, recipe or {"study": name}, made.records, made.predictions, files.__setitem__, made.beside)
    return files


@pytest.fixture
def rich(made):
    """Three folds, two seeds, a failed model."""
    for fold in ("loso/ann", "loso/bob", "loso/eve"):
        for seed in (0, 1):
            made.add("gmm_hmm", 0.7, fold=fold, seed=seed, split="loso", corpus="synthetic")
            made.add("light_cnn", 0.9, fold=fold, seed=seed, split="loso", corpus="synthetic")
            made.add("wavception", fold=fold, seed=seed, split="loso", corpus="synthetic", status="timeout",
                     reason="passed its limit of 60 min", traceback="Traceback: here")  # fmt: skip
    return made


def test_files_are_written_and_the_same_again(rich):
    files = report(rich)
    assert set(files) == {
        "table.csv",
        "pairs.csv",
        "detection.csv",
        "hardest.csv",
        "table.md",
        "table.tex",
        "report.html",
    }
    assert files == report(rich)


def test_records_read_back_from_json_give_the_same_report(rich):
    """Where a number has no meaning a store keeps null."""
    before = report(rich)
    for record in rich.records:
        if record["status"] == "ok":
            record["metrics"] |= {"log_loss": float("nan"), "worst_speaker": float("nan")}
            record["fit"]["history"][0]["validation_loss"] = float("nan")
    rich.records = json.loads(json.dumps(rich.records).replace("NaN", "null"))
    assert report(rich) == before


def test_nothing_is_fetched_from_anywhere_and_nothing_runs_but_its_own_script(rich):
    text = report(rich)["report.html"]
    page = Page(text)
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    assert not page.all("iframe") and not page.all("img") and not page.all("object")
    assert all(link["attributes"]["href"].startswith("data:") for link in page.all("link"))
    assert all(a["attributes"]["href"].startswith("#") for a in page.all("a"))
    assert not re.search(r"@import|url\(|https?://|//[a-z]", page.all("style")[0]["text"])
    assert not [e for e in page.elements for key in e["attributes"] if key in ("src", "srcset") or key.startswith("on")]
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["attributes"]["content"].startswith("default-src 'none'")
    assert policy["attributes"]["content"].endswith(f"script-src 'sha256-{digest}'")


def test_light_and_dark_follow_the_reader(rich):
    style = Page(report(rich)["report.html"]).all("style")[0]["text"]
    assert "@media (prefers-color-scheme: dark)" in style and "color-scheme: light dark" in style
    light, dark = (set(re.findall(r"(--[\w]+):", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S))
    assert light == dark
    used = set(re.findall(r"var\((--[\w]+)\)", style)) - {"--v", "--c"}
    assert used <= light


def test_the_title_says_synthetic_speech(rich, made):
    page = Page(report(rich)["report.html"])
    assert "synthetic speech" in page.all("title")[0]["text"] and "synthetic speech" in page.all("h1")[0]["text"]


def test_real_speech_is_not_called_synthetic(made):
    made.add("gmm")
    assert "synthetic" not in report(made)["report.html"]


def test_it_can_be_read_without_eyes(rich):
    page = Page(report(rich)["report.html"])
    assert page.all("html")[0]["attributes"]["lang"] == "en" and len(page.all("h1")) == 1
    assert len(page.all("main")) == 1 and len(page.all("title")) >= 1
    levels = [int(e["tag"][1]) for e in page.elements if re.fullmatch(r"h[1-6]", e["tag"])]
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    for svg in page.all("svg"):
        assert svg["attributes"].get("aria-hidden") == "true" or svg["attributes"]["role"] == "img"
    named = [e for e in page.all("title") if e["inside"][-1:] == ["svg"]]
    assert len(named) == len(page.all("svg", role="img")) and all(e["text"] for e in named)
    assert all(head["attributes"].get("scope") in ("row", "col") for head in page.all("th"))
    anchors = {a["attributes"]["href"][1:] for a in page.all("a")}
    assert anchors <= {e["attributes"].get("id") for e in page.elements}


def test_the_comparison_has_a_row_a_model_with_its_interval(rich):
    page = Page(report(rich)["report.html"])
    rows = [e for e in page.all("tr") if "tbody" in e["inside"]][:3]
    names = [e["text"] for e in page.all("th", scope="row")][:3]
    assert names == ["gmm_hmm", "light_cnn", "wavception timeout (6 of 6)"]
    assert "timeout (6 of 6)" in rows[2]["text"] and "no result" in rows[2]["text"]
    told = [e["text"] for e in page.all("title") if e["text"].startswith("accuracy ")]
    assert len(told) == 2 and all(re.fullmatch(r"accuracy [\d.]+ \[[\d.]+, [\d.]+\] %", text) for text in told)
    assert "314 k" in rows[0]["text"] and "7.2 M" in rows[0]["text"] and "2 seeds" in rows[0]["text"]


def test_the_comparison_has_new_words_and_validation_where_a_model_has_them(made):
    rejected = {"heard": 40, "heard_right": 36, "new": 20, "new_right": 5}
    made.add("gmm", rejection=rejected, validation={"accuracy": 0.875})
    made.add("cnn")
    page = Page(report(made)["report.html"])
    titles = [e["text"] for e in page.all("th", scope="col")]
    assert {"new words", "validation"} <= set(titles)
    gmm, cnn = [e["text"] for e in page.all("tr") if "tbody" in e["inside"]][:2]
    assert "25.0" in gmm and "87.5" in gmm and "87.5" not in cnn
    made.records = made.records[1:]
    assert not {"new words", "validation"} & {
        e["text"] for e in Page(report(made)["report.html"]).all("th", scope="col")
    }


def test_confusions_and_recall_show_the_counts_of_the_predictions(made):
    record = made.add("gmm", 0.8)
    table = made.tables[record["cell"]]
    page = Page(report(made)["report.html"])
    cells = {e["attributes"]["title"] for e in page.all("td", class_="") if "title" in e["attributes"]}
    for said in made.labels:
        clips = table[table["label"] == said]
        for answered, n in clips["predicted"].value_counts().items():
            assert f"{said} answered as {answered}: {n} of {len(clips)}" in cells
        share = 100 * (clips["predicted"] == said).mean()
        (row,) = [e for e in page.all("tr") if re.match(rf"{said}{len(clips)}[\d.]+$", e["text"])]
        assert row["text"].endswith(f"{share:.1f}")
    assert len(cells) == len(table.groupby(["label", "predicted"]))


def test_folds_have_their_own_table_where_there_are_several(rich, made):
    text = Page(report(rich)["report.html"])
    (table,) = [e for e in text.all("table") if "annbobeve" in e["text"]]
    gmm = [r for r in rich.records if r["parts"]["entry"] == "gmm_hmm" and r["parts"]["fold"] == "loso/bob"]
    accuracy = sum(r["metrics"]["accuracy"] for r in gmm) / 2
    assert f"{100 * accuracy:.1f}" in table["text"]


def test_one_fold_has_no_table_of_folds(made):
    made.add("gmm")
    assert "on each fold" not in report(made)["report.html"]


def test_learning_curves_footnotes_environment_and_recipe_are_there(rich):
    page = Page(report(rich, recipe={"study": "all", "seeds": [0, 1]})["report.html"])
    text = page.all("body")[0]["text"]
    # two models, six fits each, one quantity; and a DET and a ROC curve each
    assert len(page.all("polyline", class_="curve")) == 2 * 6 + 2 * 2
    for note in footnotes(rich.records):
        assert note in text
    assert "Made-up CPU" in text and "packages.torch2.13.0" in text
    assert "python -m kwsbench run all.yaml" in text and '"seeds": [' in text


def test_failed_cells_stand_with_reason_and_traceback(rich, made):
    page = Page(report(rich)["report.html"])
    (section,) = page.all("section", id="failed")
    assert "passed its limit of 60 min" in section["text"] and "Traceback: here" in section["text"]
    assert section["text"].count("synthetic-loso/") == 6


def test_no_failed_cells_no_section(made):
    made.add("gmm")
    assert not Page(report(made)["report.html"]).all("section", id="failed")


def test_whatever_others_wrote_is_shown_and_not_obeyed(made):
    evil = "<script>alert('&amp;')</script>"
    made.labels = ("yes", f"no{evil}", "silence")
    made.add(f"gmm{evil}", setting=evil, corpus=evil, licence=evil, corpus_notes=[evil], environment={"cpu": evil})
    made.add("cnn", status="failed", reason=evil, traceback=evil, corpus=evil)
    page = Page(report(made, recipe={"study": evil}, name=evil)["report.html"])
    assert len(page.all("script")) == 1 and "alert" not in page.all("script")[0]["text"]
    assert evil in page.all("h1")[0]["text"] and evil in page.all("section", id="failed")[0]["text"]
    assert page.all("body")[0]["text"].count(evil) > 10


def test_all_failed_is_still_a_page(made):
    made.add("gmm", status="failed", reason="ValueError")
    page = Page(report(made)["report.html"])
    assert "ValueError" in page.all("body")[0]["text"] and not page.all("figure")


def test_many_labels_and_models_fold_their_matrices_away(made):
    made.labels = tuple(f"word{i}" for i in range(20))
    made.add("gmm")
    page = Page(report(made)["report.html"])
    assert any(e["text"].startswith("Show 1 matrix") for e in page.all("summary"))
    assert page.all("table", class_="dense")


def test_models_beyond_the_colours_have_lines_of_another_kind(made):
    for i in range(18):
        made.add(f"m{i}", 0.5 + 0.02 * i)
    for record in made.records:
        made.corrupt(record, {("white", 0.0): 0.4, ("white", 20.0): 0.6})
        made.listen(record, 0.8)
    page = Page(report(made)["report.html"])
    for kind, tag in (("curve", "polyline"), ("line", "span"), ("swatch", "span")):
        looks = {
            e["attributes"]["class"] for e in page.all(tag, class_=kind) if e["attributes"]["class"].startswith(kind)
        }
        expected = {f"{kind} c{i % 8}{('', ' dashed', ' long')[i // 8]}" for i in range(18)}
        assert expected <= looks
    # of misses and of hits against false alarms, of robustness, of the stream; and the keys of the first two
    assert len(page.all("polyline", class_="curve c1 long")) == 4 and len(page.all("line", class_="curve c1 long")) == 2
