// A Proxy-Wasm 0.2.1 host on V8 that has no extension: what a plugin without any needs, and no more.  An import
// that is not here does not link, as in any host.  Arguments: module, file with
// [{config, steps: [{request: {headers, now_ns}}]}]; prints
// [{configured, requests: [{action, status, body, headers, request_headers}]}].  Each configuration gets a new VM.
import { readFileSync } from 'node:fs';

const [file, runsFile] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(file));
const OK = 0, NOT_FOUND = 1, UNIMPLEMENTED = 12, REQUEST_HEADERS = 0, PLUGIN_CONFIG = 7, CONTINUE = 0, ROOT = 1, STREAM = 2;
const text = new TextDecoder(), bytes = new TextEncoder();
const PSEUDO = [[':method', 'GET'], [':path', '/'], [':scheme', 'http'], [':authority', 'example.com']];
const NOW = 1700000000000000000n;
let guest, host;

const view = () => new DataView(guest.memory.buffer);
const read = (at, len) => text.decode(new Uint8Array(guest.memory.buffer, at, len));
function give(value, at, len) {
  const data = typeof value === 'string' ? bytes.encode(value) : value;
  const p = data.length ? guest.malloc(data.length) : 0;
  new Uint8Array(guest.memory.buffer, p, data.length).set(data);
  view().setUint32(at, p, true);
  view().setUint32(len, data.length, true);
  return OK;
}
// Proxy-Wasm's pairs: their number, the sizes, the texts with a NUL behind each.
function readPairs(at, len) {
  if (len === 0) return [];
  const d = new DataView(guest.memory.buffer, at, len), n = d.getUint32(0, true), pairs = [];
  let p = 4 + 8 * n;
  const next = (size) => { p += size + 1; return read(at + p - size - 1, size); };
  for (let i = 0; i < n; i++) pairs.push([next(d.getUint32(4 + 8 * i, true)), next(d.getUint32(8 + 8 * i, true))]);
  return pairs;
}
function writePairs(pairs) {
  const flat = pairs.flat().map((s) => bytes.encode(s));
  const out = new DataView(new ArrayBuffer(4 + flat.reduce((sum, b) => sum + 4 + b.length + 1, 0)));
  out.setUint32(0, pairs.length, true);
  let p = 4 + 4 * flat.length;
  flat.forEach((b, i) => {
    out.setUint32(4 + 4 * i, b.length, true);
    new Uint8Array(out.buffer).set(b, p);
    p += b.length + 1;
  });
  return new Uint8Array(out.buffer);
}
const same = (name) => ([n]) => n.toLowerCase() === name.toLowerCase();
const request = (map) => (map === REQUEST_HEADERS ? host.headers : []);

const env = {
  proxy_log: () => OK,
  proxy_get_log_level: (out) => (view().setUint32(out, 2, true), OK),
  proxy_get_current_time_nanoseconds: (out) => (view().setBigUint64(out, host.now, true), OK),
  proxy_get_property: () => NOT_FOUND,
  proxy_get_buffer_bytes: (buffer, start, max, at, len) =>
    buffer === PLUGIN_CONFIG ? give(host.config.subarray(start, start + max), at, len) : NOT_FOUND,
  proxy_get_header_map_value: (map, name, nameLen, at, len) => {
    const found = request(map).find(same(read(name, nameLen)));
    return found ? give(found[1], at, len) : NOT_FOUND;
  },
  proxy_get_header_map_pairs: (map, at, len) => give(writePairs(request(map)), at, len),
  proxy_add_header_map_value: (map, name, nameLen, value, valueLen) => (request(map).push([read(name, nameLen), read(value, valueLen)]), OK),
  proxy_replace_header_map_value: (map, name, nameLen, value, valueLen) => {
    const entry = [read(name, nameLen), read(value, valueLen)];
    host.headers = host.headers.filter((h) => !same(entry[0])(h)).concat([entry]);
    return OK;
  },
  proxy_remove_header_map_value: (map, name, nameLen) => {
    const gone = read(name, nameLen);
    host.headers = host.headers.filter((h) => !same(gone)(h));
    return OK;
  },
  proxy_send_local_response: (status, details, detailsLen, body, bodyLen, headers, headersLen) => {
    host.answer = { status, body: read(body, bodyLen), headers: readPairs(headers, headersLen) };
    return OK;
  },
  proxy_continue_stream: () => UNIMPLEMENTED,
  proxy_set_effective_context: () => UNIMPLEMENTED,
  proxy_get_status: () => UNIMPLEMENTED,
};

function run({ config, steps }) {
  host = { config: bytes.encode(config), headers: [], now: NOW };
  guest = new WebAssembly.Instance(module, { env }).exports;
  guest._initialize();
  guest.proxy_on_context_create(ROOT, 0);
  const configured = guest.proxy_on_configure(ROOT, host.config.length) !== 0;
  const requests = (configured ? steps : []).map(({ request: { headers, now_ns: now } }) => {
    host.now = now === undefined ? NOW : BigInt(now);
    host.headers = PSEUDO.filter(([n]) => !headers.some(same(n))).concat(headers);
    host.answer = undefined;
    guest.proxy_on_context_create(STREAM, ROOT);
    const action = guest.proxy_on_request_headers(STREAM, host.headers.length, 1);
    guest.proxy_on_delete(STREAM);
    if (host.answer) return { action: 'local', request_headers: host.headers, ...host.answer };
    return { action: action === CONTINUE ? 'continue' : 'pause', request_headers: host.headers };
  });
  return { configured, requests };
}

console.log(JSON.stringify(JSON.parse(readFileSync(runsFile)).map(run)));
