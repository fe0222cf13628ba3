// A key and a token of every algorithm, made by node's crypto: JSON on standard output,
// {"RS256": {"jwk": ..., "token": ...}, ...}.  The claims are the first argument.
import { createHmac, generateKeyPairSync, randomBytes, sign, constants } from 'node:crypto';

const claims = process.argv[2] ?? '{"iss":"node","sub":"abc","exp":4102444800}';
const base64url = (data) => Buffer.from(data).toString('base64url');
const curves = { 256: 'P-256', 384: 'P-384', 512: 'P-521' };

function pairOf(alg) {
  const bits = alg.slice(2);
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519');
  if (alg.startsWith('ES')) return generateKeyPairSync('ec', { namedCurve: curves[bits] });
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

function signWith(alg, key, input) {
  const digest = 'sha' + alg.slice(2);
  if (alg === 'EdDSA') return sign(null, input, key);
  if (alg.startsWith('ES')) return sign(digest, input, { key, dsaEncoding: 'ieee-p1363' });
  if (alg.startsWith('RS')) return sign(digest, input, key);
  return sign(digest, input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
}

function make(alg) {
  const input = base64url(JSON.stringify({ alg, typ: 'JWT', kid: alg })) + '.' + base64url(claims);
  if (alg.startsWith('HS')) {
    const secret = randomBytes(64);
    const mac = createHmac('sha' + alg.slice(2), secret).update(input).digest();
    return { jwk: { kty: 'oct', k: base64url(secret), kid: alg, alg }, token: input + '.' + base64url(mac) };
  }
  const { publicKey, privateKey } = pairOf(alg);
  const signature = signWith(alg, privateKey, Buffer.from(input));
  return { jwk: { ...publicKey.export({ format: 'jwk' }), kid: alg, alg }, token: input + '.' + base64url(signature) };
}

const families = ['HS', 'RS', 'PS', 'ES'].flatMap((family) => [256, 384, 512].map((bits) => family + bits));
console.log(JSON.stringify(Object.fromEntries([...families, 'EdDSA'].map((alg) => [alg, make(alg)])), null, 1));
