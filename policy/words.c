/* The words of the tables: reasons, parts, decisions and conditions, as people and records read
 * them. */
#include "policy.h"

#include <assert.h>

const char *part_word(enum service_part p)
{
	static const char *const words[PART_COUNT] = {
#define PART(name, key, word, text) [PART_##name] = word,
#include "parts.def"
#undef PART
	};

	assert((unsigned)p < PART_COUNT);
	return words[p];
}

const struct reason_info *reason_info(enum reason r)
{
	static const struct reason_info infos[REASON_COUNT] = {
#define REASON(name, word, status, text) [REASON_##name] = {word, status, text},
#include "reasons.def"
#undef REASON
	};

	assert((unsigned)r < REASON_COUNT);
	return &infos[r];
}

const char *action_word(enum rule_action a)
{
	static const char *const words[] = {
		[RULE_ALLOW] = "allow", [RULE_DENY] = "deny", [RULE_COACH] = "coach"};

	assert((unsigned)a <= RULE_COACH);
	return words[a];
}

const char *limit_word(enum limit_kind k)
{
	static const char *const words[LIMIT_COUNT + 1] = {
#define LIMIT(name, word, text) [LIMIT_##name] = word,
#include "limits.def"
#undef LIMIT
		[LIMIT_COUNT] = "none",
	};

	assert((unsigned)k <= LIMIT_COUNT);
	return words[k];
}

const char *decision_word(enum decision d)
{
	switch (d) {
	case DECISION_ALLOW:
		return "allow";
	case DECISION_DENY:
		return "deny";
	case DECISION_NEED:
		return "need";
	}
	return "?";
}

const char *condition_text(enum condition c)
{
	switch (c) {
	case COND_HOLDS:
		return "holds";
	case COND_OBSERVED:
		return "holds, but only observes";
	case COND_SCHEDULE:
		return "not at this time";
	case COND_PORT:
		return "not for this port";
	case COND_TO:
		return "not for this host";
	case COND_EXCEPT:
		return "the host is excepted";
	case COND_ROLES:
		return "not for these roles";
	case COND_COUNTRY:
		return "not for this country";
	case COND_LIMIT_NEXT:
		return "its limit is spent";
	case COND_NOT_REACHED:
		return "not reached";
	}
	return "?";
}
