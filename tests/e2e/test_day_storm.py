"""The storm of `make storm-day`, in short."""
import pytest

from conftest import SANITIZED
from day_storm import day


@pytest.mark.skipif(SANITIZED, reason="open: with sanitizers the older worker is not always seen silent within a minute")
@pytest.mark.usefixtures("trapper_module")
def test_half_a_minute_of_it(tmp_path):
    figures, wrong = day(str(tmp_path), 12, rounds=3, large="interp")
    assert not wrong, "\n".join(wrong + [figures])
