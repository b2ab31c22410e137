/*
 * A TCP peer behind a TUN device in a network of its own: it answers a SYN with a window of 0, as
 * SYN proxies do, and notes when the acknowledgement comes.
 */
#ifndef STILE_TUN_PEER_H
#define STILE_TUN_PEER_H

#include "clock.h"
#include "loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_HERE "10.77.0.1"
#define TUN_PEER "10.77.0.2"

struct tun_peer {
	int fd;
	struct loop *loop;
	struct loop_ev ev;
	uint64_t syn_ms, ack_ms; /* 0: has not come */
};

struct tun_packet {
	struct iphdr ip;
	uint16_t from, to;
	uint32_t seq, ack;
	uint8_t offset, flags;
	uint16_t window, sum, urgent;
};

enum { TUN_SYN = 2, TUN_ACK = 16 };

static inline uint16_t tun_sum(const void *p, size_t n, uint32_t sum)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline void tun_answer(int fd, const struct tun_packet *syn)
{
	struct tun_packet p = {.ip = {.version = 4,
				       .ihl = 5,
				       .tot_len = htons(sizeof p),
				       .ttl = 64,
				       .protocol = IPPROTO_TCP,
				       .saddr = syn->ip.daddr,
				       .daddr = syn->ip.saddr},
		.from = syn->to,
		.to = syn->from,
		.seq = htonl(1),
		.ack = htonl(ntohl(syn->seq) + 1),
		.offset = 5 << 4,
		.flags = TUN_SYN | TUN_ACK};
	uint32_t pseudo = IPPROTO_TCP + sizeof p - sizeof p.ip;

	p.ip.check = htons((uint16_t)~tun_sum(&p.ip, sizeof p.ip, 0));
	p.sum = htons((uint16_t)~tun_sum(
		&p.from, sizeof p - sizeof p.ip, tun_sum(&p.ip.saddr, 8, pseudo)));
	if (write(fd, &p, sizeof p) != sizeof p)
		perror("tun");
}

static inline void tun_heard(int fd, short what, void *arg)
{
	struct tun_peer *t = arg;
	char mem[2048];
	struct tun_packet p;

	(void)what;
	if (read(fd, mem, sizeof mem) < (ssize_t)sizeof p)
		return;
	memcpy(&p, mem, sizeof p);
	if (p.ip.version != 4 || p.ip.protocol != IPPROTO_TCP)
		return;
	if (p.flags & TUN_SYN) {
		t->syn_ms = clock_mono_ms();
		tun_answer(fd, &p);
	} else if (p.flags & TUN_ACK && !t->ack_ms) {
		t->ack_ms = clock_mono_ms();
		loop_stop(t->loop);
	}
}

static inline bool tun_set(int s, unsigned long what, struct ifreq *r, const char *addr)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	if (addr) {
		inet_pton(AF_INET, addr, &a.sin_addr);
		memcpy(&r->ifr_addr, &a, sizeof a);
	}
	return ioctl(s, what, r) == 0;
}

/* The process leaves its network for one in which there is only this peer. False: it may not. */
static inline bool tun_begin(struct tun_peer *t, struct loop *l)
{
	struct ifreq r = {.ifr_name = "peer"};
	int s;
	bool ok;

	*t = (struct tun_peer){.loop = l, .fd = -1};
	if (unshare(CLONE_NEWNET) != 0 ||
		(t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0)
		return false;
	r.ifr_flags = IFF_TUN | IFF_NO_PI;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ok = tun_set(t->fd, TUNSETIFF, &r, NULL) && tun_set(s, SIOCSIFADDR, &r, TUN_HERE) &&
	     tun_set(s, SIOCSIFNETMASK, &r, "255.255.255.0");
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	ok = ok && tun_set(s, SIOCSIFFLAGS, &r, NULL);
	close(s);
	loop_init(&t->ev, l, t->fd, LOOP_READ | LOOP_PERSIST, tun_heard, t);
	loop_add(&t->ev, -1);
	return ok;
}

#endif
