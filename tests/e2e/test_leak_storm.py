"""The storm of `make storm-leak`, in short."""
from leak_storm import leak


def test_some_seconds_of_it(tmp_path):
    figures, wrong = leak(str(tmp_path), 2, 40, slices=1)
    assert not wrong, "\n".join(wrong + figures)
