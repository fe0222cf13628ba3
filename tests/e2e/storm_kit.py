"""What storms share: looks at processes and workers, and the end of a storm that is run by hand.

A storm is a pair: figures, and what was wrong, which is empty when all is well."""
import datetime
import os
import re
import subprocess
import sys

import conftest
from conftest import wait_for
from test_api import ask

sys.path.insert(0, os.path.join(conftest.ROOT, "bench/engine"))
from run import machine  # noqa: E402

# ---- processes


def proc(pid, name):
    """A number of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{name}:\s+(\d+)", f.read(), re.M).group(1))


def rss_kb(pid):
    return proc(pid, "VmRSS")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


# ---- workers


def statuses(gateway, workers):
    """What each of these workers says of itself, by its process id.  Through the control process, which asks them all: a connection to
    status.sock may come to the same one for minutes."""
    def all_told():
        assert all(os.path.exists(f"/proc/{w}") for w in workers), f"one of the workers {workers} has died"
        found = {i["pid"]: i["report"] for i in ask(gateway, "GET", "/v1/workers").json["items"]}
        return {w: found[w] for w in workers}
    return wait_for(f"the status of the workers {workers}", all_told)


# ---- load


def h2load(options, urls):
    """Run it: ([2xx, 3xx, 4xx, 5xx], what did not get an answer, requests a second)."""
    out = subprocess.run(["h2load", "-t1", *options, *urls], capture_output=True, text=True, check=False).stdout
    found = re.search(r"^requests: (\d+) total, .* (\d+) errored, (\d+) timeout", out, re.M)
    statuses = re.search(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out, re.M)
    assert found and statuses, f"h2load {options} {urls}: {out}"
    rate = re.search(r"([\d.]+) req/s", out)
    by_status = [int(n) for n in statuses.groups()]
    lost = max(int(found[1]) - sum(by_status), int(found[2]) + int(found[3]))  # with -D it may forget to count one
    return by_status, lost, float(rate[1])


def percentiles(values, points=(0.5, 0.99, 1)):
    values = sorted(values)
    return [values[min(len(values) - 1, int(len(values) * p))] for p in points]


# ---- the end


def heading(command, what):
    """Two lines over the figures: what was run, where, and of which commit.  To be made before the storm."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=conftest.ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return [f"{command}: {what}", f"{machine()}; load {os.getloadavg()[0]:.0f} at the start; commit {commit}; {datetime.date.today()}; "
            f"{'ASan, UBSan' if conftest.SANITIZED else 'release'}", ""]


def finish(lines, wrong, out=None):
    """Print, keep the figures in the file `out` if all is well; the exit code."""
    print("\n".join(wrong + lines))
    if out and not wrong:
        with open(out, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    return 1 if wrong else 0
