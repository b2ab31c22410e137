/* Digests against the published vectors; the object must not carry anything over between calls. */
#include "digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T(literal)                                                                                 \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static char a131[131], million[1000000];

/* FIPS 180-4 examples (SHA256.pdf of the Cryptographic Standards examples) and the million a's. */
static const struct {
	struct span in;
	const char *hex;
} sha[] = {
	{T(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{T("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{T("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	{{million, sizeof(million)},
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

/* RFC 4231 section 4 (case 5 gives a truncated result only). */
static const struct {
	struct span key, data;
	const char *hex;
} hmac[] = {
	{T("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
		T("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{T("Jefe"), T("what do ya want for nothing?"),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{T("\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"),
		T("\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
		  "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
		  "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"),
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{T("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15"
	   "\x16\x17\x18\x19"),
		T("\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
		  "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
		  "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"),
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	{{a131, sizeof(a131)}, T("Test Using Larger Than Block-Size Key - Hash Key First"),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{{a131, sizeof(a131)},
		T("This is a test using a larger than block-size key and a larger than block-size "
		  "data. The key needs to be hashed before being used by the HMAC algorithm."),
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	/* no key and no data, as anyone can recompute it: openssl dgst -sha256 -hmac "" */
	{{NULL, 0}, {NULL, 0}, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static int fill(void **state)
{
	memset(a131, 0xaa, sizeof(a131));
	memset(million, 'a', sizeof(million));
	*state = digest_new();
	return 0;
}

static int drop(void **state)
{
	digest_free(*state);
	digest_free(NULL);
	return 0;
}

static void is(const uint8_t got[SHA256_LEN], const char *hex)
{
	char text[2 * SHA256_LEN + 1];

	hex_encode(got, SHA256_LEN, text);
	assert_string_equal(text, hex);
}

static void sha256_matches_fips_180(void **state)
{
	uint8_t out[SHA256_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(sha); i++) {
		digest_sha256(&sha[i].in, 1, out);
		is(out, sha[i].hex);
	}
	digest_sha256(NULL, 0, out);
	is(out, sha[0].hex);
}

static void hmac_matches_rfc_4231(void **state)
{
	uint8_t out[SHA256_LEN];

	for (size_t i = 0; i < COUNT(hmac); i++) {
		digest_hmac(*state, hmac[i].key, &hmac[i].data, 1, out);
		is(out, hmac[i].hex);
	}
}

static void parts_are_put_end_to_end_and_calls_are_independent(void **state)
{
	const struct span parts[] = {SPAN("a"), {NULL, 0}, SPAN("b"), SPAN("c")};
	const struct span want[] = {SPAN("what do ya "), SPAN(""), SPAN("want for nothing?")};
	uint8_t out[SHA256_LEN];

	for (int turn = 0; turn < 3; turn++) {
		digest_sha256(parts, COUNT(parts), out);
		is(out, sha[1].hex);
		digest_hmac(*state, SPAN("Jefe"), want, COUNT(want), out);
		is(out, hmac[1].hex);
		/* an empty key means an empty key, not the one before */
		digest_hmac(*state, SPAN(""), NULL, 0, out);
		is(out, hmac[COUNT(hmac) - 1].hex);
	}
}

/* The last key stays prepared; what was hashed between two uses of it must not show. */
static void a_key_is_used_again_only_for_itself(void **state)
{
	static const char long_key[65] = {0};
	const struct span text = SPAN("what do ya want for nothing?");
	const struct span keys[] = {SPAN("Jefe"), SPAN("jefe"), SPAN("Jef"), span_of(long_key, 64),
		span_of(long_key, 65), SPAN("")};
	uint8_t fresh[COUNT(keys)][SHA256_LEN], out[SHA256_LEN];

	for (size_t i = 0; i < COUNT(keys); i++) {
		struct digest *d = digest_new();

		digest_hmac(d, keys[i], &text, 1, fresh[i]);
		digest_free(d);
	}
	for (size_t i = 0; i < COUNT(keys); i++)
		for (size_t k = 0; k < COUNT(keys); k++) {
			digest_hmac(*state, keys[i], &text, 1, out);
			assert_memory_equal(out, fresh[i], SHA256_LEN);
			digest_hmac(*state, keys[k], &text, 1, out);
			assert_memory_equal(out, fresh[k], SHA256_LEN);
			digest_hmac(*state, keys[k], &text, 1, out);
			assert_memory_equal(out, fresh[k], SHA256_LEN);
		}
}

static void random_bytes_fill_everything_and_differ(void **state)
{
	uint8_t a[64], b[64], seen = 0;

	(void)state;
	for (int i = 0; i < 64; i++) {
		random_bytes(a, sizeof(a));
		seen |= a[sizeof(a) - 1];
	}
	assert_int_not_equal(seen, 0);
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	random_bytes(a, 0);
}

static void secrets_compare_by_every_byte(void **state)
{
	(void)state;
	assert_true(bytes_eq_secret("abcd", "abcd", 4));
	assert_false(bytes_eq_secret("abcd", "abce", 4));
	assert_false(bytes_eq_secret("xbcd", "abcd", 4));
	assert_true(bytes_eq_secret("x", "y", 0));
}

static void hex_goes_there_and_back_and_is_exact(void **state)
{
	static const char *const bad[] = {
		"", "0", "000", "0g", "g0", "0x00", " 00", "00 ", "-1", "00ff00"};
	uint8_t out[2] = {1, 1};
	char text[5];

	(void)state;
	assert_true(hex_decode(SPAN("00fF"), out, 2));
	assert_memory_equal(out, "\x00\xff", 2);
	hex_encode(out, 2, text);
	assert_string_equal(text, "00ff");
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(hex_decode(span_str(bad[i]), out, 2));
		if (bad[i][0])
			assert_false(hex_decode(span_str(bad[i]), out, 1));
	}
	assert_true(hex_decode(SPAN(""), out, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_matches_fips_180),
		cmocka_unit_test(hmac_matches_rfc_4231),
		cmocka_unit_test(parts_are_put_end_to_end_and_calls_are_independent),
		cmocka_unit_test(a_key_is_used_again_only_for_itself),
		cmocka_unit_test(random_bytes_fill_everything_and_differ),
		cmocka_unit_test(secrets_compare_by_every_byte),
		cmocka_unit_test(hex_goes_there_and_back_and_is_exact),
	};

	return cmocka_run_group_tests(tests, fill, drop);
}
