// The package oauth2-mock-server, which lets everybody in and whose answers can
// be spoiled. It writes its issuer on a line; each line of JSON that it reads,
// {claims, remove, header, metadata, callback, status}, replaces what was spoiled
// before and is answered with the line "ready". It ends when its input does.
import { createInterface } from 'node:readline';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');
// 127.0.0.1, whatever localhost is here.
server.issuer.url = `http://127.0.0.1:${server.address().port}`;

let spoiled = {};
server.service.on('beforeTokenSigning', (token) => {
  Object.assign(token.payload, spoiled.claims);
  Object.assign(token.header, spoiled.header);
  for (const name of spoiled.remove ?? []) {
    delete token.payload[name];
  }
});
server.service.on('beforeWellKnownOpenIdConfiguration', (answer) => Object.assign(answer.body, spoiled.metadata));
server.service.on('beforeAuthorizeRedirect', (redirect) => {
  for (const [name, value] of Object.entries(spoiled.callback ?? {})) {
    redirect.url.searchParams.set(name, value);
  }
});
server.service.on('beforeResponse', (answer) => {
  answer.statusCode = spoiled.status ?? answer.statusCode;
});

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.on('line', (line) => {
  spoiled = JSON.parse(line);
  console.log('ready');
});
console.log(`issuer ${server.issuer.url}`);
