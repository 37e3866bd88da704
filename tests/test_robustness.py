"""Which conditions a cell can have, and what becomes of the answers to them."""

import numpy as np
import pandas as pd
import pytest

from kwsbench.corruptions import Corruptions, NoiseBank
from kwsbench.errors import UserError
from kwsbench.robustness import possible, shares_right

NONE = {"shift_ms": (), "gain_db": (), "speed": (), "telephone": False, "clipping": (), "reverb_s": ()}
BANK = NoiseBank([(np.ones(9, np.int16), 16000)])


def test_without_recordings_their_noise_is_left_out_and_a_note_says_so():
    asked = Corruptions(**NONE, noises=("recordings", "pink"), snr_db=(5.0,))
    (with_them, no_notes), (without, notes) = possible(asked, BANK, 3), possible(asked, NoiseBank(), 3)
    assert [one.condition for one in with_them] == [("recordings", 5.0), ("pink", 5.0)]
    assert [one.condition for one in without] == [("pink", 5.0)] and without[0].seed == 3
    assert no_notes == [] and len(notes) == 1
    assert possible(Corruptions(**NONE, noises=("pink",)), NoiseBank(), 3)[1] == []


def test_where_nothing_is_left_the_cell_ends_before_it_trains():
    with pytest.raises(UserError, match="robustness.noises: no noise recording is held out"):
        possible(Corruptions(**NONE, noises=("recordings",), snr_db=(5.0,)), NoiseBank(), 3)


def test_shares_right_are_counted_by_condition_and_level():
    table = pd.DataFrame(
        [("a", "pink", 5.0, "yes"), ("b", "pink", 5.0, "yes"), ("a", "pink", 0.0, "no"), ("b", "pink", 0.0, "yes")],
        columns=["clip", "condition", "level", "predicted"],
    )
    assert shares_right(table, pd.Series({"a": "yes", "b": "no"})) == [
        {"condition": "pink", "level": 5.0, "accuracy": 0.5},
        {"condition": "pink", "level": 0.0, "accuracy": 0.0},
    ]
