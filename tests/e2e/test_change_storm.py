"""A short change_storm.py, and that it finds what it looks for."""
import os
import signal

import pytest

from change_storm import Storm
from conftest import SANITIZED

CHANGES, WARM = (30, 5) if SANITIZED else (60, 20)


@pytest.mark.parametrize("breaks", [False, True], ids=["good", "broken"])
def test_changes_in_a_row(tmp_path, breaks):
    # Memory is the long storm's to judge: after so few changes it is still on its way to what it will be.
    storm = Storm(str(tmp_path), 1, breaks, connections=4, websockets=10, streams=8, memory=0.25)
    storm.run(CHANGES, WARM)
    print("\n".join(f"{label:36}{value:>24}" for label, value in storm.figures()))
    assert not storm.wrong, "\n".join(storm.wrong)
    assert len(storm.took) == CHANGES and storm.refused and all(storm.load.count.values()) and storm.open.rounds >= 2


def test_what_goes_wrong_is_found(tmp_path):
    """The workers die, and requests, WebSockets and gRPC streams with them; a plugin is not what it should be."""
    storm = Storm(str(tmp_path), 1, False, connections=4, websockets=6, streams=8)

    def disturb(text):
        if text.startswith("5 of "):
            storm.model.expected_stamp = lambda: "another"
        if text.startswith("6 of "):
            for w in storm.workers:
                os.kill(w, signal.SIGKILL)
    storm.run(10, 0, disturb)
    for what in ("x-stamp of worker", "WebSocket", "gRPC stream", "processes were replaced", "requests: ", "exited on signal 9"):
        assert any(what in w for w in storm.wrong), (what, storm.wrong)
