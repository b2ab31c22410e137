// node portal.js PLAN.json: a person at the portal, in a browser that knows the proxy by its PAC file. What axe-core finds on each page in
// light, dark and narrow, what it fetches and how it looks, as one line of JSON; screenshots and a printed page go to the plan's folder.
// NODE_PATH says where playwright-core and axe-core are.
const { chromium } = require('playwright-core'), fs = require('fs');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const plan = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const login = { username: plan.user, password: plan.password };

// The page's own policy lets no script in, axe included, so it is looked at once more without it.
async function audit(b, name, url, out) {
  for (const [scheme, width] of [['light', 1000], ['dark', 1000], ['light', 320], ['dark', 320]]) {
    const c = await b.newContext({ colorScheme: scheme, viewport: { width, height: 800 }, bypassCSP: true, httpCredentials: login });
    const p = await c.newPage();
    await p.goto(url);
    await p.evaluate(axe);
    const found = await p.evaluate(() => window.axe.run());
    out.passes = Math.min(out.passes, found.passes.length);
    out.violations.push(...found.violations.map(v => `${name} ${scheme} ${width} ${v.id}: ${v.nodes[0].html}`));
    if (await p.evaluate(() => document.documentElement.scrollWidth > innerWidth)) out.violations.push(`${name} ${width}: scrolls sideways`);
    await p.screenshot({ path: `${plan.folder}/${name}-${scheme}-${width}.png`, fullPage: true });
    await c.close();
  }
}

async function look(b, p, name, url, out) {
  const requests = [], note = r => requests.push(r.url());
  p.on('request', note);
  const r = await p.goto(url);
  p.off('request', note);
  out.pages[name] = { status: r.status(), text: await p.locator('body').innerText(),
    foreign: requests.filter(u => u !== url && !u.endsWith('/favicon.ico')), styled: await p.evaluate(() => getComputedStyle(document.body).marginTop) };
  await audit(b, name, url, out);
}

async function tries(p, url) {
  try {
    const r = await p.goto(url);
    return { status: r.status(), text: await p.locator('body').innerText() };
  } catch (e) {
    await p.waitForTimeout(500); // the browser's own page takes the place of the one that failed
    return { error: (e.message.match(/net::\w+/) || [e.message])[0] };
  }
}

(async () => {
  const b = await chromium.launch({ executablePath: plan.browser, headless: true, proxy: { server: 'http://127.0.0.1:9', ...login },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', ...plan.args] });
  const c = await b.newContext({ viewport: { width: 1000, height: 800 }, httpCredentials: login });
  const p = await c.newPage(), out = { pages: {}, violations: [], passes: 1000, console: [] };
  p.on('console', m => { if (!/favicon|status of 4\d\d/.test(m.text() + m.location().url)) out.console.push(m.text()); });
  for (const [name, url] of plan.pages) await look(b, p, name, url, out);
  out.refused = await tries(p, plan.secure);
  await look(b, p, 'coach', plan.coach, out);
  await p.getByLabel(plan.purpose).check();
  await p.getByLabel('I accept').check();
  await p.getByRole('button').click();
  await p.waitForURL(/coach\?rule/);
  out.accepted = await p.locator('body').innerText();
  await look(b, p, 'accepted', p.url(), out);
  await p.getByRole('link', { name: /^Open / }).click();
  await p.waitForLoadState();
  out.opened = { url: p.url(), text: await p.locator('body').innerText() };
  await look(b, p, 'after', plan.pages[0][1], out);
  await p.goto(plan.pages[0][1]);
  await p.emulateMedia({ media: 'print' });
  await p.setViewportSize({ width: 670, height: 1000 }); // A4 within its margins
  await p.screenshot({ path: `${plan.folder}/printed-light-670.png`, fullPage: true });
  await p.pdf({ path: `${plan.folder}/page.pdf`, preferCSSPageSize: true });
  await b.close();
  console.log(JSON.stringify(out));
})().catch(e => { console.error(e); process.exit(1); });
