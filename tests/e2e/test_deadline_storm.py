"""The storm of `make storm-deadlines`, in short."""
import pytest

from conftest import SANITIZED
from deadline_storm import deadlines


@pytest.mark.usefixtures("trapper_module")
@pytest.mark.parametrize("tier", ["interp", "aot"])
def test_some_loops_of_it(tmp_path, tier):
    figures, wrong = deadlines(str(tmp_path), tier, 20, 50 if SANITIZED else 10)
    assert not wrong, "\n".join(wrong + figures)
