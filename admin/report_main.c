/* stile-report: what personnel, auditors and works councils ask of the records. */
#include "report_commands.h"

static const struct cli_command *const commands[] = {&report_summary_command,
	&report_person_command, &report_denied_command, &report_rules_command, NULL};

static const struct cli_program program = {
	.name = "stile-report",
	.help = "Reports on the records of stile: how much, never what, and nobody by name.",
	.commands = commands,
};

int main(int argc, char **argv)
{
	return cli_main(&program, argc, argv);
}
