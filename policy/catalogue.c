/*
 * The built-in catalogue, taken into the library as it stands in catalogue.cfg: one file to read,
 * to check and to ship. The assembler finds it relative to the folder the build runs in, the top of
 * the tree, and counts its bytes.
 */
#include "catalogue.h"

__asm__(".pushsection .rodata.catalogue, \"a\", @progbits\n"
	".hidden catalogue_bytes\n"
	".hidden catalogue_size\n"
	".global catalogue_bytes\n"
	".global catalogue_size\n"
	".balign 8\n"
	"catalogue_size:\n"
	".8byte 2f - 1f\n"
	"catalogue_bytes:\n"
	"1:\n"
	".incbin \"policy/catalogue.cfg\"\n"
	"2:\n"
	".byte 0\n"
	".popsection\n");

extern const char catalogue_bytes[] __attribute__((visibility("hidden")));
extern const uint64_t catalogue_size __attribute__((visibility("hidden")));

struct span catalogue_text(void)
{
	return span_of(catalogue_bytes, (size_t)catalogue_size);
}
