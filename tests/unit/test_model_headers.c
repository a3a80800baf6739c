/* SPDX-License-Identifier: MIT */
/*
 * Headers of model files as the shim reads them (preload/gguf.c, preload/safetensors.c): every
 * version and type, every cut of a small file and every bit of it turned. Files are made here, byte
 * by byte. Worth most when built with -fsanitize=address,undefined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model_parsers.h"

#define ROOM_BYTES 65536u
#define MAX_BYTES (1u << 20)

/* ---- files ---- */
struct made {
	uint8_t bytes[ROOM_BYTES];
	size_t length;
	uint32_t version;
};

static void put_made(struct made *file, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		file->bytes[file->length++] = (uint8_t)(i < 8 ? value >> i * 8 : 0);
}

/* Of counts and lengths: version 1 has 32 bits. */
static void put_count(struct made *file, uint64_t value)
{
	put_made(file, value, file->version == 1 ? 4 : 8);
}

static void put_name(struct made *file, const char *text)
{
	put_count(file, strlen(text));
	memcpy(file->bytes + file->length, text, strlen(text));
	file->length += strlen(text);
}

static void put_tensor(struct made *file, const char *name, uint64_t columns, uint64_t rows,
		       uint32_t type, uint64_t offset)
{
	put_name(file, name);
	put_made(file, rows ? 2 : 1, 4);
	put_count(file, columns);
	if (rows)
		put_count(file, rows);
	put_made(file, type, 4);
	put_made(file, offset, 8);
}

static void begin_gguf(struct made *file, uint32_t version, unsigned tensors, unsigned pairs)
{
	file->length = 0;
	file->version = version;
	put_made(file, 0x46554747, 4);
	put_made(file, version, 4);
	put_count(file, tensors);
	put_count(file, pairs);
}

static void end_header(struct made *file, unsigned alignment, unsigned data_bytes)
{
	while (file->length % alignment)
		put_made(file, 0, 1);
	memset(file->bytes + file->length, 0xaa, data_bytes);
	file->length += data_bytes;
}

/* Pairs of every kind, an alignment, tensors that are not in order, a type of the future. */
static void make_gguf(struct made *file, uint32_t version)
{
	begin_gguf(file, version, 4, 6);
	put_name(file, "general.architecture");
	put_made(file, 8, 4);
	put_name(file, "qwen");
	put_name(file, "a.list.of.texts");
	put_made(file, 9, 4);
	put_made(file, 8, 4);
	put_count(file, 3);
	put_name(file, "one");
	put_name(file, "");
	put_name(file, "three");
	put_name(file, "a.list.of.numbers");
	put_made(file, 9, 4);
	put_made(file, 6, 4);
	put_count(file, 5);
	put_made(file, 0, 8);
	put_made(file, 0, 8);
	put_made(file, 0, 4);
	put_name(file, "general.alignment");
	put_made(file, 4, 4);
	put_made(file, 64, 4);
	put_name(file, "a.flag");
	put_made(file, 7, 4);
	put_made(file, 1, 1);
	put_name(file, "a.big.number");
	put_made(file, 10, 4);
	put_made(file, ~0ull, 8);
	put_tensor(file, "token_embd.weight", 32, 4, 8, 0);
	put_tensor(file, "output.weight", 5, 0, 0, 384);
	put_tensor(file, "blk.0.attn_q.weight", 256, 1, 14, 128);
	put_tensor(file, "blk.0.odd.weight", 256, 1, 199, 338);
	end_header(file, 64, 448);
}

static void make_safetensors(struct made *file, const char *json)
{
	file->length = 0;
	put_made(file, strlen(json), 8);
	memcpy(file->bytes + file->length, json, strlen(json));
	file->length += strlen(json);
	memset(file->bytes + file->length, 0, 64);
	file->length += 64;
}

static const char json[] =
	"{ \"__metadata__\":{\"format\":\"pt\",\"odd\":[1,-2.5e3,{\"a\":null}]},\n"
	"\"model.layers.0.mlp.up_proj.weight\": {\"dtype\":\"BF16\", \"shape\":[2,3],"
	"\"data_offsets\":[16,28]},\t\"a \\\"quoted\\\" \\u00e4\\ud83d\\ude00\\n\":"
	"{\"data_offsets\":[0,16],\"shape\":[],\"extra\":{\"x\":[[],{}]},\"dtype\":\"F8_E4M3\"} }\n";

/* ---- checks ---- */
/* In memory of its exact size. */
static bool parse(const struct made *file, size_t length, size_t piece_bytes, uint64_t max_bytes,
		  struct model_header *header)
{
	uint8_t *exact = malloc(length + !length);
	struct memory_model model = {exact, length, piece_bytes};
	bool is_model;

	assert_non_null(exact);
	memcpy(exact, file->bytes, length);
	is_model = parse_model(&model, max_bytes, header);
	if (is_model)
		assert_null(check_model(&model, header));
	free(exact);
	return is_model;
}

static void has_row(const struct model_header *header, uint32_t index, uint64_t offset,
		    uint64_t size_bytes, const char *type, const char *name)
{
	const struct model_row *row = &header->table.rows[index];

	assert_in_range(index, 0, header->table.count - 1);
	assert_int_equal(row->offset, header->data_offset + offset);
	assert_int_equal(row->size_bytes, size_bytes);
	assert_string_equal(header->table.types[row->type].text, type);
	assert_int_equal(row->name_bytes, strlen(name));
	assert_memory_equal(header->table.names + row->name_at, name, strlen(name));
}

static void is_the_gguf(const struct made *file, const struct model_header *header)
{
	assert_string_equal(header->format, "gguf");
	assert_int_equal(header->version, file->version);
	assert_int_equal(header->alignment_bytes, 64);
	assert_string_equal(header->architecture, "qwen");
	assert_int_equal(header->data_offset, file->length - 448);
	assert_int_equal(header->table.count, 4);
	has_row(header, 0, 0, 4 * 34, "q8_0", "token_embd.weight");
	has_row(header, 1, 128, 210, "q6_K", "blk.0.attn_q.weight");
	has_row(header, 2, 338, 384 - 338, "type_199", "blk.0.odd.weight");
	has_row(header, 3, 384, 20, "f32", "output.weight");
}

static void test_gguf_versions(void **state)
{
	static const size_t pieces[] = {1, 7, 64, ROOM_BYTES};
	struct model_header header;
	static struct made file;

	(void)state;
	for (uint32_t version = 1; version <= 3; version++) {
		make_gguf(&file, version);
		for (unsigned i = 0; i < 4; i++) {
			assert_true(parse(&file, file.length, pieces[i], MAX_BYTES, &header));
			is_the_gguf(&file, &header);
			model_table_release(&header.table);
		}
	}
	make_gguf(&file, 4);
	assert_false(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	make_gguf(&file, 3);
	file.bytes[4] = 0;
	file.bytes[7] = 3; /* of a big-endian machine */
	assert_false(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
}

/* Bytes of 256 elements of each type, from ggml's structs: scales, mins, bits of the weights. */
static const struct {
	uint32_t number;
	const char *name;
	uint64_t bytes;
} type_sizes[] = {
	{0, "f32", 1024},
	{1, "f16", 512},
	{2, "q4_0", 8 * (2 + 16)},
	{3, "q4_1", 8 * (4 + 16)},
	{6, "q5_0", 8 * (2 + 4 + 16)},
	{7, "q5_1", 8 * (4 + 4 + 16)},
	{8, "q8_0", 8 * (2 + 32)},
	{9, "q8_1", 8 * (4 + 32)},
	{10, "q2_K", 16 + 64 + 4},
	{11, "q3_K", 32 + 64 + 12 + 2},
	{12, "q4_K", 4 + 12 + 128},
	{13, "q5_K", 4 + 12 + 32 + 128},
	{14, "q6_K", 128 + 64 + 16 + 2},
	{15, "q8_K", 4 + 256 + 32},
	{16, "iq2_xxs", 2 + 64},
	{17, "iq2_xs", 2 + 64 + 8},
	{18, "iq3_xxs", 2 + 96},
	{19, "iq1_s", 2 + 32 + 16},
	{20, "iq4_nl", 8 * (2 + 16)},
	{21, "iq3_s", 2 + 64 + 8 + 32 + 4},
	{22, "iq2_s", 2 + 64 + 8 + 8},
	{23, "iq4_xs", 2 + 2 + 4 + 128},
	{24, "i8", 256},
	{25, "i16", 512},
	{26, "i32", 1024},
	{27, "i64", 2048},
	{28, "f64", 2048},
	{29, "iq1_m", 32 + 16 + 8},
	{30, "bf16", 512},
	{34, "tq1_0", 48 + 4 + 2},
	{35, "tq2_0", 64 + 2},
	{39, "mxfp4", 8 * (1 + 16)},
	{40, "nvfp4", 4 * (4 + 32)},
	{41, "q1_0", 2 * (2 + 16)},
};

static void test_type_sizes(void **state)
{
	static struct made file;
	struct model_header header;

	(void)state;
	for (size_t i = 0; i < sizeof(type_sizes) / sizeof(type_sizes[0]); i++) {
		begin_gguf(&file, 3, 1, 0);
		put_tensor(&file, "x", 256, 3, type_sizes[i].number, 0);
		end_header(&file, 32, 8192);
		assert_true(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
		assert_int_equal(header.alignment_bytes, 0);
		has_row(&header, 0, 0, 3 * type_sizes[i].bytes, type_sizes[i].name, "x");
		model_table_release(&header.table);
	}
}

static void test_impossible_sizes(void **state)
{
	static struct made file;
	struct model_header header;

	(void)state;
	begin_gguf(&file, 3, 4, 0);
	put_tensor(&file, "not.whole.blocks", 33, 1, 8, 0);
	put_tensor(&file, "overflow", 1ull << 40, 1ull << 40, 0, 64);
	put_tensor(&file, "too.long", 1024, 1, 0, 96);
	put_tensor(&file, "behind.the.end", 1, 1, 0, 1ull << 63);
	end_header(&file, 32, 128);
	assert_true(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	assert_int_equal(header.table.count, 3);
	has_row(&header, 0, 0, 64, "q8_0", "not.whole.blocks");
	has_row(&header, 1, 64, 32, "f32", "overflow");
	has_row(&header, 2, 96, 32, "f32", "too.long");
	model_table_release(&header.table);
}

/* Behind the last cut in the header all rows are there, shorter at most; before it none. */
static void test_gguf_cuts(void **state)
{
	static struct made file;
	struct model_header header;

	(void)state;
	for (uint32_t version = 1; version <= 3; version++) {
		make_gguf(&file, version);
		for (size_t length = 0; length < file.length; length++) {
			bool is_model = parse(&file, length, 64, MAX_BYTES, &header);

			if (length < file.length - 448 - 63)
				assert_false(is_model);
			if (length >= file.length - 448 + 384) {
				assert_true(is_model);
				assert_int_equal(header.table.count, 4);
			}
			model_table_release(&header.table);
		}
	}
}

static void flip_all(struct made *file)
{
	struct model_header header;

	for (size_t i = 0; i < file->length * 8; i++) {
		file->bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		parse(file, file->length, 64, MAX_BYTES, &header);
		model_table_release(&header.table);
		file->bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

static void test_bit_flips(void **state)
{
	static struct made file;

	(void)state;
	make_gguf(&file, 1);
	flip_all(&file);
	make_gguf(&file, 3);
	flip_all(&file);
	make_safetensors(&file, json);
	flip_all(&file);
}

static void test_hostile_counts(void **state)
{
	static struct made file;
	struct model_header header;

	(void)state;
	begin_gguf(&file, 3, 0, 0);
	memset(file.bytes + 8, 0xff, 16); /* counts */
	assert_false(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	begin_gguf(&file, 3, 0, 1);
	put_made(&file, ~0ull, 8); /* length of a key */
	assert_false(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	begin_gguf(&file, 3, 0, 1);
	put_name(&file, "k");
	put_made(&file, 9, 4);
	put_made(&file, 10, 4);
	put_made(&file, 1ull << 61, 8); /* times 8 is 0 */
	assert_false(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	begin_gguf(&file, 3, 0, 1);
	put_name(&file, "k");
	for (unsigned i = 0; i < 1000; i++) { /* arrays of arrays */
		put_made(&file, 9, 4);
		put_made(&file, i ? 1 : 0, i ? 8 : 0);
	}
	put_made(&file, 0, 12);
	end_header(&file, 32, 64);
	assert_false(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	begin_gguf(&file, 3, 0, 1);
	put_name(&file, "general.alignment");
	put_made(&file, 4, 4);
	put_made(&file, 48, 4);
	end_header(&file, 32, 64);
	assert_false(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
}

/* A name of 4,000 bytes: the cut does not divide a character of two bytes. */
static void test_long_names(void **state)
{
	static struct made file;
	static char name[4001];
	struct model_header header;

	(void)state;
	for (unsigned i = 0; i < 4000; i += 2)
		memcpy(name + i, "\xc3\xa4", 2);
	memmove(name + 1, name, 3999);
	name[0] = 'x';
	begin_gguf(&file, 3, 1, 0);
	put_tensor(&file, name, 4, 0, 0, 0);
	end_header(&file, 32, 64);
	assert_true(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	name[1023] = '\0';
	has_row(&header, 0, 0, 16, "f32", name);
	model_table_release(&header.table);
}

/* Rows that have no room are left out; those before stay. */
static void test_little_room(void **state)
{
	static struct made file;
	struct model_header header;

	(void)state;
	begin_gguf(&file, 3, 1000, 0);
	for (unsigned i = 0; i < 1000; i++)
		put_tensor(&file, "name", 4, 0, 0, 0);
	end_header(&file, 32, 64);
	assert_true(parse(&file, file.length, ROOM_BYTES, 24000, &header));
	assert_int_equal(header.table.count, 256);
	model_table_release(&header.table);
	assert_true(parse(&file, file.length, ROOM_BYTES, MAX_BYTES, &header));
	assert_int_equal(header.table.count, 1000);
	model_table_release(&header.table);
}

static void test_safetensors(void **state)
{
	static struct made file;
	struct model_header header;

	(void)state;
	make_safetensors(&file, json);
	for (size_t piece = 1; piece < 40; piece += 13) {
		assert_true(parse(&file, file.length, piece, MAX_BYTES, &header));
		assert_string_equal(header.format, "safetensors");
		assert_int_equal(header.data_offset, 8 + sizeof(json) - 1);
		assert_int_equal(header.table.count, 2);
		has_row(&header, 0, 0, 16, "F8_E4M3", "a \"quoted\" \xc3\xa4\xf0\x9f\x98\x80\n");
		has_row(&header, 1, 16, 12, "BF16", "model.layers.0.mlp.up_proj.weight");
		model_table_release(&header.table);
	}
}

/* The length in front still claims all of it: what the cut leaves is no such file. */
static void test_safetensors_cuts(void **state)
{
	static struct made file;
	struct model_header header;

	(void)state;
	make_safetensors(&file, json);
	for (size_t length = 0; length < file.length; length++) {
		bool is_model = parse(&file, length, 64, MAX_BYTES, &header);

		assert_int_equal(is_model, length >= 8 + sizeof(json) - 1);
		model_table_release(&header.table);
	}
	for (size_t length = 2; length < sizeof(json) - 1; length++) {
		make_safetensors(&file, json);
		file.bytes[0] = (uint8_t)length;
		file.bytes[1] = (uint8_t)(length >> 8);
		if (parse(&file, file.length, 64, MAX_BYTES, &header))
			assert_in_range(header.table.count, 1, 2);
		model_table_release(&header.table);
	}
}

#define ENTRY(fields) "{\"first\":{\"dtype\":\"I8\",\"data_offsets\":[0,4]},\"x\":" fields "}"

static void test_hostile_json(void **state)
{
	static const char *const texts[] = {
		ENTRY("{\"dtype\":\"F32\",\"data_offsets\":[8,4]}"),
		ENTRY("{\"dtype\":\"F32\",\"data_offsets\":[0,99999999999999999999999]}"),
		ENTRY("{\"dtype\":\"F32\",\"data_offsets\":[-1,4]}"),
		ENTRY("{\"dtype\":\"F32\",\"data_offsets\":[0]}"),
		ENTRY("{\"dtype\":7,\"data_offsets\":[0,4]}"),
		ENTRY("{\"dtype\":\"F32\"}"),
		ENTRY("{}"),
		ENTRY("[]"),
		ENTRY("{\"dtype\":\"\\ud800\\u0020\",\"data_offsets\":[0,4]}"),
		ENTRY("{\"dtype\":\"\\x\",\"data_offsets\":[0,4]}"),
		"{\"first\":{\"dtype\":\"I8\",\"data_offsets\":[0,4]},",
		"{\"first\":{\"dtype\":\"I8\",\"data_offsets\":[0,4]},\"un",
	};
	static struct made file;
	static char deep[4096];
	struct model_header header;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		make_safetensors(&file, texts[i]);
		assert_true(parse(&file, file.length, 64, MAX_BYTES, &header));
		assert_int_equal(header.table.count, 1);
		has_row(&header, 0, 0, 4, "I8", "first");
		model_table_release(&header.table);
	}
	strcpy(deep, "{\"__metadata__\":");
	memset(deep + strlen(deep), '[', 4000);
	make_safetensors(&file, deep);
	assert_false(parse(&file, file.length, 64, MAX_BYTES, &header));
	make_safetensors(&file, "{}");
	assert_false(parse(&file, file.length, 64, MAX_BYTES, &header));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gguf_versions),	 cmocka_unit_test(test_type_sizes),
		cmocka_unit_test(test_impossible_sizes), cmocka_unit_test(test_gguf_cuts),
		cmocka_unit_test(test_bit_flips),	 cmocka_unit_test(test_hostile_counts),
		cmocka_unit_test(test_long_names),	 cmocka_unit_test(test_little_room),
		cmocka_unit_test(test_safetensors),	 cmocka_unit_test(test_safetensors_cuts),
		cmocka_unit_test(test_hostile_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
