"""The storm of `make storm-day`, in short."""
import pytest

from day_storm import day


@pytest.mark.usefixtures("trapper_module")
def test_half_a_minute_of_it(tmp_path):
    figures, wrong = day(str(tmp_path), 12, rounds=3, large="interp")
    assert not wrong, "\n".join(wrong + [figures])
