// node record.js PORT [SECONDS]: plays the scenes of scenes.json in headless Chromium, through the stile-proxy on that port of loopback,
// and writes a trace of each beside this file; record.py starts the proxy and holds what it recorded against the traces. Prints when it
// began, and what came after the end of each scene, as browsers close what is open. Each scene has hosts of its own (www.NAME.example and m.NAME.example are the core, cdn.NAME.example is the cdn), all served here
// over TLS and HTTP/2, and a relay of its own before the proxy, which counts and logs in. NODE_PATH says where playwright-core is.
const { chromium } = require('playwright-core');
const http2 = require('http2'), http = require('http'), net = require('net'), crypto = require('crypto'), fs = require('fs'), os = require('os'),
  path = require('path'), { execFileSync } = require('child_process');
const { scenes, minutes } = JSON.parse(fs.readFileSync(path.join(__dirname, 'scenes.json'), 'utf8'));
const PROXY = Number(process.argv[2]), SECONDS = Number(process.argv[3]) || minutes * 60;
const sleep = ms => new Promise(done => setTimeout(done, ms));

// --- the pages: what services of these kinds send, in size and rhythm

const noise = crypto.randomBytes(1 << 21); // does not compress, as pictures and videos do not
const SCRIPT = 'x'.repeat(180000), STYLE = 'y'.repeat(60000); // of the cdn

const pageOf = name => `<!doctype html><title>${name}</title><link rel="stylesheet" href="https://cdn.${name}.example/style">
<script src="https://cdn.${name}.example/script"></script><main>${'<p>entry</p>'.repeat(400)}</main>
<a id="down" href="/big" download>big</a>`;

function answer(req, res) {
  const url = new URL(req.url, 'https://x'), name = (req.headers[':authority'] || req.headers.host || '').split('.')[1];
  const send = (type, body, more) => { res.writeHead(200, { 'content-type': type, 'cache-control': 'no-store', 'access-control-allow-origin': '*', ...more }); res.end(body); };
  const size = Number(url.searchParams.get('n') || 0);
  if (url.pathname === '/big') return big(res);
  req.on('data', () => {});
  req.on('end', () => {
    if (url.pathname === '/script') send('text/javascript', `/*${SCRIPT}*/`);
    else if (url.pathname === '/style') send('text/css', `/*${STYLE}*/`);
    else if (url.pathname === '/bytes') send('application/octet-stream', noise.subarray(0, size));
    else if (url.pathname === '/json') send('application/json', JSON.stringify({ entries: noise.subarray(0, size).toString('base64').slice(0, size) }));
    else send('text/html', pageOf(name), { 'set-cookie': `session=${'c'.repeat(300)}; Path=/; Secure` });
  });
}

// Half a megabyte a second, as much as the client takes.
async function big(res) {
  res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 180 << 20, 'content-disposition': 'attachment' });
  for (let i = 0; i < 720 && !res.destroyed; i++) {
    if (!res.write(noise.subarray(0, 1 << 18))) await Promise.race([new Promise(ok => res.once('drain', ok)), sleep(30000)]);
    await sleep(500);
  }
  res.end();
}

// A WebSocket that echoes what it hears, short frames as they come; the other person writes when the page says "answer N".
function socket(req, s) {
  const key = crypto.createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  s.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  const frame = p => s.write(p.length < 126 ? Buffer.concat([Buffer.from([0x81, p.length]), p])
    : Buffer.concat([Buffer.from([0x81, 126, p.length >> 8, p.length & 255]), p]));
  let got = Buffer.alloc(0);
  s.on('error', () => {});
  s.on('data', d => {
    got = Buffer.concat([got, d]);
    for (;;) {
      if (got.length < 6) return;
      let n = got[1] & 127, at = 2;
      if (n === 126) { if (got.length < 8) return; n = got.readUInt16BE(2); at = 4; }
      if (got.length < at + 4 + n) return;
      const mask = got.subarray(at, at + 4), text = Buffer.from(got.subarray(at + 4, at + 4 + n).map((b, i) => b ^ mask[i & 3])).toString();
      if ((got[0] & 15) === 8) return s.end();
      got = got.subarray(at + 4 + n);
      const m = text.match(/"answer":(\d+)/);
      frame(Buffer.from(JSON.stringify({ ok: 1, text: 'a'.repeat(m ? Number(m[1]) : 0) })));
    }
  });
}

function serve(folder) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=traces', '-keyout', `${folder}/key`, '-out', `${folder}/cert`], { stdio: 'ignore' });
  const server = http2.createSecureServer({ key: fs.readFileSync(`${folder}/key`), cert: fs.readFileSync(`${folder}/cert`), allowHTTP1: true }, answer);
  server.on('upgrade', socket);
  server.on('sessionError', () => {});
  return new Promise(done => server.listen(0, '127.0.0.1', () => done(server)));
}

// --- the relay: CONNECT, handed on to the proxy with the login of the scene's person; the tunnel's bytes are counted by second and part

function relay(name, port, start) {
  const sums = new Map(), after = { core: [0, 0], cdn: [0, 0] }, login = Buffer.from(`${name}:${name}-secret`).toString('base64');
  const count = (part, way, n) => {
    const second = Math.floor((Date.now() - start) / 1000), key = `${second} ${part}`;
    if (second >= SECONDS) return void (after[part][way] += n);
    if (!sums.has(key)) sums.set(key, [0, 0]);
    sums.get(key)[way] += n;
  };
  const pass = (from, to, part, way) => {
    from.on('data', d => { count(part, way, d.length); if (!to.write(d)) { from.pause(); to.once('drain', () => from.resume()); } });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  };
  const front = http.createServer((q, r) => { r.writeHead(403); r.end(); });
  front.on('connect', (req, client, head) => {
    const host = req.url.split(':')[0], part = host.startsWith('cdn.') ? 'cdn' : 'core';
    client.on('error', () => {});
    if (!host.endsWith('.example')) return client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const on = http.request({ host: '127.0.0.1', port: PROXY, method: 'CONNECT', path: `${host}:${port}`, headers: { 'proxy-authorization': `Basic ${login}` } });
    on.on('error', () => client.destroy());
    on.on('connect', (res, proxy, early) => {
      if (res.statusCode !== 200) { console.error(`${name}: the proxy answers ${res.statusCode} for ${host}`); return client.end(`HTTP/1.1 ${res.statusCode} no\r\n\r\n`); }
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      pass(client, proxy, part, 0);
      pass(proxy, client, part, 1);
      if (head.length) client.unshift(head);
      if (early.length) proxy.unshift(early);
    });
    on.end();
  });
  return new Promise(done => front.listen(0, '127.0.0.1', () => done({ port: front.address().port, after, close: () => front.close(),
    lines: () => [...sums].map(([k, v]) => [...k.split(' '), ...v]).sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1)).map(l => l.join(' ')) })));
}

// --- what the person does; `at(s)` waits until that second

const fetchIn = (page, url, init) => page.evaluate(([u, i]) => fetch(u, i).then(r => r.arrayBuffer()).then(b => b.byteLength), [url, init]).catch(() => 0);
const post = (page, url, n) => fetchIn(page, url, { method: 'POST', body: 'b'.repeat(n) });

async function every(at, from, to, gap, act) {
  for (let s = from; s < to; s += typeof gap === 'function' ? gap(s) : gap) { await at(s); await act(s); }
}

const open = (page, name) => page.goto(`https://www.${name}.example/`, { waitUntil: 'load' });

const gaps = [8, 14, 10, 12, 9, 13, 11];

async function feed(page, at, name) {
  let n = 0;
  const gap = () => gaps[n++ % gaps.length];
  const look = async s => {
    await page.mouse.wheel(0, 900);
    await fetchIn(page, `https://www.${name}.example/json?n=6500`);
    for (let i = 0; i < 3; i++) await fetchIn(page, `https://cdn.${name}.example/bytes?n=${60000 + 9000 * i}`);
    await post(page, `https://www.${name}.example/json?n=40`, 620);
  };
  await open(page, name);
  await every(at, 4, 236, gap, look);
  await every(at, 240, 420, 60, () => fetchIn(page, `https://www.${name}.example/json?n=300`));
  await every(at, 422, 655, gap, look);
}

async function video(page, at, name, host) {
  await open(page, name);
  const play = (from, to) => Promise.all([
    every(at, from, to, 5, () => fetchIn(page, `https://${host}.${name}.example/bytes?n=1200000`)),
    every(at, from + 3, to, 20, () => post(page, `https://www.${name}.example/json?n=200`, 1400))]);
  await play(3, 480);
  await play(600, 720);
}

const wordy = (page, o) => page.evaluate(m => window.s.send(JSON.stringify(m)), o);
const connect = (page, name) => page.evaluate(u => new Promise(ok => { window.s = new WebSocket(u); window.s.onopen = ok; }), `wss://www.${name}.example/socket`);

const play = {
  async feed(page, at, name) {
    await feed(page, at, name);
    await page.close();
  },
  async tabs(page, at, name) {
    await Promise.all([feed(page, at, name), feed(await page.context().newPage(), at, name)]);
  },
  video: (page, at, name) => video(page, at, name, 'www'),
  'video-cdn': (page, at, name) => video(page, at, name, 'cdn'),
  async chat(page, at, name) {
    await open(page, name);
    await connect(page, name);
    const lively = async s => {
      for (let i = 0; i < 3; i++) { await wordy(page, { typing: 1, answer: 30 }); await sleep(700); }
      await wordy(page, { text: 'w'.repeat(40 + (s * 13) % 120), id: crypto.randomUUID(), answer: 160 });
    };
    const gap = s => 5 + (s * 3) % 6;
    await Promise.all([every(at, 3, 298, gap, lively),
      ...[70, 200].map(s => at(s).then(() => fetchIn(page, `https://www.${name}.example/bytes?n=140000`)))]);
    await every(at, 300, 480, 30, () => wordy(page, { ping: 1 }));
    await every(at, 482, 598, s => 20 + s % 11, lively);
    await every(at, 600, 720, 30, () => wordy(page, { ping: 1 }));
  },
  async idle(page, at, name) {
    await open(page, name);
    await every(at, 30, 720, 30, () => fetchIn(page, `https://www.${name}.example/json?n=350`));
  },
  async heartbeat(page, at, name) {
    await open(page, name);
    await connect(page, name);
    await every(at, 25, 720, 25, () => wordy(page, { ping: 1 }));
  },
  async download(page, at, name) {
    await open(page, name);
    await at(20);
    const [d] = await Promise.all([page.waitForEvent('download'), page.click('#down')]);
    await d.path().catch(() => {});
  },
  async live(page, at, name) {
    await open(page, name);
    await Promise.all([every(at, 5, 720, 5, () => fetchIn(page, `https://www.${name}.example/json?n=2400`)),
      every(at, 30, 720, 30, () => post(page, `https://www.${name}.example/json?n=20`, 900))]);
  },
  async hosts(page, at, name) {
    await page.goto(`https://www.${name}.example/json?n=900`);
    const other = await page.context().newPage();
    await other.goto(`https://m.${name}.example/json?n=900`);
    await every(at, 6, 360, 6, async s => {
      const [p, host] = s % 12 ? [page, 'www'] : [other, 'm'];
      await fetchIn(p, `https://${host}.${name}.example/json?n=1700`);
      await post(p, `https://${host}.${name}.example/json?n=20`, 300);
    });
  },
  async form(page, at, name) {
    await open(page, name);
    await every(at, 120, 420, 45, () => post(page, `https://www.${name}.example/json?n=120`, 3072));
    await at(560);
    await post(page, `https://www.${name}.example/json?n=400`, 9000);
    await open(page, name);
  },
};

(async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'traces-'));
  const server = await serve(folder), port = server.address().port;
  const start = Math.ceil((Date.now() + 8000) / 60000) * 60000;
  const b = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, proxy: { server: 'per-context' },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  await sleep(start - Date.now() + 500);
  const after = {};
  const at = s => sleep(Math.max(0, start + s * 1000 - Date.now()));
  await Promise.all(scenes.map(async ({ name }) => {
    const counted = await relay(name, port, start);
    const c = await b.newContext({ ignoreHTTPSErrors: true, acceptDownloads: true, proxy: { server: `http://127.0.0.1:${counted.port}` } });
    const page = await c.newPage();
    await Promise.race([play[name](page, at, name), at(SECONDS)]);
    await at(SECONDS);
    fs.writeFileSync(path.join(__dirname, `${name}.trace`), `# ${name}: second part up down; Chromium ${b.version()}, recorded ${new Date(start).toISOString().slice(0, 10)}\n${counted.lines().join('\n')}\n`);
    await c.close().catch(() => {});
    await sleep(2000);
    counted.close();
    after[name] = counted.after;
  }));
  await b.close();
  console.log(JSON.stringify({ start: start / 1000, seconds: SECONDS, after }));
  fs.rmSync(folder, { recursive: true, force: true });
  process.exit(0);
})().catch(e => { console.error(e); process.exit(1); });
