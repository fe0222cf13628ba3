// The load of `make bench-oauth` for k6: every request carries a token that oauth verifies.
//
//   make run EXAMPLE=examples/oauth/gateway.yaml &
//   k6 run bench/k6/oauth.js            # URL, VUS and DURATION can be set with -e NAME=VALUE
import http from 'k6/http';
import { check } from 'k6';

const url = __ENV.URL || 'http://127.0.0.1:10000/';
const token =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFwcGxpY2F0aW9uL2F0K2p3dCJ9.eyJhdWQiOiJ0ZXN0MiIsImNsaWVudF9pZCI6Ijk1MTViNTY0LTBiMWQtMTFlZS05YzRjLTAwMTYzZTEyNTBiNSIsImV4cCI6MTY2NTY3MzgyOSwiaWF0IjoxNjY1NjczODE5LCJpc3MiOiJIaWdyZXNzLUdhdGV3YXkiLCJqdGkiOiIxMDk1OWQxYi04ZDYxLTRkZWMtYmVhNy05NDgxMDM3NWI2M2MiLCJzY29wZSI6InRlc3QiLCJzdWIiOiJjb25zdW1lcjEifQ.LsZ6mlRxlaqWa0IAZgmGVuDgypRbctkTcOyoCxqLrHY';

export const options = {
  vus: Number(__ENV.VUS || 64),
  duration: __ENV.DURATION || '30s',
  thresholds: { checks: ['rate==1'] },
};

export default function () {
  const response = http.get(url, { headers: { Authorization: `Bearer ${token}` } });
  check(response, { 'status is 200': (r) => r.status === 200 });
}
