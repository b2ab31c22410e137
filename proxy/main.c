/* stile-proxy: the command line, and which process this is. */
#include "check.h"
#include "ctl.h"
#include "heir.h"
#include "master.h"
#include "shipping.h"
#include "worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static const char usage_text[] =
	"usage: stile-proxy -c FILE [-t]\n"
	"       stile-proxy ctl -c FILE COMMAND\n"
	"\n"
	"Runs the proxy in the foreground, or speaks to a running one (ctl --help).\n"
	"\n"
	"  -c FILE     configuration, see proxy.cfg(5)\n"
	"  -t          check configuration and policy, then exit: 0 fine, 78 not\n"
	"  --help      this text\n"
	"  --version   name and version\n"
	"\n"
	"Signals: HUP loads configuration and policy anew, TERM drains and ends, INT ends,\n"
	"USR1 opens log_file anew.\n";

static int wrong_usage(const char *why)
{
	fprintf(stderr, "stile-proxy: %s\n%s", why, usage_text);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *config = NULL;
	bool check = false;

	/* children of a master are this program with a role (child.c) */
	if (argc == 2 && strcmp(argv[1], "worker") == 0)
		return worker_main();
	if (argc == 2 && strcmp(argv[1], "shipper") == 0)
		return shipping_main();
	if (argc == 2 && strcmp(argv[1], "heir") == 0)
		return heir_main();
	if (argc >= 2 && strcmp(argv[1], "ctl") == 0)
		return ctl_main(argc - 1, argv + 1);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(usage_text, stdout) < 0;
		if (strcmp(argv[i], "--version") == 0)
			return printf("stile-proxy %s\n", STILE_VERSION) < 0;
		if (strcmp(argv[i], "-t") == 0)
			check = true;
		else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			config = argv[++i];
		else
			return wrong_usage("unknown or incomplete option");
	}
	if (!config)
		return wrong_usage("-c FILE is missing");
	return check ? check_main(config) : master_main(config);
}
