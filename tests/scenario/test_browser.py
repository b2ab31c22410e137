"""A real browser through the TLS listener, told of it directly and by a PAC file: pages with all that belongs to them, a big
download, a WebSocket, a login, refusals; afterwards the records are held against the browser's own log of its network."""
import collections, ssl, struct, zlib
import pytest
from harness import *
from browser import CHROMIUM, drive, keep, needs_browser, trust
from test_browse import EchoServer
from test_tls import proxy_with_tls

needs_browser("playwright-core", programs=("certutil",))

POLICY_CHAT = """
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "80", "443", "1024-65535" ];
roles: { staff = { everyone = true; }; };
services: { chat = { hosts = [ "chat.example" ]; zone = "public"; categories = [ "social" ]; }; };
rules = (
  { name = "no-social"; to = ["#social"]; action = "deny"; message = "Social media is open for communications."; owner = "Service desk"; },
  { name = "rest"; roles = ["staff"]; to = [".example"]; action = "allow"; } );
"""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title><link rel="stylesheet" href="page.css">
<body><h1>A page</h1><p>{images}</p><p><a id="big" href="big.bin" download>30 MB</a></p><script src="page.js"></script></body></html>"""
SCRIPT = 'fetch("data.txt").then(r => r.text()).then(t => document.body.dataset.fetched = t);\n'
BIG = 30_000_000


def png(width, height=40):
    """An image of noise that is told from the others by its width."""
    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def furnish(www):
    for i in range(20):
        (www / f"{i}.png").write_bytes(png(20 + i))
    (www / "page.html").write_text(PAGE.format(images="".join(f'<img alt="" src="{i}.png">' for i in range(20))))
    (www / "page.css").write_text("body { background: rgb(1, 120, 60) }\n")
    (www / "page.js").write_text(SCRIPT)
    (www / "data.txt").write_text("fetched")
    (www / "big.bin").write_bytes(os.urandom(BIG))


def echo_over_tls(ca):
    key, pem = ca.leaf(["www.origin.example"], "ws")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return EchoServer(context)


def way(how, s):
    """How the browser is told of the proxy: (proxy, arguments). The login needs a proxy to hang on; a PAC file goes before it, and is
    stile's own, fetched over TLS: it leads to the name that the certificate is for."""
    login = {"username": "ben", "password": "ben-secret"}
    if how == "server":
        return {"server": f"https://proxy.example:{s.tls}", **login}, []
    return {"server": f"http://127.0.0.1:{free_port()}", **login}, [f"--proxy-pac-url=https://proxy.example:{s.tls}/proxy.pac"]


def pac_answers(s):
    page = run("curl", "-sS", f"http://127.0.0.1:{s.metrics}/metrics").stdout
    return int(re.search(r'^stile_portal_requests_total{page="pac"} (\d+)$', page, re.M).group(1))


def asked(net_log):
    """From the browser's own log: (method, host, status) of all it had answered by the proxy, as a count."""
    log = json.loads(net_log.read_text())
    kinds = {v: k for k, v in log["constants"]["logEventTypes"].items()}
    line, out = {}, collections.Counter()
    for e in log["events"]:
        kind, params = kinds[e["type"]], e.get("params", {})
        if kind in ("HTTP_TRANSACTION_SEND_TUNNEL_HEADERS", "HTTP_TRANSACTION_SEND_REQUEST_HEADERS"):
            line[e["source"]["id"]] = params["line"].split()[:2]
        elif kind in ("HTTP_TRANSACTION_READ_TUNNEL_RESPONSE_HEADERS", "HTTP_TRANSACTION_READ_RESPONSE_HEADERS"):
            method, target = line[e["source"]["id"]]
            if method == "CONNECT" or "://" in target:  # the others are inside tunnels
                host = target.partition("://")[2] or target
                out["CONNECT" if method == "CONNECT" else "http", re.split("[:/]", host)[0], int(params["headers"][0].split()[1])] += 1
    return out


def check_records(records, log):
    """Each access has one end; refusals are told together and none is lost: the browser counted as many."""
    access = [r for r in records if r["k"] == "access"]
    allowed = collections.Counter(r["id"] for r in access if r["verdict"] == "allow")
    ends = collections.Counter(r["id"] for r in records if r["k"] == "end")
    assert allowed == ends and set(allowed.values()) == {1}
    assert len({r["user"] for r in access if r["verdict"] == "allow"}) == 1 and "ben" not in json.dumps(access)
    for proto, word in (("connect", "CONNECT"), ("http", "http")):
        mine = [r for r in access if r["proto"] == proto]
        assert sum(r["verdict"] == "allow" for r in mine) == sum(n for (w, h, _), n in log.items() if w == word and h == "www.origin.example") \
            - log[word, "www.origin.example", 407]
        refused = [r for r in mine if r["verdict"] == "deny" and r["to"] == "chat"]
        assert sum(r["n"] for r in refused) == log[word, "www.chat.example", 403] > 0
        minutes = collections.Counter((r["chain_"], r["t"] // 60000) for r in refused)
        assert max(minutes.values()) <= 2  # the first at once, the others of its minute by one record


@pytest.mark.parametrize("how", ["server", "pac"])
def test_surfing(folder, started, how):
    metrics = free_port()
    s = proxy_with_tls(folder, started, policy=POLICY_CHAT, users=("ben",), more=f'metrics = "127.0.0.1:{metrics}";')
    s.metrics = metrics
    origin = started(Nginx(folder, s.ca, names=["*.origin.example"]))
    furnish(origin.www)
    home = folder / "home"
    trust(home, s.ca.ca)
    proxy, args = way(how, s)
    plan = {"browser": CHROMIUM, "folder": str(folder), "proxy": proxy, "args": ["--host-resolver-rules=MAP proxy.example 127.0.0.1", *args],
            "pages": [f"{scheme}://www.origin.example:{port}/page.html" for scheme, port in (("http", origin.http), ("https", origin.https))],
            "socket": f"wss://www.origin.example:{echo_over_tls(s.ca).port}/chat",
            "refused": [f"https://www.chat.example/{i}" for i in range(5)] + ["http://www.chat.example/"]}
    (folder / "plan.json").write_text(json.dumps(plan))
    seen = drive("surf.js", folder / "plan.json", packages=["playwright-core"], home=home)
    for f in sorted(folder.glob("*.png")):
        keep(f, f"{how}-{f.name}")
    for page in seen["pages"]:
        assert page == {"status": 200, "failed": [], "fetched": "fetched", "colour": "rgb(1, 120, 60)", "images": list(range(20, 40))}
    assert seen["download"] is None and (folder / "down").read_bytes() == (origin.www / "big.bin").read_bytes()
    assert seen["socket"] == {"same": 0 + 1 + 125 + 126 + 65535 + 65536 + (1 << 20), "code": 1005}
    *tunnels, shown = seen["refused"]
    assert {t["error"] for t in tunnels} == {"net::ERR_TUNNEL_CONNECTION_FAILED"}  # no browser shows what a tunnel's refusal says
    assert not any("Social media" in t["text"] for t in tunnels)
    assert (shown["status"], shown["error"], shown["url"]) == (403, "", "http://www.chat.example/")
    for words in ("Social media is open for communications.", "You asked for www.chat.example.", "no-social", "Service desk"):
        assert words in shown["text"]
    page = run("curl", "-sS", "--resolve", f"proxy.example:{s.tls}:127.0.0.1", "--cacert", s.ca.ca, f"https://proxy.example:{s.tls}/proxy.pac").stdout
    assert f'"HTTPS proxy.example:{s.tls}"' in page
    assert how == "server" or pac_answers(s) > 1
    s.stop()
    log = asked(folder / "net.json")
    assert sum(n for (_, h, status), n in log.items() if h == "www.origin.example" and status == 407) > 0  # then it logged in
    assert log["CONNECT", "www.chat.example", 403] >= len(tunnels)
    check_records(s.journal_records(), log)
