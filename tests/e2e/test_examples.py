"""`make run` with each example as it stands, port 10000 and a real redis-server included: every command after `# try:` does what is said of it.

Each demo runs in a network of its own, so its fixed ports are free; what is built is the tests' build."""
import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess

import pytest

from conftest import BUILD, PATIENCE_S, ROOT, Process, wait_for

CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1
LIBC = ctypes.CDLL(None, use_errno=True)
# Statuses that a command's answers have, in the order of the commands.
STATUSES = {"gateway": [["401"], ["200"], ["200"]],
            "oauth/gateway": [["200"], ["401"], [], ["200"]],
            "jwt-logout/gateway": [[], ["200"], ["204"], ["401"], ["204"]],
            "rate-limit/gateway": [["200", "200", "200", "429"], ["200"], ["200"], []]}


def enter_own_network():
    """In a child: a network with nothing but its loopback."""
    if LIBC.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def commands(name):
    """(command, what is said of it or None) of each line."""
    with open(os.path.join(ROOT, f"examples/{name}.yaml"), encoding="utf-8") as f:
        return re.findall(r"^# try: (.+?)(?:\s{2,}# (.*))?$", f.read(), re.M)


class Demo(Process):
    """tools/run-demo, with the build's programs and a state of its own."""

    def __init__(self, name, folder):
        (folder / "build").mkdir()
        os.symlink(os.path.join(BUILD, "weir"), folder / "build/weir")
        try:
            subprocess.run(["true"], preexec_fn=enter_own_network, check=True)
        except subprocess.SubprocessError:
            pytest.skip("needs a network of its own, which this user may not make")
        self.log = str(folder / "log")
        self.out = open(self.log, "ab")
        self.child = subprocess.Popen(["tools/run-demo", str(folder / "build"), f"examples/{name}.yaml"], cwd=ROOT, stdin=subprocess.DEVNULL,
                                      stdout=self.out, stderr=self.out, preexec_fn=enter_own_network)
        wait_for("the demo", self.is_ready)

    def is_ready(self):
        assert self.child.poll() is None, self.output()
        return "weir: ready" in self.output()

    def shell(self, lines):
        """What each of the lines prints; they share variables."""
        script = "".join(f"{line}\nprintf '\\n%s\\n' '<end>'\n" for line in lines)
        done = subprocess.run(["nsenter", "-t", str(self.child.pid), "-n", "bash", "-c", script], cwd=ROOT, capture_output=True, text=True,
                              timeout=4 * PATIENCE_S, check=True)
        return done.stdout.split("\n<end>\n")[:-1]


@pytest.mark.parametrize("name", STATUSES)
def test_what_can_be_tried(name, tmp_path):
    demo = Demo(name, tmp_path)
    try:
        tries = commands(name)
        answers = demo.shell([command for command, _ in tries])
        printed = demo.output()
    finally:
        assert demo.stop() == 0
    assert all(command in printed for command, _ in tries)
    assert [re.findall(r"^HTTP/1\.1 (\d+)", answer, re.M) for answer in answers] == STATUSES[name], answers
    for (command, said), answer in zip(tries, answers):
        number = re.match(r"(\d{3})\b", said)
        assert not number or f"HTTP/1.1 {number.group(1)} " in answer, (command, answer)
    if name == "oauth/gateway":
        assert '"access_token": "' in answers[2]
    if name == "rate-limit/gateway":
        assert answers[3].count("higress-cluster-key-rate-limit:demo:") >= 3
    if name == "jwt-logout/gateway":
        assert "Jwt is revoked" in answers[3]


def test_an_interrupt_ends_all_of_it(tmp_path):
    demo = Demo("gateway", tmp_path)
    network = os.stat(f"/proc/{demo.child.pid}/ns/net").st_ino
    assert demo.stop(signal.SIGINT) == 0

    def left():
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.stat(f"/proc/{pid}/ns/net").st_ino == network:
                    found.append(pid)
            except OSError:
                continue
        return found
    wait_for("all of its processes to end", lambda: not left())
