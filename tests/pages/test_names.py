from kwsbench.pages.names import short


def test_a_long_name_loses_its_end():
    assert short("backward") == "backward" and short("x" * 14) == "x" * 14
    assert short("a very long word of many letters") == "a very long w…"
