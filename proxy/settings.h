/*
 * proxy.cfg as one plain struct: no pointers, so that the master passes it to workers as bytes
 * (they are the same program). Facts about each setting stand in settings.def.
 */
#ifndef STILE_SETTINGS_H
#define STILE_SETTINGS_H

#include "addr.h"
#include "problem.h"

#define SETTINGS_PATH_MAX  512
#define SETTINGS_LISTEN	   16
#define SETTINGS_SERVERS   8
#define SETTINGS_NAMES	   8
#define SETTINGS_BALANCERS 16

struct settings_address {
	struct addr addr;
	uint16_t port;
};

/* Whose PROXY protocol headers are believed. */
struct settings_balancers {
	struct prefix v[SETTINGS_BALANCERS];
	size_t n;
};

/* An address to listen on; with certificate and key: over TLS. */
struct settings_listen {
	struct settings_address at;
	char certificate[SETTINGS_PATH_MAX], key[SETTINGS_PATH_MAX]; /* "": plain */
	struct settings_balancers balancers;
};

/* Host names, lower case. */
struct settings_names {
	char v[SETTINGS_NAMES][256];
	size_t n;
};

struct settings {
	char file[SETTINGS_PATH_MAX]; /* itself */
	struct {
		struct settings_listen v[SETTINGS_LISTEN];
		size_t n;
	} listen;
	uint64_t workers, connections, per_client;
	char user[64];
	char control[SETTINGS_PATH_MAX], log_file[SETTINGS_PATH_MAX];
	struct settings_address metrics; /* port 0: none */
	bool log_json;
	char policy[SETTINGS_PATH_MAX], users[SETTINGS_PATH_MAX], groups[SETTINGS_PATH_MAX];
	char realm[64];
	struct {
		struct settings_address v[SETTINGS_SERVERS];
		size_t n;
	} servers;
	struct settings_names search, pac_direct;
	char portal[256]; /* host name, lower case; "": none */
	char hosts[SETTINGS_PATH_MAX];
	int64_t remember_ms, resolve_ms, head_ms, keep_alive_ms, connect_ms, record_ms, hello_ms,
		stall_ms, idle_ms, drain_ms, unrecorded_ms, keep_ms, keep_raw_ms, keep_rollups_ms;
	uint64_t space;
	char node[72], journal[SETTINGS_PATH_MAX], redis[SETTINGS_PATH_MAX],
		pseudonym_key[SETTINGS_PATH_MAX];
	char redis_user[128], redis_password_file[SETTINGS_PATH_MAX], redis_ca[SETTINGS_PATH_MAX];
	bool on_failure_allow, sync_disk;
};

/* Reads the file; relative paths are taken from its folder. False: errors are in *p. */
bool settings_load(const char *path, struct settings *out, struct problems *p);
/* Paths of settings that take effect at a start only and differ: NULL-terminated, at most n - 1. */
size_t settings_changed_at_start(
	const struct settings *old, const struct settings *now, const char **names, size_t n);

#endif
