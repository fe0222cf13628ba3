"""What plugins share and what wakes them: data, queues, metrics, ticks (host facts 1.16 to 1.19)."""
import re

from conftest import outcomes, statuses

SECOND = 1000000000


def request(script, now_s=None):
    entry = {"headers": [["x-request", script]]}
    return entry if now_s is None else {**entry, "now_ns": int(now_s * SECOND)}


def noise(result):
    """What root contexts logged."""
    return [line[len("weir try: "):] for line in result.stderr.splitlines()]


def test_shared_data(probe):
    answer = probe({"request": "sget a; sset a one 0; sget a; sset a two 0; sget a; scas a"})
    assert statuses(answer) == [1, 0, 0, 0, 0, 0]
    lines = [line for line in answer["logs"] if "sget a" in line]
    assert lines == ["info: sget a = 1", "info: sget a = 0 one", "info: sget a = 0 two"]
    assert int(outcomes(answer)["scas a"].split()[1]) >= 1


def test_shared_data_cas(probe):
    answer = probe({"request": "sset a one 7; sset a two 99999; sget a; sset a three @; sset a four 1"})
    assert statuses(answer) == [0, 8, 0, 0, 8], "a missing key takes any cas"
    assert outcomes(answer)["sget a"] == "0 one"


def test_shared_data_empty(probe):
    answer = probe({"request": "sset a _ 0; sget a; sset _ no-key 0; sget _"})
    assert statuses(answer) == [0, 0, 0, 0]
    assert outcomes(answer)["sget a"] == "0 null" and outcomes(answer)["sget _"] == "0 no-key"


def test_shared_data_sizes(probe):
    answer = probe({"request": "sbig a 79; slen a; sbig a 1000000; slen a; sbig a 5000000; slen a; sbig b 3500000; slen a"})
    got = [line.split(" = ")[1] for line in answer["logs"] if " = " in line]
    assert got == ["0", "0 79", "0", "0 1000000", "10", "0 1000000", "0", "0 1000000"], "a quarter of the memory is most"


def test_shared_data_evicts_the_least_used(probe):
    keys = "; ".join(f"sbig k{i} 3500000; slen k0" for i in range(8))
    got = outcomes(probe({"request": keys + "; slen k1; slen k7"}))
    assert (got["slen k0"], got["slen k1"], got["slen k7"]) == ("0 3500000", "1", "0 3500000")


def test_shared_data_outlives_a_vm(run):
    result = run("probe", [request("sset a kept 0; trap u"), request("sget a")])
    assert result[0]["action"] == "trap" and outcomes(result[1])["sget a"] == "0 kept"


def test_queues(probe):
    answer = probe({"request": "qreg q; qreg q; qreg p; qres _ q; qres other q; qres _ none; deq 1; enq 1 a; enq 1 _; enq 1 c;"
                               "deq 1; deq 1 x; deq 1 y; deq 1 z; enq 9 a; deq 0; deq 9"})
    assert statuses(answer) == [0, 0, 0, 0, 1, 1, 7, 0, 0, 0, 0, 0, 0, 7, 1, 1, 1]
    got = outcomes(answer)
    assert (got["qreg q"], got["qreg p"], got["qres _ q"]) == ("0 1", "0 2", "0 1")
    assert (got["deq 1 x"], got["deq 1 y"]) == ("0 null", "0 c")


def test_a_full_queue(probe):
    answer = probe({"request": "qreg q; enqmany 1 100000; deq 9; sset a still 0; sget a"})
    assert outcomes(answer)["enqmany 1 100000"] == "10 many" and outcomes(answer)["sget a"] == "0 still"


def test_queue_ready(run):
    result = run("probe", [request("qres _ q; enq 1 one; enq 1 two"), request("log 2 second")],
                 "configure: qreg q; tick 0\nqueue: deq 1")
    assert statuses(result[0]) == [0, 0, 0]
    heard = [line for line in noise(result) if "on_queue_ready" in line or "deq" in line]
    assert heard == ["trace: on_queue_ready 1 1", "info: deq 1 = 0 one", "trace: on_queue_ready 1 1", "info: deq 1 = 0 two"]


def test_queue_ready_goes_to_the_last_registered(run):
    result = run("probe", [request("qreg q; enq 1 a"), request("log 2 x")], ["configure: qreg q", "configure: qreg q"])
    assert [line for line in noise(result) if "on_queue_ready" in line] == ["trace: on_queue_ready 2 1"] * 2, result.stderr


def test_metrics(probe):
    answer = probe({"request": "mdef 0 c; mdef 1 g; mdef 2 h; mdef 0 c; mdef 0 d; mdef 3 x; minc 4 5; minc 8 2; mget 4; minc 4 0;"
                               "minc 4 -1; minc 5 7; minc 5 -2; mget 5; mrec 5 9; mget 5 b; mrec 4 3; mget 8; minc 6 1; mrec 6 30; mget 6;"
                               "minc 16 1; mrec 3 1; mget 99"})
    assert statuses(answer) == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 1, 1, 1]
    got = outcomes(answer)
    assert [got["mdef 1 g"], got["mdef 2 h"], got["mdef 0 c"], got["mdef 0 d"]] == ["0 5", "0 6", "0 8", "0 12"]
    assert (got["mget 4"], got["mget 5"], got["mget 5 b"], got["mget 8"]) == ("0 7", "0 5", "0 9", "0 10")


def test_ticks(run):
    result = run("probe", [request("time", 0.5), request("time", 1.05), request("time", 3.5), request("time", 4)],
                 "configure: tick 1000\ntick: time", "--now-ns", "0")
    times = [line for line in noise(result) if line.startswith("info: time")]
    assert times == [f"info: time = 0 {i * SECOND}" for i in (1, 2, 3, 4)]


def test_tick_is_armed_anew_after_each(run):
    result = run("probe", [request("time", 10)], "configure: tick 1000\ntick: tick 4000", "--now-ns", "0")
    assert len([line for line in noise(result) if "on_tick 1" in line]) == 3, "at 1, 5 and 9 s"


def test_tick_stops(run):
    result = run("probe", [request("tick 0", 1.5), request("time", 10)], "configure: tick 1000", "--now-ns", "0")
    assert len([line for line in noise(result) if "on_tick" in line]) == 1


def test_ticks_of_each_root(run):
    result = run("probe", [request("time", 2)], ["configure: tick 1500", "configure: tick 700"], "--now-ns", "0")
    assert re.findall(r"on_tick (\d)", result.stderr) == ["2", "2", "1"], result.stderr


def test_a_tick_that_traps(run):
    """Timers go with the VM; the next request has a new one."""
    result = run("probe", [request("time", 1.5), request("time", 2.9), request("time", 3.5)], "configure: tick 1000\ntick: trap u", "--now-ns", "0")
    assert [line["action"] for line in result.lines] == ["continue"] * 3
    assert len([line for line in noise(result) if line == "trace: on_tick 1"]) == 2, "at 1 s, and 1 s after the new VM's start"
