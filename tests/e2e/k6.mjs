// As much of k6 as bench/k6 uses, on node: modules `k6` and `k6/http`, whose requests curl makes, and run().  It
// says whether a script works, not how much the gateway bears.
import { spawnSync } from 'node:child_process';

globalThis.__ENV = process.env;
const checks = {};

export function check(value, tests) {
  return Object.entries(tests).map(([name, holds]) => {
    const passed = Boolean(holds(value));
    (checks[name] ??= [0, 0])[passed ? 0 : 1]++;
    return passed;
  }).every(Boolean);
}

export default {
  get(url, { headers = {} } = {}) {
    const options = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const { stdout } = spawnSync('curl', ['-s', '-w', '\n%{http_code}', ...options, url], { encoding: 'utf8' });
    const at = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
  },
};

// So many iterations of a script.  As with k6 the exit code is 99 if a threshold does not hold.
export function run({ default: iteration, options }, iterations) {
  for (let i = 0; i < iterations; i++) iteration();
  const all = Object.values(checks), passed = all.reduce((n, [good]) => n + good, 0), sum = all.reduce((n, [good, bad]) => n + good + bad, 0);
  console.log(JSON.stringify({ options, checks }));
  const rate = passed / sum;
  const limits = { 'rate==1': rate === 1 };
  for (const limit of options.thresholds?.checks ?? []) {
    if (!(limit in limits)) throw new Error(`threshold ${limit}?`);
    if (!limits[limit]) process.exitCode = 99;
  }
}
