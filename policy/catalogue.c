/*
 * The built-in catalogue, taken into the library as it stands in catalogue.cfg: one file to read,
 * to check and to ship. The assembler finds it relative to the folder the build runs in, the top of
 * the tree.
 */
#include "catalogue.h"

__asm__(".pushsection .rodata.catalogue, \"a\", @progbits\n"
	".hidden catalogue_begin\n"
	".hidden catalogue_end\n"
	".global catalogue_begin\n"
	".global catalogue_end\n"
	"catalogue_begin:\n"
	".incbin \"policy/catalogue.cfg\"\n"
	"catalogue_end:\n"
	".byte 0\n"
	".popsection\n");

extern const char catalogue_begin[] __attribute__((visibility("hidden")));
extern const char catalogue_end[] __attribute__((visibility("hidden")));

struct span catalogue_text(void)
{
	return span_of(catalogue_begin, (size_t)(catalogue_end - catalogue_begin));
}
