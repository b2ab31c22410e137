/* The commands of stile-report, a file each. */
#ifndef STILE_REPORT_COMMANDS_H
#define STILE_REPORT_COMMANDS_H

#include "cli.h"

extern const struct cli_command report_summary_command, report_person_command,
	report_denied_command, report_rules_command;

#endif
