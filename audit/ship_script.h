/* The text of append.lua, as it was at build time. */
#ifndef STILE_SHIP_SCRIPT_H
#define STILE_SHIP_SCRIPT_H

#include "span.h"

struct span ship_script(void);

#endif
