// A SAML identity provider made of the package samlp. It writes "port N", reads
// its options as lines of JSON, each of which replaces the ones before, answers
// "ready" to each, and ends when its standard input does.
import { createPublicKey } from 'node:crypto';
import { createInterface } from 'node:readline';
import express from 'express';
import samlp from 'samlp';

let options;
const app = express();
app.use(express.urlencoded({ extended: false, limit: '1mb' }));

app.get('/samlp/FederationMetadata/2007-06/FederationMetadata.xml', (req, res, next) => samlp.metadata({
  issuer: options.issuer,
  cert: options.certificate,
  redirectEndpointPath: '/samlp',
  postEndpointPath: '/samlp',
  logoutEndpointPaths: { none: true },
})(req, res, next));

app.all('/samlp', (req, res, next) => {
  const form = req.body ?? {};
  if (form.username !== undefined) {
    if (!options.users[form.username] || form.password !== form.username) {
      return res.type('html').send(page(form, 'Wrong name or password.'));
    }
    res.cookie('person', form.username, { httpOnly: true });
    if (!form.SAMLRequest) {
      return res.redirect(req.originalUrl);
    }
    req.person = form.username;
  }
  req.person ??= /(?:^|; )person=([^;]*)/.exec(req.headers.cookie ?? '')?.[1];
  const user = options.users[decodeURIComponent(req.person ?? '')];
  if (!user) {
    return res.type('html').send(page(form, ''));
  }
  answer(decodeURIComponent(req.person), user)(req, res, next);
});

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

// page is a login form that keeps what came by POST.
function page(form, message) {
  const hidden = Object.entries(form).filter(([name]) => name.startsWith('SAML') || name === 'RelayState')
    .map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`);
  return `<!DOCTYPE html><title>Log in</title><p>${message}</p><form method="post">${hidden.join('')}
<input name="username"><input type="password" name="password"><button>Log in</button></form>`;
}

// answer responds for one person, to the service that asks or, without a
// request, to the one that the query names.
function answer(name, user) {
  return (req, res, next) => {
    const asked = req.query.SAMLRequest ?? req.body?.SAMLRequest;
    const respond = (entityID) => {
      const service = options.services[entityID];
      if (!service) {
        return res.status(403).send('this service is not known');
      }
      samlp.auth({
        issuer: options.issuer,
        cert: options.certificate,
        key: options.key,
        audience: entityID,
        recipient: service.acs,
        destination: service.acs,
        getPostURL: (audience, dom, request, done) => done(null, service.acs),
        getUserFromRequest: () => ({
          id: name,
          displayName: `${user.firstName} ${user.lastName}`.trim(),
          name: { givenName: user.firstName || undefined, familyName: user.lastName || undefined },
          emails: user.email ? [{ value: user.email }] : [],
          ...(user.groups.length > 0 && { groups: user.groups }),
        }),
        signResponse: options.signResponse,
        signAssertion: options.signAssertion,
        signatureAlgorithm: options.algorithm,
        digestAlgorithm: options.algorithm === 'rsa-sha1' ? 'sha1' : 'sha256',
        lifetimeInSeconds: 600,
        sessionIndex: `_${name}`,
        ...(options.demandSigned && { signingCert: service.certificate }),
        ...(options.encrypt && {
          encryptionCert: service.certificate,
          encryptionPublicKey: createPublicKey(service.certificate).export({ type: 'spki', format: 'pem' }),
          disallowEncryptionWithInsecureAlgorithm: false,
          ...(options.encryptionAlgorithm && { encryptionAlgorithm: options.encryptionAlgorithm }),
        }),
      })(req, res, next);
    };
    if (!asked) {
      return respond(req.query.sp);
    }
    samlp.parseRequest(req, (err, parsed) => (err ? next(err) : respond(parsed.issuer)));
  };
}

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.on('line', (line) => {
  options = JSON.parse(line);
  console.log('ready');
});
const server = app.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
