"""bot-detect through the gateway: built-in list, rules of both kinds, User-Agents as long as nginx takes them."""
import os

import pytest

from conftest import ROOT

MODULE = "file:" + os.path.join(ROOT, "build/plugins/bot-detect.wasm")
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    return gateways({
        "services": [{"name": "echo", "endpoints": [echo.address]}],
        "routes": [{"name": n, "match": {"path": {"prefix": "/" + n}}, "service": "echo"} for n in ("api", "open", "own", "plain")],
        "plugins": [{
            "name": "bot-detect", "url": MODULE, "phase": "AUTHZ", "priority": 310,
            "defaultConfig": {"deny": ["spd-tools.*"], "blocked_message": "no bots",
                              "_rules_": [{"_match_route_": ["own"], "builtin": ["ai"], "blocked_code": 404}]},
            "matchRules": [{"route": ["api"], "config": {"allow": [".*curl.*"]}}, {"route": ["open"], "configDisable": True}]}]})


def ask(gw, path, agent):
    return gw.send(path, headers=[("User-Agent", agent)] if agent is not None else [])


@pytest.mark.parametrize("path,agent,status", [
    ("/plain", BROWSER, 200), ("/plain", GOOGLEBOT, 403), ("/plain", None, 200),
    ("/own", "GPTBot/1.2", 404), ("/own", GOOGLEBOT, 200), ("/own", BROWSER, 200),
    ("/api", BROWSER, 200), ("/api", GOOGLEBOT, 403), ("/api", "curl/8.5.0", 200), ("/api", "python-requests/2.31.0", 403),
    ("/open", GOOGLEBOT, 200), ("/open", "sqlmap/1.7", 200)])
def test_verdicts(gw, path, agent, status):
    response = ask(gw, path, agent)
    assert response.status == status
    if status == 200:
        assert response.seen_header("user-agent") == agent


def test_the_refusal_and_its_line_in_the_access_log(gw):
    response = ask(gw, "/plain/refused", "spd-tools/1.1")
    assert (response.status, response.text) == (403, "no bots")
    entry = gw.access(path="/plain/refused")
    assert (entry["plugin"], entry["upstream"]) == ("bot-detect", "")
    assert entry["details"] == "Request_denied_by_Bot_Detect_check._deny[0]"
    assert ask(gw, "/plain/list", "curl/8").status == 403
    assert gw.access(path="/plain/list")["details"] == "Request_denied_by_Bot_Detect_check._built-in_library"


@pytest.mark.parametrize("agent,status", [("q" * 7000, 200), ("googlebo" * 800, 200), ("x" * 6000 + " Googlebot/2.1", 403),
                                          ("\xff\xfe Googlebot \xc3", 403), ("\xe9" * 500, 200), ("()[]{}*+?\\|^$.", 200)])
def test_hostile_user_agents(gw, agent, status):
    assert ask(gw, "/plain", agent).status == status
