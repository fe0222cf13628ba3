// Runs a kernel N times under V8 in this process: node v8.mjs FILE.wasm N.  Prints its checksum and the CPU seconds of
// the best repetition, so that the optimising tier has long taken over (the compiler's own threads are not in it:
// repetitions are timed when it has finished).
import { readFileSync } from 'node:fs';

const [file, repeat] = [process.argv[2], Number(process.argv[3] ?? 3)];
const { instance } = await WebAssembly.instantiate(readFileSync(file), {});
instance.exports._initialize?.();
let best = Infinity, sum = 0;
for (let i = 0; i < repeat + 2; i++) {
  const start = process.cpuUsage();
  sum = instance.exports.run();
  const used = process.cpuUsage(start);
  const seconds = (used.user + used.system) / 1e6;
  if (i >= 2) best = Math.min(best, seconds);
  await new Promise((done) => setTimeout(done, 20));
}
console.log(`${sum >>> 0}\ncpu_s ${best.toFixed(6)}`);
