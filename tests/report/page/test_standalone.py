"""Figures as files of their own."""

import xml.etree.ElementTree as ElementTree

import pytest

from kwsbench.pages.standalone import as_kind, figures_of
from kwsbench.report import write_report


@pytest.fixture
def figures(made):
    made.add("one", 0.9)
    made.add("two", 0.8, setting="k=1")
    made.records[1]["cost"] = {**made.records[1]["cost"], "macs": 90_000}
    files = {}
    write_report("study", {}, made.records, made.predictions, files.__setitem__)
    return dict(figures_of(files["report.html"]))


def test_every_figure_is_a_drawing_by_itself(figures):
    assert len(figures) >= 6 and len(set(figures)) == len(figures)
    assert any("accuracy-against-multiply" in name for name in figures) and any("det" in name for name in figures)
    for svg in figures.values():
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and float(root.get("width")) > 0
        assert "var(" not in svg and "color-mix" not in svg
        classes = {name for e in root.iter() for name in (e.get("class") or "").split()}
        style = root.find("{http://www.w3.org/2000/svg}style").text
        assert all(f".{name}" in style for name in classes - {"chart", "small", "strip", "dashed", "c0", "c1"})


def test_a_figure_as_pdf_and_as_png(figures):
    try:
        import cairosvg  # noqa: F401
    except (ImportError, OSError) as e:
        pytest.skip(f"no cairosvg or no Cairo here: {e}")
    drawn = next(iter(figures.values()))
    assert as_kind(drawn, "pdf").startswith(b"%PDF") and as_kind(drawn, "png").startswith(b"\x89PNG")
    assert as_kind(drawn, "svg") == drawn
