"""The scenarios of tests/conformance through `weir try`, on both tiers."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../conformance"))
from rows import ROWS, TWICE  # noqa: E402 (the path comes first)


@pytest.mark.parametrize("name", ROWS)
def test_row(run, name):
    row = ROWS[name]
    fake = dict(row.fake)
    request = {"headers": [[":method", "POST"], [":path", f"/c/{row.guest}?q=1"], ["user-agent", "agent"], ["referer", "http://from.example/"],
                           ["x-request-id", "rid"], *[["x-" + k, v] for k, v in row.scripts.items()]],
               "body": "hello", "response": {"headers": [["content-type", "text/plain"]], "body": "answer"}}
    later = fake.pop("later", False)
    request.update(fake)
    requests = [{**request, "now_ns": 10**18}, {"headers": [], "now_ns": 2 * 10**18}] if later else [request]
    result = run(row.guest, requests, ["configure: conf", "again"] if row.guest == TWICE else "configure: conf")
    assert result.code == 0, result.stderr
    lines = [line.split("weir try: ", 1)[-1] for line in result.stderr.splitlines()] + [line for answer in result.lines for line in answer["logs"]]
    row.check([line if line.startswith("trace: ") else line.split(": ", 1)[1] for line in lines])
