"""Foreign functions and Higress's upstream host calls (host facts 1.22, 2.7)."""
import subprocess
import zlib

import pytest
from conftest import outcomes, statuses


def call(name, data):
    """The probe's command; an argument holds 255 characters."""
    text = data.hex()
    return f"foreignhex {name} " + " ".join(text[i:i + 250] for i in range(0, len(text), 250))


def field(number, data):
    assert len(data) < 16384
    size = bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 0x7f | 0x80, len(data) >> 7])
    return bytes([number << 3 | 2]) + size + data


def result(answer, name):
    status, _, text = outcomes(answer)["foreignhex " + name].partition(" ")
    return int(status), bytes.fromhex(text)


def test_compress(probe):
    answer = probe({"request": call("compress", b"hello hello hello hello") + "; " + call("uncompress", zlib.compress(b"world" * 50))})
    status, data = result(answer, "compress")
    assert status == 0 and zlib.decompress(data) == b"hello hello hello hello"
    assert result(answer, "uncompress") == (0, b"world" * 50)


@pytest.mark.parametrize("bad", [b"", b"no zlib stream", zlib.compress(b"cut off")[:-3], zlib.compress(b"more") + b"behind it"])
def test_uncompress_failures(probe, bad):
    assert result(probe({"request": call("uncompress", bad)}), "uncompress") == (3, b"")


@pytest.mark.parametrize("mib,expected", [(60, f"0 = 0 {60 << 20}"), (65, "0 = 3 ")])
def test_uncompress_is_bounded(probe, mib, expected):
    """A small stream may hold a lot: 64 MiB and no more."""
    bomb = zlib.compress(zlib.compress(bytes(mib << 20)))
    assert outcomes(probe({"request": call("", bomb).replace("foreignhex  ", "twice ")},
                          options=["--cpu-budget-ms", "20000"]))["twice"].startswith(expected)


@pytest.fixture(name="keys", scope="module")
def fixture_keys(tmp_path_factory):
    """{kind: (private DER, private PEM, public DER, public PEM)}"""
    folder, keys = tmp_path_factory.mktemp("keys"), {}

    def openssl(*args):
        return subprocess.run(["openssl", *map(str, args)], capture_output=True, check=True).stdout
    for kind, options in {"ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]}.items():
        openssl("genpkey", *options, "-out", folder / kind)
        private = openssl("pkey", "-in", folder / kind, "-outform", "DER"), openssl("pkey", "-in", folder / kind)
        keys[kind] = *private, openssl("pkey", "-in", folder / kind, "-pubout", "-outform", "DER"), openssl("pkey", "-in", folder / kind, "-pubout")
    return keys


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("pem", [False, True])
@pytest.mark.parametrize("hash_name", [b"sha256", b"SHA512"])
def test_sign_and_verify(probe, keys, kind, pem, hash_name):
    private_der, private_pem, public_der, public_pem = keys[kind]
    private = field(4, private_pem) if pem else field(2, private_der)
    public = field(5, public_pem) if pem else field(2, public_der)
    status, signed = result(probe({"request": call("sign", field(1, hash_name) + private + field(3, b"the text"))}), "sign")
    assert status == 0 and signed[:3] == b"\x08\x01\x12"
    signature = signed[4:] if signed[3] < 128 else signed[5:]
    for text, verified in ((b"the text", True), (b"another text", False)):
        answer = probe({"request": call("verify_signature", field(1, hash_name) + public + field(3, signature) + field(4, text))})
        status, got = result(answer, "verify_signature")
        assert status == 0 and got.startswith(b"\x08\x01") == verified and (verified or b"does not match" in got)


def test_signature_failures(probe, keys):
    public = field(2, keys["ec"][2])
    for data, text in ((field(1, b"md5") + public, b"hash function"), (field(1, b"sha256") + field(2, b"junk"), b"public key"),
                       (field(1, b"sha256") + public, b"does not match")):
        status, got = result(probe({"request": call("verify_signature", data)}), "verify_signature")
        assert status == 0 and text in got and not got.startswith(b"\x08\x01")
    assert b"private key" in result(probe({"request": call("sign", field(1, b"sha1"))}), "sign")[1]
    for name in ("sign", "verify_signature"):
        assert result(probe({"request": call(name, b"\x0a\xff")}), name) == (2, b""), "a message that does not parse"


def test_filter_state(probe):
    answer = probe({"request": call("set_envoy_filter_state", field(1, b"my.key") + field(2, b"its value")) + "; prop filter_state~my.key; prop my.key;"
                               "setprop flat text; prop filter_state~wasm.flat; prop filter_state~none; " + call("declare_property", field(1, b"p"))})
    got = outcomes(answer)
    assert result(answer, "set_envoy_filter_state") == (0, b"") and result(answer, "declare_property") == (0, b"")
    assert (got["prop filter_state~my.key"], got["prop my.key"]) == ("0 its value", "1")
    assert (got["prop filter_state~wasm.flat"], got["prop filter_state~none"]) == ("0 text", "1")
    for bad in (b"\x0a\xff", field(2, b"no path")):
        assert result(probe({"request": call("set_envoy_filter_state", bad)}), "set_envoy_filter_state")[0] == 2
    assert result(probe({"request": call("declare_property", b"\xff")}), "declare_property")[0] == 2


def test_others(probe):
    answer = probe({"request": call("set_global_max_requests_per_io_cycle", bytes(8)) + "; foreign expr_create 1; foreign expr_evaluate 1; foreign expr_delete 1; foreign nope x"})
    assert statuses(answer) == [0, 1, 1, 1, 1]
    assert statuses(probe({"request": "foreign set_global_max_requests_per_io_cycle x"})) == [2]


def test_filter_state_needs_a_stream(run):
    done = run("probe", [{"headers": []}], "configure: " + call("set_envoy_filter_state", field(1, b"k") + field(2, b"v")))
    assert "info: foreignhex set_envoy_filter_state = 1" in done.stderr


def test_upstream_hosts(probe, run):
    answer = probe({"request": "hosts; override 10.0.0.2:81"}, upstream_hosts={"10.0.0.1:80": True, "10.0.0.2:81": False})
    assert outcomes(answer)["hosts"] == ('0 n=2 10.0.0.1:80={"health_status":"Healthy","metrics":""} '
                                         '10.0.0.2:81={"health_status":"Unhealthy","metrics":""}')
    assert answer["upstream_override"] == "10.0.0.2:81" and statuses(answer) == [0, 0]
    assert statuses(probe({"request": "hosts"})) == [1], "no service, no hosts"
    done = run("probe", [{"headers": []}], "configure: hosts; override 1.2.3.4:5")
    assert "info: hosts = 1" in done.stderr and "info: override 1.2.3.4:5 = 0" in done.stderr


def test_override_only_in_the_request_phase(probe):
    answer = probe({"response": "override 10.0.0.2:81"}, response={})
    assert statuses(answer) == [0] and "upstream_override" not in answer
