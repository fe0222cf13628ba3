// Which configurations a plugin takes, asked of its module alone: many of them in one process.  Arguments: module, file
// with an array of texts; prints an array of {taken, said}, with the lines that the plugin logged as warnings and errors.
// Each configuration gets a root of its own, which is deleted afterwards.
import { readFileSync } from 'node:fs';

const [file, textsFile] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(file));
const OK = 0, UNIMPLEMENTED = 12, WARN = 3, MAX_MEMORY = 512 << 20;
const bytes = new TextEncoder(), text = new TextDecoder();
let guest, config, said;

const view = () => new DataView(guest.memory.buffer);
const imports = {
  proxy_log: (level, at, len) => (said.push(text.decode(new Uint8Array(guest.memory.buffer, at, len))), OK),
  proxy_get_log_level: (out) => (view().setUint32(out, WARN, true), OK),
  proxy_get_current_time_nanoseconds: (out) => (view().setBigUint64(out, 1700000000000000000n, true), OK),
  proxy_get_buffer_bytes: (_buffer, start, max, at, len) => {
    const part = config.subarray(start, start + max), p = guest.malloc(part.length);
    new Uint8Array(guest.memory.buffer, p, part.length).set(part);
    view().setUint32(at, p, true);
    view().setUint32(len, part.length, true);
    return OK;
  },
  proxy_redis_init: () => OK,
};

function start() {
  const stubs = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (stubs[from] ??= {})[name] = imports[name] ?? (() => (from === 'env' ? UNIMPLEMENTED : 0));
  }
  guest = new WebAssembly.Instance(module, stubs).exports;
  guest._initialize();
}

function ask(one, i) {
  if (!guest || guest.memory.buffer.byteLength > MAX_MEMORY) start();
  config = bytes.encode(one);
  said = [];
  guest.proxy_on_context_create(i + 1, 0);
  const taken = guest.proxy_on_configure(i + 1, config.length) !== 0;
  guest.proxy_on_delete(i + 1);
  return { taken, said };
}

console.log(JSON.stringify(JSON.parse(readFileSync(textsFile)).map(ask)));
