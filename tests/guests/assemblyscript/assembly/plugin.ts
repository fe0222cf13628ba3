// What the plugins here share, where the SDK has nothing usable: the configuration, bodies, shared data.
import { proxy_get_buffer_bytes, proxy_get_shared_data, proxy_set_shared_data } from "@solo-io/proxy-runtime/imports";

export enum Buffer { RequestBody = 0, ResponseBody = 1, CallBody = 4, PluginConfiguration = 7 }

// @ts-ignore: decorator
@external("env", "proxy_set_buffer_bytes")
declare function proxy_set_buffer_bytes(buffer: u32, start: u32, length: u32, at: usize, size: usize): u32;

// Where the host writes a result: an address and a size, in memory that becomes ours.
class View {
  at: usize;
  size: usize;
}

const view = new View();
const view_at = changetype<usize>(view) + offsetof<View>("at");
const view_size = changetype<usize>(view) + offsetof<View>("size");

export function read_buffer(buffer: Buffer, size: u32): string {
  if (size == 0) return "";
  if (proxy_get_buffer_bytes(buffer, 0, size, view_at, view_size) != 0) return "";
  return String.UTF8.decodeUnsafe(view.at, view.size);
}

// Replace `length` bytes of a body from `start`; a length of 0 inserts there.
export function write_buffer(buffer: Buffer, start: u32, length: u32, text: string): bool {
  let bytes = String.UTF8.encode(text);
  return proxy_set_buffer_bytes(buffer, start, length, changetype<usize>(bytes), bytes.byteLength) == 0;
}

// A value of a flat JSON object, string or number; "" where there is none.
export function field(json: string, name: string): string {
  let at = json.indexOf('"' + name + '":');
  if (at < 0) return "";
  at += name.length + 3;
  while (at < json.length && (json.charAt(at) == " " || json.charAt(at) == '"')) at++;
  let end = at;
  while (end < json.length && json.charAt(end) != '"' && json.charAt(end) != "," && json.charAt(end) != "}") end++;
  return json.substring(at, end);
}

export class SharedValue {
  text: string = "";
  cas: u32 = 0; // 0: there is no such value
}

const cas_at = new ArrayBuffer(4);

export function read_shared(key: string): SharedValue {
  let name = String.UTF8.encode(key);
  let value = new SharedValue();
  if (proxy_get_shared_data(changetype<usize>(name), name.byteLength, view_at, view_size, changetype<usize>(cas_at)) == 0) {
    value.text = String.UTF8.decodeUnsafe(view.at, view.size);
    value.cas = load<u32>(changetype<usize>(cas_at));
  }
  return value;
}

// False: somebody else was first.
export function write_shared(key: string, text: string, cas: u32): bool {
  let name = String.UTF8.encode(key);
  let bytes = String.UTF8.encode(text);
  return proxy_set_shared_data(changetype<usize>(name), name.byteLength, changetype<usize>(bytes), bytes.byteLength, cas) == 0;
}
