"""HTML from nested calls."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from kwsbench.pages.markup import Markup, inner, tag

anything = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\x00"), max_size=40)


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@given(anything, anything)
def test_text_and_attributes_come_back_as_they_went_in(text, value):
    found = Reader(tag("p", text, title=value))
    assert found.tags == [("p", {"title": value})] and found.text == text


def test_children_attributes_and_numbers():
    made = tag("td", "a<b", None, [tag("b", 3), tag("br")], class_="x", aria_label="y", width=1.0, x=2.128, id=None)
    assert made == '<td class="x" aria-label="y" width="1" x="2.13">a&lt;b<b>3</b><br></td>'
    assert inner(Markup("<i>"), "<i>") == "<i>&lt;i&gt;"
