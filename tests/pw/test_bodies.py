"""Bodies and trailers: chunk callbacks, statuses, buffers, limits, resuming (host facts 1.9 to 1.14).

The guest is probe_body; its scripts for the n-th body callback are separated by '|'."""
import pytest
from conftest import outcomes, statuses, values


@pytest.fixture(name="chain")
def fixture_chain(run):
    """chain({callback: script}, steps=1, abi=..., **request): the answer to one request through several steps."""

    def chain(scripts, steps=1, abi="0_2_1", headers=(), options=(), **rest):
        request = {"headers": [*map(list, headers), *[["x-" + k, v] for k, v in scripts.items()]], **rest}
        result = run("probe_body-" + abi, [request], [str(i) for i in range(steps)], *options)
        assert result.code == 0, result.stderr
        return result[0]

    return chain


def calls(answer, *names):
    """The callbacks of these names in order, as the guest saw them."""
    return [line[len("trace: on_"):] for line in answer["logs"]
            if line.startswith("trace: on_") and any(line.startswith("trace: on_" + n) for n in names)]


def test_chunks_pass_untouched(chain):
    answer = chain({"respbody": ""}, body=["one", "two"], response={"body": ["three", "", "four"]})
    assert answer["action"] == "continue" and "request_body" not in answer and "response_body" not in answer
    assert calls(answer, "request", "response") == [
        "request_headers 2 5 0", "request_body 2 3 0", "request_body 2 3 1",
        "response_headers 2 1 0", "response_body 2 5 0", "response_body 2 4 1"]


def test_no_body(chain):
    answer = chain({"reqbody": ""})
    assert calls(answer, "request") == ["request_headers 2 5 1"]


def test_size_is_all_that_can_be_read(chain):
    answer = chain({"reqbody": "buf 0 0 99; ret 1|buf 0 2 3; bufstatus 0; ret 1|buf 0 0 99"}, body=["abc", "def", "g"], response={})
    assert calls(answer, "request_body") == ["request_body 2 3 0", "request_body 2 6 0", "request_body 2 7 1"]
    assert outcomes(answer) == {"buf 0 0 99": "0 abcdefg", "buf 0 2 3": "0 cde", "bufstatus 0": "0 6 0"}
    assert answer["action"] == "continue" and "request_body" not in answer


@pytest.mark.parametrize("status", [1, 2])
def test_buffered_until_the_end(chain, status):
    answer = chain({"reqbody": f"ret {status}|ret {status}|ret 0"}, steps=2, body=["a", "b", "c"], response={})
    # The second step of the chain sees the whole at once (its own scripts begin anew, and it holds it).
    assert calls(answer, "request_body") == ["request_body 3 1 0", "request_body 3 2 0", "request_body 3 3 1", "request_body 4 3 1"]
    assert answer["action"] == "paused" and answer["request_body"] == ""


def test_no_buffer_drops_the_chunk(chain):
    answer = chain({"reqbody": "ret 1|ret 3|buf 0 0 9"}, body=["keep", "drop", "end"], response={})
    assert outcomes(answer)["buf 0 0 9"] == "0 keepend" and answer["request_body"] == "keepend"


@pytest.mark.parametrize("value", [4, 77, "-1"])
def test_unknown_status_is_no_buffer(chain, value):
    assert chain({"reqbody": f"ret {value}|ret 0"}, body=["drop", "end"], response={})["request_body"] == "end"


@pytest.mark.parametrize("form,out", [("0 99 new", "new"), ("0 2 new", "newcdef"), ("0 0 new", "newabcdef"), ("6 0 new", "abcdefnew"),
                                      ("2147483647 0 new", "abcdefnew"), ("0 99 _", ""), ("0 3 _", "def")])
def test_set_buffer(chain, form, out):
    answer = chain({"reqbody": f"setbuf 0 {form}; buf 0 0 99", "respbody": f"setbuf 1 {form}"}, body="abcdef", response={"body": "abcdef"})
    assert statuses(answer)[0] == 0 and answer["request_body"] == out and answer["response_body"] == out
    assert outcomes(answer)["buf 0 0 99"] == ("0 " + out if out else "0 null")


def test_set_buffer_refusals(chain):
    answer = chain({"request": "setbuf 0 0 0 x; setbuf 1 0 0 x; setbuf 7 0 0 x; setbuf 6 0 0 x; setbuf 10 0 0 x; buf 0 0 9",
                    "reqbody": "setbuf 0 2 1 x; setbuf 1 0 0 x; buf 1 0 9", "respbody": "buf 0 0 9"}, body="abcdef", response={"body": "r"})
    assert statuses(answer) == [1, 1, 1, 2, 2, 1, 2, 1, 1, 1]


def test_buffers_grow_at_both_ends(chain):
    prepend = "; ".join(f"setbuf 0 0 0 {c}" for c in "cba")
    answer = chain({"reqbody": f"{prepend}; fill 0 9000; setbuf 0 0 1 X; setbuf 0 99999 0 !; ret 1|"}, body=["-", "+"], response={})
    assert answer["request_body"] == "Xbc-" + "f" * 9000 + "!+"


def test_an_allocator_cannot_pull_the_buffer_away(chain):
    answer = chain({"reqbody": "fill 0 60000; buf 0 0 2147483647; buf 0 4294967295 1"}, body="ab", response={})
    assert statuses(answer) == [0, 0, 0] and outcomes(answer)["buf 0 0 2147483647"].startswith("0 abffff")


# ---- headers held ------------------------------------------------------------------------------


@pytest.mark.parametrize("abi,status", [("0_2_1", 1), ("0_2_1", 3), ("0_2_1", 4), ("0_2_100", 3), ("0_2_100", 4)])
def test_stop_all_stops_the_body(chain, abi, status):
    answer = chain({"request": f"ret {status}"}, abi=abi, body=["a", "b"], response={})
    assert answer["action"] == "paused" and calls(answer, "request_body") == []


def test_real_stop_iteration(chain):
    """0.2.100: body callbacks run while the headers are held and mutable; Continue lets go of both."""
    answer = chain({"request": "ret 1", "reqbody": "replace 0 :path /late; ret 1|add 0 x-later 1; ret 0"}, abi="0_2_100",
                   body=["a", "b"], response={})
    assert answer["action"] == "continue" and "request_body" not in answer
    assert calls(answer, "request") == ["request_headers 2 6 0", "request_body 2 1 0", "request_body 2 2 1"]
    assert values(answer["request_headers"], ":path") == ["/late"] and values(answer["request_headers"], "x-later") == ["1"]


def test_real_stop_iteration_holds_the_chain(chain):
    answer = chain({"request": "ret 1", "reqbody": "ret 1|ret 0"}, steps=2, abi="0_2_100", body=["a", "b", "c"], response={})
    # Step 2 holds its headers too, and lets go with its own second chunk.
    assert calls(answer, "request") == [
        "request_headers 3 6 0", "request_body 3 1 0", "request_body 3 2 0", "request_headers 4 6 0", "request_body 4 2 0",
        "request_body 3 1 1", "request_body 4 3 1"]
    assert answer["action"] == "continue" and "request_body" not in answer


def test_real_stop_iteration_of_a_response(chain):
    answer = chain({"response": "ret 1", "respbody": "replace 2 :status 418; setbuf 1 0 9 new"}, abi="0_2_100", response={"body": "old"})
    assert values(answer["response_headers"], ":status") == ["418"] and answer["response_body"] == "new"


def test_stop_iteration_without_a_body_callback(run):
    """Nobody looks at the body: its first bytes let the headers go, as a callback that continues would."""
    request = {"headers": [["x-request", "ret 1"]], "body": ["a", "b"], "response": {}}
    assert run("probe-0_2_100", [request])[0]["action"] == "continue"
    assert run("probe-0_2_100", [{**request, "body": ""}])[0]["action"] == "paused"


# ---- resuming ------------------------------------------------------------------------------------


def test_continue_in_the_call_that_pauses(chain):
    answer = chain({"reqbody": "continue 0; ret 1", "respbody": "continue 1; ret 1"}, steps=2, body=["a", "b"], response={"body": ["c", "d"]})
    assert answer["action"] == "continue" and "request_body" not in answer and "response_body" not in answer
    assert len(calls(answer, "request_body", "response_body")) == 8


def test_resumed_by_another_step(run):
    """Step 1 (context 3) holds the response; step 2's callback for the next chunk lets it go."""
    script = "effective 3; continue 1|effective 3; continue 1"
    request = {"headers": [["x-respbody", "ret 0"], ["x-response", "ret 0"]], "response": {"body": ["a", "b"]}}
    held = {"headers": [["x-respbody", script.replace("continue 1", "continue 1; ret 1", 1)]], "response": {"body": ["a", "b"]}}
    assert run("probe_body", [request], ["0", "1"])[0]["action"] == "continue"
    answer = run("probe_body", [held], ["0", "1"])[0]
    assert answer["action"] == "continue" and "response_body" not in answer


def test_a_continue_does_not_undo_a_later_pause(run):
    """Step 1 (context 3) continues step 2 before that pauses: then there is nothing to continue, and the pause holds."""
    request = {"headers": [["x-reqbody", "ret 1|effective 4; continue 0; ret 0"]], "body": ["a", "b"], "response": {}}
    answer = run("probe_body", [request], ["0", "1"])[0]
    assert any("effective 4 = 0" in line for line in answer["logs"])
    assert answer["action"] == "paused" and answer["request_body"] == ""


def test_pause_on_the_end_of_stream(chain):
    answer = chain({"reqbody": "ret 0|ret 1"}, body=["a", "b"], response={})
    assert answer["action"] == "paused" and answer["request_body"] == "a"
    answer = chain({"respbody": "ret 3"}, response={"body": "a"})
    assert answer["action"] == "paused" and answer["response_body"] == ""


def test_continue_of_the_other_direction_is_forgotten(chain):
    answer = chain({"reqbody": "continue 1; continue 0; ret 0", "response": "ret 3"}, body="a", response={"body": "b"})
    assert answer["action"] == "paused"


def test_stop_all_and_resumed(chain):
    """A response callback resumes nothing of the request; the body of a stream that was resumed is shown to the step that held it."""
    answer = chain({"request": "continue 0; ret 3", "reqbody": "buf 0 0 9"}, body=["a", "b"], response={})
    assert calls(answer, "request_body") == ["request_body 2 1 0", "request_body 2 1 1"] and answer["action"] == "continue"


# ---- limits ----------------------------------------------------------------------------------------


def test_request_limit(chain):
    answer = chain({"request": "setprop set_decoder_buffer_limit 4", "reqbody": "ret 1"}, body=["abc", "de"], response={})
    assert (answer["action"], answer["status"], answer["body"], answer["details"]) == ("local", 413, "Payload Too Large", "request_payload_too_large")
    assert chain({"request": "setprop set_decoder_buffer_limit 5", "reqbody": "ret 1|"}, body=["abc", "de"], response={})["action"] == "continue"


def test_request_limit_while_all_is_stopped(chain):
    answer = chain({"request": "setprop set_decoder_buffer_limit 4; ret 3"}, body=["abc", "de"], response={})
    assert (answer["action"], answer["status"]) == ("local", 413)
    # 4 asks for back-pressure instead: nothing more is read.
    assert chain({"request": "setprop set_decoder_buffer_limit 4; ret 4"}, body=["abc", "de"], response={})["action"] == "paused"


@pytest.mark.parametrize("scripts", [{"request": "ret 3"}, {"reqbody": "ret 1"}])
def test_early_limit(chain, scripts):
    answer = chain(scripts, headers=[("content-length", str((1 << 20) + 1))], body=["a"], response={})
    assert (answer["action"], answer["status"]) == ("local", 413)
    assert chain(scripts, headers=[("content-length", str(1 << 20))], body=["a"], response={})["action"] == "paused"


def test_default_limit_is_one_mebibyte(chain):
    most = "x" * (1 << 20)
    assert chain({"reqbody": "ret 1|"}, body=[most, ""], response={})["action"] == "continue"
    assert chain({"reqbody": "ret 1|"}, body=[most + "x", ""], response={})["status"] == 413


def test_watermark_has_no_limit_but_blocks(chain):
    answer = chain({"request": "setprop set_decoder_buffer_limit 2", "reqbody": "ret 2"}, body=["abc", "d"], response={})
    assert answer["action"] == "paused" and len(calls(answer, "request_body")) == 1


def test_response_limit(chain):
    scripts = {"request": "setprop set_encoder_buffer_limit 4", "respbody": "ret 1"}
    answer = chain(scripts, response={"body": ["abc", "de"]})
    assert answer["action"] == "closed"  # the headers are out
    answer = chain({**scripts, "response": "ret 1"}, abi="0_2_100", response={"body": ["abc", "de"]})
    assert (answer["action"], answer["status"], answer["details"]) == ("local", 500, "response_payload_too_large")


# ---- local responses ---------------------------------------------------------------------------------


def test_local_response_from_the_request_body(chain):
    answer = chain({"reqbody": "ret 0|local 403 d no -1 x-a 1", "respbody": "setbuf 1 99 0 !"}, steps=2, body=["a", "b"], response={})
    assert (answer["action"], answer["status"], answer["body"]) == ("local", 403, "no")
    # It passes the response callbacks of both steps, in reverse.
    assert calls(answer, "response_body") == ["response_body 4 2 1", "response_body 3 3 1"]
    assert answer["response_body"] == "no!!"


def test_local_response_that_is_held_is_let_go(chain):
    """A plugin may pause on the answer of another one as on any response; it could not continue once."""
    answer = chain({"request": "local 403 d no -1", "response": "continue 1; ret 4"}, response={})
    assert (answer["action"], answer["status"], answer["body"]) == ("local", 403, "no")
    answer = chain({"request": "local 403 d no -1", "respbody": "continue 1; ret 1"}, response={})
    assert (answer["action"], answer["status"], answer["body"]) == ("local", 403, "no")
    # In the call that answers it still means nothing.
    answer = chain({"response": "local 418 d mine -1; continue 1; ret 4"}, response={"body": "theirs"})
    assert (answer["action"], answer["status"], answer["body"]) == ("local", 418, "mine")


def test_local_response_from_the_response(chain):
    answer = chain({"response": "ret 1", "respbody": "local 418 d mine -1"}, abi="0_2_100", response={"body": "theirs"})
    assert (answer["action"], answer["status"], answer["body"]) == ("local", 418, "mine") and "response_body" not in answer
    assert chain({"respbody": "local 418 d mine -1"}, response={"body": "theirs"})["action"] == "closed"  # too late
    assert chain({"reqbody": "close 0"}, body="a", response={})["action"] == "closed"
    assert chain({"respbody": "close 1"}, response={"body": "a"})["action"] == "closed"


# ---- trailers ------------------------------------------------------------------------------------------


def test_trailers(chain):
    answer = chain({"reqtrailers": "get 1 x-t; add 1 x-more 2", "resptrailers": "pairs 3; remove 3 x-r"}, body=["a"],
                   trailers=[["X-T", "1"]], response={"body": "b", "trailers": [["x-r", "1"]]})
    assert answer["action"] == "continue" and outcomes(answer)["get 1 x-t"] == "0 1" and outcomes(answer)["pairs 3"] == "0 n=1 x-r=1"
    assert calls(answer, "request", "response") == ["request_headers 2 6 0", "request_body 2 1 0", "request_trailers 2 1",
                                                    "response_headers 2 1 0", "response_body 2 1 0", "response_trailers 2 1"]
    assert answer["request_trailers"] == [["x-t", "1"], ["x-more", "2"]] and answer["response_trailers"] == []


def test_trailers_release_what_is_held(chain):
    answer = chain({"request": "ret 1", "reqbody": "ret 1", "reqtrailers": "buf 0 0 9"}, abi="0_2_100", body=["a", "b"], trailers=[], response={})
    assert answer["action"] == "continue" and "request_body" not in answer and outcomes(answer)["buf 0 0 9"] == "0 ab"
    answer = chain({"reqbody": "ret 1", "reqtrailers": "ret 1"}, body=["a"], trailers=[], response={})
    assert answer["action"] == "paused" and answer["request_body"] == ""
    answer = chain({"reqbody": "ret 1", "reqtrailers": "continue 0; ret 1"}, body=["a"], trailers=[], response={})
    assert answer["action"] == "continue"


def test_trailers_without_a_body(chain):
    answer = chain({"request": ""}, trailers=[["a", "b"]], response={})
    assert calls(answer, "request") == ["request_headers 2 5 0", "request_trailers 2 1"]


def test_trailers_made_in_the_last_body_callback(chain):
    answer = chain({"respbody": "add 3 x-t 1|add 3 x-t 1", "reqbody": "add 1 x-t 1|"}, steps=2, body=["a", "b"], response={"body": ["a", "b"]})
    assert statuses(answer) == [2, 2, 2, 2, 0, 2]  # first chunks are too early; step 1 sees trailers, not an end
    assert calls(answer, "response_body", "response_trailers") == [
        "response_body 4 1 0", "response_body 3 1 0", "response_body 4 1 1", "response_body 3 1 0", "response_trailers 3 1"]
    assert answer["response_trailers"] == [["x-t", "1"]] and answer["action"] == "continue"


# ---- failure ----------------------------------------------------------------------------------------------


def test_trap_in_a_body_callback(chain):
    answer = chain({"reqbody": "ret 1|trap"}, body=["a", "b"], response={})
    assert (answer["action"], answer["status"]) == ("trap", 503)
    answer = chain({"reqbody": "ret 1|trap"}, body=["a", "b"], response={}, options=["--fail-open"])
    assert answer["action"] == "continue" and "request_body" not in answer
    assert chain({"respbody": "trap"}, response={"body": "a"})["action"] == "closed"


def test_once_each_at_the_end(chain):
    for scripts in [{"reqbody": "ret 1"}, {"reqbody": "local 403 d b -1"}, {"respbody": "close 0"}, {}]:
        answer = chain(scripts, steps=2, body=["a", "b"], response={"body": "c"})
        assert sorted(line.split()[0] for line in calls(answer, "done", "log", "delete")) in (
            ["delete", "delete", "done", "done", "log", "log"], ["delete", "done", "log"])
