/* The commands of stile-policy, a file each. */
#ifndef STILE_POLICY_COMMANDS_H
#define STILE_POLICY_COMMANDS_H

#include "cli.h"

extern const struct cli_command policy_check_command, policy_explain_command, policy_test_command,
	policy_diff_command, policy_service_command, policy_passwd_command, policy_acl_command;

#endif
