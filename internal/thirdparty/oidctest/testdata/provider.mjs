// An OpenID provider made of the certified package oidc-provider. It reads one
// line of JSON, {clientID, clientSecret, redirectURLs, people, idTokenClaims},
// writes its issuer on a line, and ends when its standard input does.
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.once('line', async (line) => {
  const options = JSON.parse(line);
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const server = createServer();
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const names = new Set(Object.values(options.people).flatMap((claims) => Object.keys(claims)));
  names.delete('sub');
  const provider = new Provider(issuer, {
    clients: [{
      client_id: options.clientID,
      client_secret: options.clientSecret,
      redirect_uris: options.redirectURLs,
    }],
    // Who asks for openid gets everything: which claims there are is the test's choice.
    claims: { openid: ['sub', ...names], email: [], profile: [] },
    conformIdTokenClaims: !options.idTokenClaims,
    cookies: { keys: [randomBytes(16).toString('hex')] },
    features: { devInteractions: { enabled: true } },
    async findAccount(ctx, login) {
      const claims = options.people[login];
      return claims && { accountId: login, claims: () => ({ sub: login, ...claims }) };
    },
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'rsa' }] },
    pkce: { required: () => true },
  });
  server.on('request', provider.callback());
  console.log(`issuer ${issuer}`);
});
