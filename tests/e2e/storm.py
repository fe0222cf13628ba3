#!/usr/bin/python3
"""A storm of requests at the example gateway: valid and invalid keys mixed, HTTP/1.1 (wrk) and HTTP/2 (h2load).

  [WEIR_BUILD=build/san] storm.py [--seconds 30] [--connections 64] [--workers 2]

Ends with one line of figures and exits 1 unless: no 5xx, no socket errors, every answer is the one its key
deserves, no worker was replaced, the workers' memory is flat (after a round to warm up, the least of two rounds at the end is
no more than 4 MiB over the least of two at the beginning: what malloc keeps for a while depends on the machine's load), and the error
log has nothing to say."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

import conftest
from conftest import wait_for
from storm_kit import h2load, rss_kb

LUA = """
local n = 0
local keys = {"alice-key", "wrong", "bob-key", "", "alice-key", "alice-kez"}
request = function()
  n = n + 1
  local key = keys[n % #keys + 1]
  local headers = {["Host"] = "shop.example"}
  if key ~= "" then headers["x-api-key"] = key end
  return wrk.format("GET", "/orders/" .. n, headers)
end
"""


def wrk(port, seconds, connections, script):
    done = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", script, f"http://127.0.0.1:{port}"],
                          capture_output=True, text=True, check=True)
    out = done.stdout
    total = int(re.search(r"(\d+) requests in", out).group(1))
    refused = int((re.search(r"Non-2xx or 3xx responses: (\d+)", out) or [0, "0"])[1])
    errors = re.search(r"Socket errors: (.*)", out)
    return total, refused, errors.group(1) if errors else None, float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


ROUNDS = 5  # the first warms up
GROWTH_KB = 4096


def storm(gateway, nworkers, seconds, connections=64, flat=True):
    """Figures and a list of what was wrong.  `flat`: memory must not grow (a sanitizer keeps freed memory for a while)."""
    wrong = []
    workers = wait_for("all workers", lambda: len(gateway.workers()) == nworkers and gateway.workers())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        rounds = []
        memory = []
        for _ in range(ROUNDS):
            rounds.append(wrk(gateway.port, max(1, seconds // 6), connections, script.name))
            for key, good in (("alice-key", 0), ("wrong", 2)):
                status, errored, _ = h2load(["-c16", "-m10", "-D", str(max(1, seconds // 15)), "-H", ":authority: shop.example", "-H", "x-api-key: " + key],
                                            [f"http://127.0.0.1:{gateway.port}/orders/h2"])
                if errored or sum(status) != status[good] or not status[good]:
                    wrong.append(f"h2load with key {key!r}: {status} (2xx 3xx 4xx 5xx), {errored} errored")
            memory.append([rss_kb(w) for w in workers if os.path.exists(f"/proc/{w}")])
    for total, refused, errors, _ in rounds:
        if errors:
            wrong.append(f"wrk: {errors}")
        if not total or abs(refused - total / 2) > connections + 0.01 * total:  # three of the six keys are good
            wrong.append(f"wrk: {refused} of {total} refused, not half")
    if gateway.workers() != workers:
        wrong.append(f"workers were replaced: {workers}, then {gateway.workers()}")
    elif flat and max(min(end) - min(begin) for begin, end in zip(zip(*memory[1:3]), zip(*memory[-2:]))) > GROWTH_KB:
        wrong.append(f"memory grows (kB): {memory}")
    wrong += gateway.bad_lines()
    wrong += [line for line in gateway.error_log.splitlines() if "[error]" in line or "[crit]" in line][:5]
    total, _, _, rate = rounds[-1]
    return f"{sum(r[0] for r in rounds)} requests by wrk, {rate:.0f}/s in the last round, worker RSS {memory} kB", wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        echo = conftest.Echo(os.path.join(folder, "echo.log"))
        gateway = conftest.Gateway(conftest.example(echo), os.path.join(folder, "state"), ["--workers", str(args.workers)])
        try:
            figures, wrong = storm(gateway.wait_ready(), args.workers, args.seconds, args.connections)
        finally:
            gateway.stop()
            echo.stop()
    print("\n".join(wrong + [figures]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
