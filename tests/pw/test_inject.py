"""Bytes that a plugin puts into the response by itself (host facts 2.5): where they go, what they let go, where they end it."""
import pytest
from conftest import outcomes, statuses, values
from test_bodies import calls, fixture_chain  # noqa: F401 (a fixture)

DATA = {"body": ["one,", "two,", "three"]}
BY = {"call": "inject %s %d", "foreign": "injectby inject_encoded_data_to_filter_chain %s %d",
      "on_header": "injectby inject_encoded_data_to_filter_chain_on_header %s %d"}


@pytest.fixture(name="inject", params=BY)
def fixture_inject(request):
    return lambda text, end=0: BY[request.param] % (text, end)


def test_before_the_chunk(chain, inject):
    answer = chain({"respbody": f"{inject('A')}; {inject('B')}|{inject('C')}|ret 0"}, response=DATA)
    assert answer["response_body"] == "ABone,Ctwo,three" and statuses(answer) == [0, 0, 0]


def test_in_the_place_of_chunks(chain, inject):
    """What streaming plugins do: drop the chunk, send another."""
    answer = chain({"respbody": f"{inject('A')}; ret 3|ret 3|{inject('Z', 1)}; ret 3"}, response=DATA)
    assert answer["response_body"] == "AZ" and answer["action"] == "continue"


def test_past_the_step_itself(chain, inject):
    """The next step on the way out sees what was injected as any chunk; the one that injected does not."""
    answer = chain({"respbody": f"{inject('A')}|ret 0"}, steps=2, response={"body": ["x", "y"]})
    assert answer["response_body"] == "AAxy"     # context 4 runs first; its A is a chunk to context 3, which puts another before it
    assert calls(answer, "response_body") == ["response_body 4 1 0", "response_body 3 1 0", "response_body 3 1 0", "response_body 4 1 1",
                                              "response_body 3 1 1"]


def test_for_another_step(chain, inject):
    """Context 3 acts for context 4, whose chunk it has; too late once context 4 has seen the end."""
    answer = chain({"respbody": f"ret 0|effective 4; {inject('A')}|ret 0"}, steps=2, response={"body": ["w", "x", "y"]})
    assert answer["response_body"] == "wAxAy" and calls(answer, "response_body").count("response_body 3 1 0") == 4


def test_headers_go_along(chain, inject):
    """Headers that the step holds go before what it injects; what it holds of the body stays."""
    answer = chain({"response": f"{inject('A')}; ret 4"}, response=DATA)
    assert answer["action"] == "paused" or answer["response_body"] == "A"
    assert answer["response_body"] == "A" and calls(answer, "response_body") == []
    answer = chain({"response": "ret 1", "respbody": f"{inject('A')}; ret 1|{inject('B')}; ret 1|ret 0"}, abi="0_2_100", response=DATA)
    assert answer["response_body"] == "ABone,two,three" and answer["action"] == "continue"


def test_the_headers_go_once(chain, inject):
    answer = chain({"response": f"{inject('A')}; ret 1", "respbody": "ret 0"}, abi="0_2_100", steps=2, response=DATA)
    assert calls(answer, "response_headers") == ["response_headers 4 1 0", "response_headers 3 1 0"]
    assert answer["response_body"].endswith("one,two,three") and answer["response_body"].startswith("A")


def test_a_response_without_a_body(chain, inject):
    answer = chain({"response": f"{inject('new', 1)}; ret 1"}, response={})
    assert answer["response_body"] == "new" and answer["action"] == "continue"
    answer = chain({"response": inject("new", 1)}, response={})
    assert answer["response_body"] == "new" and answer["action"] == "continue"
    answer = chain({"response": inject("new")}, steps=2, response={})
    assert answer["response_body"] == "newnew" and calls(answer, "response_body") == ["response_body 3 3 0", "response_body 3 0 1"]


def test_the_rest_is_dropped(chain, inject):
    """An end that was injected is the end, whatever else comes."""
    answer = chain({"respbody": f"{inject('A', 1)}|ret 0"}, response=DATA)
    assert answer["response_body"] == "A" and calls(answer, "response_body") == ["response_body 2 4 0"]
    answer = chain({"respbody": f"{inject('A', 1)}; {inject('B')}; {inject('C', 1)}"}, response=DATA)
    assert answer["response_body"] == "A" and statuses(answer) == [0, 0, 0]
    answer = chain({"response": f"{inject('A', 1)}", "resptrailers": "log 2 trailers"},
                   response={**DATA, "trailers": [["t", "1"]]})
    assert answer["response_body"] == "A" and "info: trailers" not in answer["logs"]
    assert chain({"respbody": inject("_", 1)}, response=DATA)["response_body"] == ""


def test_trailers(chain, inject):
    answer = chain({"resptrailers": inject("A")}, response={"body": "b", "trailers": [["t", "1"]]})
    assert answer["response_body"] == "bA" and answer["response_trailers"] == [["t", "1"]]


def test_from_a_callout(chain, inject):
    """Nothing of the response runs: the server is asked to go on."""
    for status in 1, 4:
        answer = chain({"response": f"call svc / 0 _ then; ret {status}", "then": f"effective @; {inject('A', 1)}"}, abi="0_2_100",
                       response={}, callouts=[{}])
        assert answer["action"] == "continue" and answer["response_body"] == "A"
    answer = chain({"response": "ret 0", "respbody": "call svc / 0 _ then; ret 3", "then": f"effective @; {inject('A')}; continue 1"},
                   response={"body": "b"}, callouts=[{}])
    assert answer["action"] == "continue" and answer["response_body"] == "A"


def test_where_there_is_no_response(run, chain, inject):
    """It is OK, and nothing happens."""
    answer = chain({"request": inject("A"), "reqbody": inject("B"), "done": inject("C"), "log": inject("D", 1)}, body="q", response=DATA)
    assert "response_body" not in answer and statuses(answer) == [0, 0, 0, 0]
    result = run("probe_body", [{"headers": [], "response": DATA}], "configure: " + inject("A"))
    assert result.code == 0 and "response_body" not in result[0]


def test_without_a_body_callback(run, inject):
    """The server passes the body on by itself, unless bytes were injected before it learned that the headers are through."""
    request = {"headers": [["x-response", inject("A")]], "response": DATA}
    assert run("probe-0_2_1", [request])[0]["response_body"] == "Aone,two,three"


def test_a_local_response(chain, inject):
    answer = chain({"request": "local 200 d body -1", "response": inject("A")}, response=DATA)
    assert answer["response_body"] == "Abody" and values(answer["response_headers"], ":status") == ["200"]
    answer = chain({"response": f"{inject('A')}; local 403 d body -1"}, response=DATA)
    assert answer["action"] == "local" and answer["status"] == 403 and answer.get("response_body", "") == ""


def test_a_lot(chain):
    answer = chain({"respbody": "injectfill 50000 0; injectfill 50000 0; ret 0"}, response={"body": "b"})
    assert answer["response_body"] == "i" * 100000 + "b"


def test_malformed(chain):
    answer = chain({"response": "foreign0 inject_encoded_data_to_filter_chain zzz; foreign0 inject_encoded_data_to_filter_chain _"}, response=DATA)
    assert list(outcomes(answer).values()) == ["2", "0"] and "response_body" not in answer


def test_a_trap_after_it(run, inject):
    request = {"headers": [["x-respbody", f"{inject('A')}; trap"]], "response": DATA}
    assert run("probe_body", [request], "", "--fail-open")[0]["response_body"].endswith("one,two,three")
