// The figures of bench/engine/micro.c under V8: node micro.mjs MODULE.wasm.
import { readFileSync } from 'node:fs';

const BATCHES = 9, CALLS = 500000, INSTANCES = 300;
const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const imports = { env: { add: (a, b) => (a + b) | 0 } };

function cpuMicros() {
  const used = process.cpuUsage();
  return used.user + used.system;
}

function median(batch) {
  const values = [];
  for (let b = 0; b < BATCHES; b++) {
    const start = cpuMicros();
    batch();
    values.push(cpuMicros() - start);
  }
  return values.sort((a, b) => a - b)[BATCHES >> 1];
}

const { call_host, twice } = new WebAssembly.Instance(module, imports).exports;
const intoGuest = () => { let sum = 0; for (let i = 0; i < CALLS; i++) sum += twice(i, sum); return sum; };
for (let i = 0; i < 3; i++) { call_host(CALLS); intoGuest(); await new Promise((done) => setTimeout(done, 50)); }
console.log(`guest->host call (i32,i32)->i32\t${(median(() => call_host(CALLS)) * 1e3 / CALLS).toFixed(2)}\tns`);
console.log(`host->guest call (i32,i32)->i32\t${(median(intoGuest) * 1e3 / CALLS).toFixed(2)}\tns`);
const make = () => { for (let i = 0; i < INSTANCES; i++) new WebAssembly.Instance(module, imports); };
console.log(`instantiate and free\t${(median(make) / INSTANCES).toFixed(2)}\tus`);
