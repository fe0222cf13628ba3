"""What a module imports and exports, read from its bytes; and what the ABI's table says of host calls."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLUGINS = sorted(p for p in os.listdir(os.path.join(ROOT, "plugins")) if os.path.exists(os.path.join(ROOT, "plugins", p, "plugin.c")))
TYPES = {0x7F: "i", 0x7E: "I", 0x7D: "f", 0x7C: "F"}
IMPORTS, TYPE_SECTION, FUNCTIONS, EXPORTS = 2, 1, 3, 7


def path_of(plugin):
    return os.path.join(ROOT, f"build/plugins/{plugin}.wasm")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        value = shift = 0
        while True:
            b = self.byte()
            value, shift = value | (b & 127) << shift, shift + 7
            if b < 128:
                return value

    def bytes(self):
        n = self.number()
        self.at += n
        return self.data[self.at - n:self.at]

    def list(self, read):
        return [read() for _ in range(self.number())]


class Module:
    """imports: {(module, name): type}, exports: {name: type, or None if it is no function}; a type is as "ii:i"."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        assert data[:8] == b"\0asm\1\0\0\0"
        r, sections = Reader(data[8:]), {}
        while r.at < len(r.data):
            sections.setdefault(r.byte(), Reader(r.bytes()))
        self.types = sections[TYPE_SECTION].list(lambda r=sections[TYPE_SECTION]: self.type_of(r))
        self.imports, self.functions = {}, []
        r = sections.get(IMPORTS, Reader(b"\0"))
        r.list(lambda: self.add_import(r))
        self.functions += sections[FUNCTIONS].list(lambda r=sections[FUNCTIONS]: self.types[r.number()])
        r = sections[EXPORTS]
        self.exports = dict(r.list(lambda: self.export_of(r)))

    @staticmethod
    def type_of(r):
        assert r.byte() == 0x60
        return ":".join("".join(TYPES[t] for t in r.bytes()) for _ in range(2))

    def add_import(self, r):
        key = (r.bytes().decode(), r.bytes().decode())
        assert r.byte() == 0, f"{key} is no function"
        self.imports[key] = self.types[r.number()]
        self.functions.append(self.imports[key])

    def export_of(self, r):
        name, kind, index = r.bytes().decode(), r.byte(), r.number()
        return name, self.functions[index] if kind == 0 else None


def host_calls():
    """{name: (type, since)} of src/pw/abi.def."""
    with open(os.path.join(ROOT, "src/pw/abi.def"), encoding="utf-8") as f:
        rows = re.findall(r'^PW_CALL\((\w+), (\w+),\s+"[^"]*",\s+"[^"]*",\s+(\w+),', f.read(), re.M)
    return {name: ("iI:i" if signature == "iI" else "i" * int(signature[1:]) + ":" + ("i" if signature[0] == "i" else ""), since)
            for name, signature, since in rows}
