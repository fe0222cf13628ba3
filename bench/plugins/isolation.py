#!/usr/bin/python3
"""What it costs that every request has a VM of its own: CPU of one request with each `isolation`, compiled.

  isolation.py [--rounds N] [--iterations N] [--no-save]

The cases are those of plugins/NAME/bench.json.  Rounds are interleaved, figures are medians.  The goal is at most 10 us
more for key-auth.  Results go to bench/results/isolation.txt.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench/engine"))
from run import call, machine  # noqa: E402

PLUGINS = ("key-auth", "bot-detect", "hmac-auth")
KINDS = ("shared", "route", "request")
os.environ.setdefault("WEIR_IMAGE_CACHE", os.path.join(ROOT, "build/image-cache"))


def cost(plugin, case, folder, kind, iterations):
    paths = {}
    for name, text in (("config", case["config"]), ("requests", [case["request"]])):
        paths[name] = f"{folder}/{plugin}.{name}"
        with open(paths[name], "w", encoding="utf-8") as f:
            json.dump(text, f)
    lines = subprocess.run(["build/weir", "try", f"build/plugins/{plugin}.wasm", "--config", paths["config"], "--requests", paths["requests"],
                            "--tier", "aot", "--isolation", kind, "--bench", str(iterations)],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    assert json.loads(lines[0])["action"] == "continue", lines[0]
    return json.loads(lines[-1])["bench"]["cpu_ns_per_request"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--iterations", type=int, default=50000)
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    os.chdir(ROOT)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for plugin in PLUGINS:
                with open(f"plugins/{plugin}/bench.json", encoding="utf-8") as f:
                    case = json.load(f)
                case = case[0] if isinstance(case, list) else case
                for kind in KINDS:
                    figures.setdefault((plugin, kind), []).append(cost(plugin, case, folder, kind, args.iterations))
    lines = [f"CPU of one request by isolation, ns (median of {args.rounds} interleaved rounds of {args.iterations})",
             f"{machine()}; commit {call('git', 'describe', '--always', '--dirty').strip()}; {datetime.date.today()}", "",
             f"{'plugin':<16}" + "".join(f"{kind:>10}" for kind in KINDS) + f"{'request adds':>15}{'goal':>10}"]
    for plugin in PLUGINS:
        medians = [statistics.median(figures[plugin, kind]) for kind in KINDS]
        goal = "10000" if plugin == "key-auth" else ""
        lines.append(f"{plugin:<16}" + "".join(f"{m:>10.0f}" for m in medians) + f"{medians[2] - medians[0]:>15.0f}{goal:>10}")
    lines += ["", "bot-detect: the automaton of its patterns is built as it reads texts (RE2), and a VM that is rewound forgets what it",
              "built since its start, when it reads what usual browsers send.  A User-Agent of another kind cost 10 to 60 us in the guest, of five that were tried."]
    print("\n".join(lines))
    if not args.no_save:
        with open("bench/results/isolation.txt", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
