// node page.js PAGE.html FOLDER: what axe-core finds on the page in light and dark, what it fetches, and how it looks, as one line of JSON.
// Screenshots and the printed page go to FOLDER. NODE_PATH says where playwright-core and axe-core are.
const { chromium } = require('playwright-core'), fs = require('fs');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [page, folder, browser] = process.argv.slice(2);

async function look(b, scheme, out) {
  const c = await b.newContext({ colorScheme: scheme, viewport: { width: 1100, height: 900 } });
  const p = await c.newPage();
  p.on('request', r => out.requests.push(r.url()));
  p.on('console', m => out.console.push(m.text()));
  await p.goto('file://' + page);
  await p.screenshot({ path: `${folder}/${scheme}.png`, fullPage: true });
  out.background[scheme] = await p.evaluate(() => getComputedStyle(document.body).backgroundColor);
  out.facts = await p.evaluate(() => ({
    h1: document.querySelectorAll('h1').length, scripts: document.querySelectorAll('script').length, lang: document.documentElement.lang,
    charts: document.querySelectorAll('svg').length,
    named: [...document.querySelectorAll('svg')].filter(s => s.getAttribute('role') === 'img' && s.querySelector('title') && s.querySelector('desc')).length,
    followed: [...document.querySelectorAll('figure')].filter(f => f.nextElementSibling && f.nextElementSibling.querySelector('table')).length,
    captions: [...document.querySelectorAll('table')].filter(t => t.caption).length, tables: document.querySelectorAll('table').length,
    wide: document.documentElement.scrollWidth > innerWidth }));
  if (scheme === 'light') await p.pdf({ path: `${folder}/page.pdf`, preferCSSPageSize: true });
  await c.close();
}

// The page's own policy lets no script in, axe included, so it is looked at once more without it.
async function audit(b, scheme, width, out) {
  const c = await b.newContext({ colorScheme: scheme, viewport: { width, height: 900 }, bypassCSP: true });
  const p = await c.newPage();
  await p.goto('file://' + page);
  await p.evaluate(axe);
  const found = await p.evaluate(() => window.axe.run());
  out.passes = found.passes.length;
  out.violations.push(...found.violations.map(v => `${scheme} ${width} ${v.id}: ${v.nodes[0].html}`));
  await c.close();
}

(async () => {
  const out = { requests: [], console: [], background: {}, violations: [] };
  const b = await chromium.launch({ executablePath: browser, headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  for (const scheme of ['light', 'dark']) {
    await look(b, scheme, out);
    for (const width of [1100, 380]) await audit(b, scheme, width, out);
  }
  await b.close();
  console.log(JSON.stringify(out));
})();
