/* SPDX-License-Identifier: MIT */
/*
 * What is private in a command line and in a path, and what is not: each case says what must be
 * gone and what must be left. The hash against the vectors of its authors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "llmtrace/privacy_parts.h"
#include "private_path.h"

/* Put together, so that this file holds no path of somebody's machine. */
#define HOME                                                                                       \
	"/"                                                                                        \
	"home/"
#define SECRET "hunter2"

static struct lt_privacy privacy = {.key = {0x0706050403020100, 0x0f0e0d0c0b0a0908}};

static void test_hash(void **state)
{
	/* the paper's appendix A: bytes 0..14 under the key 0..15 */
	char bytes[15];

	(void)state;
	for (int i = 0; i < 15; i++)
		bytes[i] = (char)i;
	assert_true(lt_privacy_hash(privacy.key, bytes, 15) == 0xa129ca6149be45e5);
	assert_true(lt_privacy_hash(privacy.key, bytes, 0) == 0x726fdb47dd0e0e31);
	assert_true(lt_privacy_hash(privacy.key, bytes, 8) == 0x93f5f5799a932462);
}

/* Blanks in the text stand for the zeros between arguments, '~' for a blank inside of one. */
static char *command(const char *words)
{
	static char out[2048];
	char in[1024];
	size_t length = strlen(words), used;

	for (size_t i = 0; i <= length; i++)
		in[i] = words[i] == ' ' ? '\0' : words[i] == '~' ? ' ' : words[i];
	used = lt_privacy_command(&privacy, in, length, out, sizeof(out));
	for (size_t i = 0; i < used; i++)
		out[i] = out[i] ? out[i] : ' ';
	return out;
}

static void test_secrets_go(void **state)
{
	static const char *const lines[] = {
		"x --api-key " SECRET,
		"x --api-key=" SECRET,
		"x --api_key " SECRET,
		"x -hft " SECRET,
		"x --hf-token " SECRET,
		"x --hf_token=" SECRET,
		"x --password " SECRET,
		"x --adminpassword " SECRET,
		"x --token " SECRET,
		"x --key " SECRET,
		"x -p " SECRET,
		"x -p " SECRET "~and~more",
		"x --prompt " SECRET,
		"x --prompt=" SECRET "~and~more",
		"x --systemPrompt " SECRET,
		"x -sys " SECRET,
		"x --system-prompt " SECRET,
		"x --in-prefix " SECRET,
		"x --in-suffix " SECRET,
		"x -r " SECRET,
		"x --reverse-prompt " SECRET,
		"x --grammar " SECRET,
		"x --negative-prompt " SECRET,
		"x --hordeconfig " SECRET,
		"env HF_TOKEN=" SECRET " x",
		"env OPENAI_API_KEY=" SECRET,
		"env MY_PASS=" SECRET,
		"env AWS_SECRET_ACCESS_KEY=" SECRET,
		"env db_password=" SECRET,
		"sh -c x~--api-key~" SECRET,
		"sh -c HF_TOKEN=" SECRET "~x",
		"sh -c x~-p~'" SECRET "'",
		"sh -c cd~/;~x~--prompt=" SECRET,
		"curl -H Authorization:~Bearer~" SECRET,
		"x http://host/?a=b&token=" SECRET "&c=d",
		"x https://me:" SECRET "@host/x",
		"x {\"api_key\":\"" SECRET "\"}",
		"x --config={\"api_key\":~\"" SECRET "\"}",
		"x --env=HF_TOKEN=" SECRET,
		"x --api-key -" SECRET,
		"x --token -" SECRET,
		"x http://a/b?to=https://me:" SECRET "@host/x",
		"x http://a,http://me:" SECRET "@b,http://you:" SECRET "@c",
		"sh -c curl~-d~\"{\\\"prompt\\\":~\\\"" SECRET "\\\"}\"~http://a",
		"sh -c curl~-d~'{\"prompt\"~:~\"" SECRET "\"}'~http://a",
		"x {\"n\":1,\"prompt\"~:\"" SECRET "\"}",
		"curl -HAuthorization:~Bearer~" SECRET,
		"curl -dprompt=" SECRET "~words",
		"curl -Fapi_key=" SECRET,
		"python3 -c import~os;api_key~=~\"" SECRET "\"",
		"x --hordeconfig model 80 2048 " SECRET " worker",
		"curl -u alice:" SECRET " http://a",
		"curl -ualice:" SECRET " http://a",
		"curl --user alice:" SECRET,
		"curl --user=alice:" SECRET,
		"curl --proxy-user alice:" SECRET,
		"sh -c curl~-s~-u~alice:" SECRET "~http://a",
		"x --pass " SECRET,
		"x --auth " SECRET,
		"x --bearer " SECRET,
		"x --pwd " SECRET,
		"x --cfg-negative-prompt " SECRET,
		"curl --oauth2-bearer " SECRET,
		"curl --cookie sid=" SECRET,
		"curl -b sid=" SECRET,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *out = command(lines[i]);

		if (strstr(out, SECRET) || !strchr(out, '<'))
			fail_msg("%s: %s", lines[i], out);
	}
}

static void test_the_rest_stays(void **state)
{
	static const char *const lines[] = {
		"llama-cli -m /models/a.gguf -n 48 -t 2 -c 4096 --no-mmap -lm none",
		"llama-bench -m a.gguf -p 512,1024 -n 128 -r 3",
		"x --max-tokens 512",
		"x --override-kv tokenizer.ggml.add_bos_token=bool:false",
		"x --keep 3",
		"x -f prompt.txt --prompt-cache file --system-prompt-file f --api-key-file k",
		"python3 -m pip install x",
		"x --tensor-split 3,1 --cache-type-k q8_0",
		"x --monkey patch --hotkey a",
		"sh -c exec~x~-m~a.gguf",
		"x --token -m a.gguf",
		"x",
		"x  y",
		"x -- -",
		"x http://host:8080/a?b=c",
		"x --no-token",
		"x --token --threads 4",
		"x --token -ngl 99",
		"x --token -t4",
		"x --eos-token -1",
		"llama-cli -m a.gguf -b 512 -ub 256",
		"python3 -u server.py --host 127.0.0.1:8080",
		"sh -c python3~-u~server.py~--host~127.0.0.1:8080",
		"pip install --user x",
		"env PWD=/srv/x y",
		"x http://a:80/b http://c/d?e=f@g",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char wanted[1024];

		strcpy(wanted, lines[i]);
		for (char *at = wanted; *at; at++)
			*at = *at == '~' ? ' ' : *at;
		assert_string_equal(command(lines[i]), wanted);
	}
}

static void test_form_of_a_mark(void **state)
{
	char first[2048];

	(void)state;
	strcpy(first, command("x --api-key abcdef -m a.gguf"));
	assert_non_null(strstr(first, "x --api-key <6:"));
	assert_non_null(strstr(first, "> -m a.gguf"));
	/* what was replaced stays: a second time changes nothing */
	assert_string_equal(command(first), first);
	/* a list ends at the next option */
	strcpy(first, command("x --hordeconfig model 80 abc -m a.gguf"));
	assert_non_null(strstr(first, "> -m a.gguf"));
	assert_null(strstr(first, "abc -m"));
	assert_string_equal(command(first), first);
	assert_true(lt_privacy_is_mark("<6:0123abcd>", 12));
	assert_false(lt_privacy_is_mark("<6:0123abcg>", 12));
	assert_false(lt_privacy_is_mark("<:0123abcd>", 11));
	assert_false(lt_privacy_is_mark("<6x0123abcd>", 12));
}

/* Another key is another hash, though not for names. */
static void test_keys(void **state)
{
	char first[2048];

	(void)state;
	strcpy(first, command("x --api-key abcdef " HOME "carol/x"));
	privacy.key[0] ^= 1;
	assert_string_not_equal(command("x --api-key abcdef"), "");
	assert_null(strstr(first, command("x --api-key abcdef") + 12));
	assert_string_equal(strchr(command(HOME "carol/x"), '/'), strstr(first, "/"));
	privacy.key[0] ^= 1;
}

static const char *path(const char *text)
{
	static char out[512];

	lt_privacy_path(&privacy, text, strlen(text), out, sizeof(out));
	return out;
}

static void test_paths(void **state)
{
	static const char *const gone[] = {
		HOME "carol",
		HOME "carol/models/x.gguf",
		"/nfs" HOME "carol/x",
		"/Users/carol/x",
		"/media/carol/disk",
		"/run/media/carol/disk",
		"/data/dave/x",
		"/data/dave",
		"/dave/x",
	};
	static const char *const stay[] = {
		"/usr/lib/libc.so.6",
		HOME,
		"/data/davex/x",
		"/data/xdave",
		"dave",
		"[heap]",
		"",
		"/srv/media/carol.mp4",
		"/dev/shm/x",
		"//",
		"/proc/1/fd",
	};
	struct lt_privacy saved = privacy;

	(void)state;
	lt_privacy_add_name(&privacy, "dave", 4);
	lt_privacy_add_name(&privacy, "lib", 3); /* a folder that every system has */
	lt_privacy_add_name(&privacy, "root", 4);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		char once[512];

		assert_true(lt_privacy_is_private(&privacy, gone[i], strlen(gone[i])));
		strcpy(once, path(gone[i]));
		if (strstr(once, "carol") || strstr(once, "dave"))
			fail_msg("%s: %s", gone[i], once);
		assert_string_equal(path(once), once);
	}
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++) {
		assert_false(lt_privacy_is_private(&privacy, stay[i], strlen(stay[i])));
		assert_string_equal(path(stay[i]), stay[i]);
	}
	assert_non_null(strstr(path(HOME "carol/a/b"), ">/a/b"));
	privacy = saved;
}

static void test_learned_names(void **state)
{
	struct lt_privacy saved = privacy;
	const char *line = "a --x=" HOME "erin/f";

	(void)state;
	assert_string_equal(path("/data/erin/x"), "/data/erin/x");
	lt_privacy_learn(&privacy, line, strlen(line));
	assert_null(strstr(path("/data/erin/x"), "erin"));
	privacy = saved;
}

/* Cut output is terminated and within its bounds, whatever the length. */
static void test_small_buffers(void **state)
{
	const char *text = "x --api-key abcdefgh " HOME "carol/a";

	(void)state;
	for (size_t bytes = 1; bytes < 64; bytes++) {
		char *out = malloc(bytes);
		size_t length = lt_privacy_command(&privacy, text, strlen(text), out, bytes);

		assert_true(length < bytes && !out[length]);
		length = lt_privacy_path(&privacy, text, strlen(text), out, bytes);
		assert_true(length < bytes && !out[length]);
		free(out);
	}
}

/* Random words: nothing is read or written outside, and twice is as good as once. */
static void test_any_input(void **state)
{
	static const char letters[] = "-p=:~ /home<6:0123abcd>apikeyTOKEN\"'@?&";
	char text[64], out[4096], again[8192];

	(void)state;
	srand(1);
	for (int round = 0; round < 200000; round++) {
		size_t length = (size_t)rand() % sizeof(text), got;
		char *exact = malloc(length + 1);

		for (size_t i = 0; i < length; i++)
			exact[i] = rand() % 8 ? letters[(size_t)rand() % (sizeof(letters) - 1)] : 0;
		got = lt_privacy_command(&privacy, exact, length, out, sizeof(out));
		assert_true(got < sizeof(out));
		lt_privacy_command(&privacy, out, got, again, sizeof(again));
		lt_privacy_path(&privacy, exact, length, out, sizeof(out));
		free(exact);
	}
}

static void test_way_back(void **state)
{
	char folder[] = "/tmp/private-XXXXXX", real[256], replaced[256],
	     mark[LT_PRIVACY_MARK_BYTES];
	char *found;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(real, sizeof(real), "%s/frank", folder);
	assert_int_equal(mkdir(real, 0700), 0);
	lt_privacy_mark_name("frank", 5, mark);
	snprintf(replaced, sizeof(replaced), "%s/%s/x/y", folder, mark);
	found = private_path_find(replaced);
	strcat(real, "/x/y");
	assert_string_equal(found, real);
	free(found);
	real[strlen(real) - 4] = '\0';
	rmdir(real);
	found = private_path_find(replaced); /* nobody has that name any more */
	assert_string_equal(found, replaced);
	free(found);
	rmdir(folder);
	found = private_path_find("/usr/lib/x");
	assert_string_equal(found, "/usr/lib/x");
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),	       cmocka_unit_test(test_secrets_go),
		cmocka_unit_test(test_the_rest_stays), cmocka_unit_test(test_form_of_a_mark),
		cmocka_unit_test(test_keys),	       cmocka_unit_test(test_paths),
		cmocka_unit_test(test_learned_names),  cmocka_unit_test(test_small_buffers),
		cmocka_unit_test(test_any_input),      cmocka_unit_test(test_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
