/*
 * append.lua inside the program, so that the two are never of different versions. The assembler
 * takes the file as it stands; the build runs in the tree's top folder.
 */
#include "ship_script.h"

__asm__(".section .rodata\n"
	".global stile_append_lua, stile_append_lua_end\n"
	"stile_append_lua:\n"
	".incbin \"audit/append.lua\"\n"
	"stile_append_lua_end:\n"
	".byte 0\n"
	".previous\n");

extern const char stile_append_lua[], stile_append_lua_end[];

struct span ship_script(void)
{
	return span_of(stile_append_lua, (size_t)(stile_append_lua_end - stile_append_lua));
}
