"""key-auth with rules of its own (`_rules_`), matched by what the gateway says of route, service and host."""
import pytest

from conftest import KEY_AUTH


@pytest.fixture(name="gw", scope="module")
def fixture_gw(gateways, echo):
    routes = [{"name": n, "match": {"path": {"prefix": "/" + n}}, "service": "echo"} for n in ("orders", "pre-1", "plain")]
    return gateways({
        "services": [{"name": "echo", "endpoints": [echo.address]}, {"name": "other", "endpoints": [echo.address]}],
        "routes": routes + [{"name": "other", "match": {"path": {"prefix": "/other"}}, "service": "other"}],
        "plugins": [{
            "name": "key-auth", "url": KEY_AUTH, "phase": "AUTHN", "priority": 310,
            "defaultConfig": {
                "consumers": [{"name": "one", "credential": "c1"},
                              {"name": "two", "credentials": ["c2", "x y"], "keys": ["x-two"], "in_header": False}],
                "keys": ["k"], "global_auth": True,
                "_rules_": [{"_match_domain_": ["*.off.example"], "_disable_": True},
                            {"_match_route_": ["orders"], "allow": ["one"]},
                            {"_match_route_prefix_": ["pre-"], "allow": ["two"]},
                            {"_match_route_": ["other"], "credentials": ["local"], "keys": ["k"], "realm": "other"}]}}]})


@pytest.mark.parametrize("path,headers,status,consumer", [
    ("/plain", {"k": "c1"}, 200, "one"), ("/plain?k=c1", {}, 200, "one"), ("/plain?x-two=c2", {}, 200, "two"),
    ("/plain?x-two=x%20y", {}, 200, "two"), ("/plain", {"x-two": "c2"}, 401, None), ("/plain", {}, 401, None),
    ("/plain?x-two=x+y", {}, 401, None), ("/plain", {"k": "c1", "X-Mse-Consumer": "admin"}, 200, "one"),
    ("/plain?k=c1", {"k": "wrong"}, 401, None), ("/plain", {"Host": "a.off.example"}, 200, None),
    ("/orders", {"k": "c1"}, 200, "one"), ("/orders?x-two=c2", {}, 403, None), ("/orders", {}, 401, None),
    ("/pre-1?x-two=c2", {}, 200, "two"), ("/pre-1", {"k": "c1"}, 403, None),
    ("/other", {"k": "local"}, 200, None), ("/other", {"k": "c1"}, 401, None)])
def test_verdicts(gw, path, headers, status, consumer):
    response = gw.send(path, headers=[("Host", headers.pop("Host", "a.example"))] + list(headers.items()))
    assert response.status == status
    if status == 200:
        assert response.seen_header("x-mse-consumer") == consumer
        return
    realm = "other" if path.startswith("/other") else "MSE Gateway"
    assert response.header("www-authenticate") == f"{'Key' if status == 401 else 'Basic'} realm={realm}"
    assert response.body == b""


@pytest.mark.parametrize("path,headers,details", [
    ("/orders/d1", [], "Request_denied_by_Key_Auth_check._Invalid_API_key"),
    ("/orders/d2?x-two=c2", [], "Request_denied_by_Key_Auth_check._Unauthorized_consumer")])
def test_details_in_the_access_log(gw, path, headers, details):
    gw.send(path, headers=headers)
    assert gw.access(path=path)["details"] == details
