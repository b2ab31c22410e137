/* stile-policy: what administrators ask of policy files; needs no running proxy. */
#include "policy_commands.h"

static const struct cli_command *const commands[] = {&policy_check_command, &policy_explain_command,
	&policy_test_command, &policy_diff_command, &policy_service_command, &policy_passwd_command,
	&policy_acl_command, NULL};

static const struct cli_program program = {
	.name = "stile-policy",
	.help = "Checks, explains, tests and compares policies of stile, and keeps its file of accounts.",
	.commands = commands,
};

int main(int argc, char **argv)
{
	return cli_main(&program, argc, argv);
}
