// How much memory a guest has after its configuration was replaced many times, in two ways a host may do it: a
// new root for each and the old one deleted, and the same root configured again.  Arguments: module, file with
// the configuration, rounds.  Prints {"start": bytes, "roots": [bytes, ...], "again": [bytes, ...]}, each
// array with the size after a half and after all of the rounds.
import { readFileSync } from 'node:fs';

const [file, configFile, roundsText] = process.argv.slice(2);
const config = readFileSync(configFile);
const rounds = Number(roundsText);
const OK = 0, UNIMPLEMENTED = 12, ERROR_LEVEL = 4;
let guest;

const view = () => new DataView(guest.memory.buffer);
const imports = {
  proxy_log: () => OK,
  proxy_get_log_level: (out) => (view().setUint32(out, ERROR_LEVEL, true), OK),
  proxy_get_current_time_nanoseconds: (out) => (view().setBigUint64(out, 1700000000000000000n, true), OK),
  proxy_get_buffer_bytes: (_buffer, _start, _max, at, len) => {
    const p = guest.malloc(config.length);
    new Uint8Array(guest.memory.buffer, p, config.length).set(config);
    view().setUint32(at, p, true);
    view().setUint32(len, config.length, true);
    return OK;
  },
  proxy_redis_init: () => OK,
};
const module = new WebAssembly.Module(readFileSync(file));
const stubs = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  (stubs[from] ??= {})[name] = imports[name] ?? (() => (from === 'env' ? UNIMPLEMENTED : 0));
}
guest = new WebAssembly.Instance(module, stubs).exports;
guest._initialize();

const bytes = () => guest.memory.buffer.byteLength;
function configure(root) {
  guest.proxy_on_context_create(root, 0);
  if (!guest.proxy_on_configure(root, config.length)) throw new Error('the configuration is refused');
}
function repeat(round) {
  const sizes = [];
  for (let i = 1; i <= rounds; i++) {
    round(i);
    if (i === Math.ceil(rounds / 2) || i === rounds) sizes.push(bytes());
  }
  return sizes;
}

const start = bytes();
const roots = repeat((i) => { configure(i); guest.proxy_on_delete(i); });
const again = repeat(() => configure(1));
console.log(JSON.stringify({ start, roots, again }));
