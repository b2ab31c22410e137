"""A thousand people at once: the client's end and the origin's of many tunnels, each counting for itself.

usage: load.py PROXY_PORT PEOPLE TUNNELS SECONDS OUT
People are u0, u1, …, all with the password "pw". Each has TUNNELS tunnels to hosts of two services and one host of none, and
asks its origin for answers of some bytes now and then; OUT gets what each tunnel moved: {person: {host: [[up, down, whole]]}},
`whole` false where the tunnel was cut. A person who is cut comes again with a new tunnel."""
import asyncio, base64, json, random, sys, time

HOSTS = ["www.facebook.com", "www.instagram.com", "other.example"]
PORT, PEOPLE, TUNNELS, SECONDS, OUT = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
counts, origin_port = {}, None


async def serve(r, w):
    """Answers each request of 8 bytes (how much up, how much down) in full."""
    try:
        while True:
            head = await r.readexactly(8)
            up, down = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
            await r.readexactly(up)
            w.write(b"x" * down)
            await w.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        w.close()


async def tunnel(person, host, end):
    """One tunnel until `end`, or until it is cut. False: it was not given."""
    r, w = await asyncio.open_connection("127.0.0.1", PORT)
    login = base64.b64encode(f"u{person}:pw".encode()).decode()
    w.write(f"CONNECT {host}:{origin_port} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic {login}\r\n\r\n".encode())
    await w.drain()
    head = await r.readuntil(b"\r\n\r\n")
    if b" 200 " not in head:
        w.close()
        return False
    mine = [0, 0, False]
    counts.setdefault(f"u{person}", {}).setdefault(host, []).append(mine)
    rnd = random.Random(f"{person} {host} {time.time()}")
    while time.time() < end:
        up, down = rnd.randrange(0, 3000), rnd.randrange(0, 20000)
        w.write(up.to_bytes(4, "big") + down.to_bytes(4, "big") + b"y" * up)
        await w.drain()
        mine[0] += 8 + up
        await r.readexactly(down)
        mine[1] += down
        await asyncio.sleep(rnd.uniform(0.5, 3))
    mine[2] = True
    w.close()
    return True


async def one(person, i, end):
    await asyncio.sleep(random.uniform(0, 3))
    while time.time() < end:
        try:
            if not await tunnel(person, HOSTS[i % len(HOSTS)], end):
                await asyncio.sleep(random.uniform(0.1, 0.5))
        except (OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(random.uniform(0.1, 0.5))


async def main():
    global origin_port
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    origin_port = server.sockets[0].getsockname()[1]
    end = time.time() + SECONDS
    await asyncio.gather(*[one(p, i, end) for p in range(PEOPLE) for i in range(TUNNELS)])
    await asyncio.sleep(0.5)
    with open(OUT, "w") as f:
        json.dump(counts, f)


asyncio.run(main())
