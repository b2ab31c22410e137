// node surf.js PLAN.json: what a person sees who surfs through a proxy, as one line of JSON. The plan names the browser, how it
// reaches the proxy, and where it goes; screenshots, the download and the browser's own log of its network go to the plan's folder.
// NODE_PATH says where playwright-core is.
const { chromium } = require('playwright-core'), fs = require('fs');
const plan = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

async function page(p, url) {
  const failed = [], note = r => failed.push(`${r.url()} ${r.failure().errorText}`);
  p.on('requestfailed', note);
  const r = await p.goto(url);
  await p.waitForFunction(() => document.body.dataset.fetched, null, { timeout: 20000 });
  const seen = await p.evaluate(() => ({
    fetched: document.body.dataset.fetched, colour: getComputedStyle(document.body).backgroundColor,
    images: [...document.images].map(i => i.complete && i.naturalWidth) }));
  p.off('requestfailed', note);
  return { status: r.status(), failed, ...seen };
}

async function download(p, to) {
  const [d] = await Promise.all([p.waitForEvent('download'), p.click('#big')]);
  await d.saveAs(to);
  return d.failure();
}

// Messages of all lengths there and back; says how many bytes came back as they were sent.
const talk = url => new Promise((done, fail) => {
  const s = new WebSocket(url), sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20];
  let sent, same = 0;
  const next = () => {
    if (!sizes.length) return s.close();
    sent = new Uint8Array(sizes.shift()).map((_, i) => i * 7 + sizes.length);
    s.send(sent);
  };
  s.binaryType = 'arraybuffer';
  s.onopen = next;
  s.onerror = () => fail(new Error('no WebSocket'));
  s.onmessage = m => {
    const got = new Uint8Array(m.data);
    if (got.length !== sent.length || got.some((b, i) => b !== sent[i])) return fail(new Error(`${sent.length} bytes came back changed`));
    same += got.length;
    next();
  };
  s.onclose = e => done({ same, code: e.code });
});

async function refused(p, url, shot) {
  const seen = { status: 0, error: '' };
  try {
    seen.status = (await p.goto(url)).status();
  } catch (e) {
    seen.error = (e.message.match(/net::\w+/) || [e.message])[0];
  }
  await p.waitForTimeout(500); // the browser's own page takes the place of the one that failed
  seen.text = await p.locator('body').innerText();
  seen.url = p.url();
  await p.screenshot({ path: shot });
  return seen;
}

(async () => {
  const b = await chromium.launch({ executablePath: plan.browser, headless: true, proxy: plan.proxy,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', `--log-net-log=${plan.folder}/net.json`, ...plan.args] });
  const c = await b.newContext({ viewport: { width: 900, height: 520 } });
  const p = await c.newPage(), out = { pages: [], refused: [] };
  for (const url of plan.pages) {
    out.pages.push(await page(p, url));
    await p.screenshot({ path: `${plan.folder}/page-${out.pages.length}.png` });
  }
  out.download = await download(p, `${plan.folder}/down`);
  out.socket = await p.evaluate(talk, plan.socket);
  for (const url of plan.refused) out.refused.push(await refused(p, url, `${plan.folder}/refused-${out.refused.length + 1}.png`));
  await b.close();
  console.log(JSON.stringify(out));
})().catch(e => { console.error(e); process.exit(1); });
