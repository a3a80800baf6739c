/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a synthetic GGUF v3 llama model: metadata, SPM tokenizer, tensor
 * list, random weights. Owns the tensor table and the order in the file. One
 * thread enters; memory is one write buffer whatever the size of the model.
 *
 * Word i of a tensor is a hash of (seed, tensor, i): the file does not depend on
 * how the writes were cut. Weights have the variance 1 / fan-in, embeddings 1, so
 * that activations neither vanish nor overflow however many layers there are.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gguf_model.h"

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BUFFER_BYTES ((size_t)4 << 20)

enum gguf_value { GGUF_U32 = 4, GGUF_I32 = 5, GGUF_F32 = 6, GGUF_BOOL = 7, GGUF_STRING = 8,
		  GGUF_ARRAY = 9 };
enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_BYTE = 6 };
enum { TOKEN_BOS = 1, TOKEN_EOS = 2, TOKEN_FIRST_BYTE = 3, TOKEN_SPACE = 259,
       TOKEN_FIRST_CHAR = 260, TOKEN_FIRST_WORD = GGUF_VOCAB_MIN };

static const struct weight_type weight_f32 = { "f32", 0, 0, 1, 4, 1.0 };
static const struct weight_type weight_types[] = {
	{ "f16", 1, 1, 1, 2, 7.04 },
	{ "q8_0", 8, 7, 32, 34, 73.9 },
	{ "q4_0", 2, 2, 32, 18, 4.64 },
};

const struct weight_type *weight_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(weight_types); i++)
		if (!strcmp(weight_types[i].name, name))
			return &weight_types[i];
	return NULL;
}

static uint64_t kv_width(const struct shape *shape)
{
	return shape->width / shape->heads * shape->kv_heads;
}

/* ---- the tensor list ---- */

enum dim { DIM_NONE, DIM_WIDTH, DIM_KV, DIM_FF, DIM_VOCAB };
enum scope { SCOPE_HEAD, SCOPE_LAYER, SCOPE_TAIL };
enum fill { FILL_ONES, FILL_UNIT, FILL_FAN_IN, FILL_OUTPUT };

/* Order in the file: the head, every layer, the tail, as converters write it. */
static const struct tensor_row {
	enum scope scope;
	const char *name;
	enum dim columns, rows;
	enum fill fill;
} tensor_rows[] = {
	{ SCOPE_HEAD, "token_embd.weight", DIM_WIDTH, DIM_VOCAB, FILL_UNIT },
	{ SCOPE_LAYER, "attn_norm.weight", DIM_WIDTH, DIM_NONE, FILL_ONES },
	{ SCOPE_LAYER, "attn_q.weight", DIM_WIDTH, DIM_WIDTH, FILL_FAN_IN },
	{ SCOPE_LAYER, "attn_k.weight", DIM_WIDTH, DIM_KV, FILL_FAN_IN },
	{ SCOPE_LAYER, "attn_v.weight", DIM_WIDTH, DIM_KV, FILL_FAN_IN },
	{ SCOPE_LAYER, "attn_output.weight", DIM_WIDTH, DIM_WIDTH, FILL_FAN_IN },
	{ SCOPE_LAYER, "ffn_norm.weight", DIM_WIDTH, DIM_NONE, FILL_ONES },
	{ SCOPE_LAYER, "ffn_gate.weight", DIM_WIDTH, DIM_FF, FILL_FAN_IN },
	{ SCOPE_LAYER, "ffn_up.weight", DIM_WIDTH, DIM_FF, FILL_FAN_IN },
	{ SCOPE_LAYER, "ffn_down.weight", DIM_FF, DIM_WIDTH, FILL_FAN_IN },
	{ SCOPE_TAIL, "output_norm.weight", DIM_WIDTH, DIM_NONE, FILL_ONES },
	{ SCOPE_TAIL, "output.weight", DIM_WIDTH, DIM_VOCAB, FILL_OUTPUT },
};

struct tensor {
	char name[64];
	const struct weight_type *type;
	uint64_t columns, rows;		/* rows is 0 for a vector */
	uint64_t data_bytes;
	uint64_t index;
	enum fill fill;
};

static uint64_t dim_count(const struct shape *shape, enum dim dim)
{
	switch (dim) {
	case DIM_WIDTH:
		return shape->width;
	case DIM_KV:
		return kv_width(shape);
	case DIM_FF:
		return shape->ff;
	case DIM_VOCAB:
		return shape->vocab;
	case DIM_NONE:
		break;
	}
	return 0;
}

static void tensor_describe(const struct model *model, const struct tensor_row *row,
			    uint64_t layer, uint64_t index, struct tensor *ret_tensor)
{
	struct tensor *tensor = ret_tensor;
	uint64_t weights;

	if (row->scope == SCOPE_LAYER)
		snprintf(tensor->name, sizeof(tensor->name), "blk.%" PRIu64 ".%s", layer,
			 row->name);
	else
		snprintf(tensor->name, sizeof(tensor->name), "%s", row->name);
	tensor->type = row->fill == FILL_ONES ? &weight_f32 : model->type;
	tensor->columns = dim_count(&model->shape, row->columns);
	tensor->rows = dim_count(&model->shape, row->rows);
	tensor->index = index;
	tensor->fill = row->fill;
	weights = tensor->columns * (tensor->rows ? tensor->rows : 1);
	tensor->data_bytes = weights / tensor->type->block_weights * tensor->type->block_bytes;
}

typedef void tensor_visit(const struct tensor *tensor, void *arg);

/** Calls visit for every tensor in file order; returns how many there are. */
static uint64_t for_each_tensor(const struct model *model, tensor_visit *visit, void *arg)
{
	uint64_t index = 0;

	for (int scope = SCOPE_HEAD; scope <= SCOPE_TAIL; scope++) {
		uint64_t repeats = scope == SCOPE_LAYER ? model->shape.layers : 1;

		for (uint64_t layer = 0; layer < repeats; layer++) {
			for (size_t i = 0; i < ARRAY_COUNT(tensor_rows); i++) {
				struct tensor tensor;

				if ((int)tensor_rows[i].scope != scope)
					continue;
				tensor_describe(model, &tensor_rows[i], layer, index++, &tensor);
				visit(&tensor, arg);
			}
		}
	}
	return index;
}

static void add_padded_bytes(const struct tensor *tensor, void *arg)
{
	uint64_t *total_align = arg;

	total_align[0] += tensor->data_bytes;
	total_align[0] += -total_align[0] & (total_align[1] - 1);
}

uint64_t model_data_bytes(const struct model *model)
{
	uint64_t total_align[2] = { 0, model->align_bytes };

	for_each_tensor(model, add_padded_bytes, total_align);
	return total_align[0];
}

/* ---- output: one big buffer, whole writes ---- */

struct output {
	int fd;
	int error;			/* errno of the first failed write: the last one */
	uint8_t *buffer;
	size_t used_bytes;
	uint64_t position_bytes;	/* of the next byte to be put */
	uint64_t written_bytes;
};

static void output_flush(struct output *out)
{
	size_t done_bytes = 0;

	while (done_bytes < out->used_bytes && !out->error) {
		ssize_t n = write(out->fd, out->buffer + done_bytes, out->used_bytes - done_bytes);

		if (n >= 0)
			done_bytes += (size_t)n;
		else if (errno != EINTR)
			out->error = errno;
	}
	out->written_bytes += done_bytes;
	out->used_bytes = 0;
}

/* Room for the caller to fill in place: at most want_bytes, at least 1 byte. */
static uint8_t *output_room(struct output *out, uint64_t want_bytes, size_t *ret_bytes)
{
	size_t room;
	uint8_t *at;

	if (out->used_bytes == BUFFER_BYTES)
		output_flush(out);
	room = BUFFER_BYTES - out->used_bytes;
	*ret_bytes = want_bytes < room ? (size_t)want_bytes : room;
	at = out->buffer + out->used_bytes;
	out->used_bytes += *ret_bytes;
	out->position_bytes += *ret_bytes;
	return at;
}

static void put_bytes(struct output *out, const void *bytes, size_t count_bytes)
{
	const uint8_t *from = bytes;

	while (count_bytes) {
		size_t n;
		uint8_t *to = output_room(out, count_bytes, &n);

		memcpy(to, from, n);
		from += n;
		count_bytes -= n;
	}
}

static void put_zeros_to_alignment(struct output *out, uint64_t align_bytes)
{
	uint64_t left = -out->position_bytes & (align_bytes - 1);

	while (left) {
		size_t n;
		uint8_t *to = output_room(out, left, &n);

		memset(to, 0, n);
		left -= n;
	}
}

static void put_u32(struct output *out, uint32_t value)
{
	put_bytes(out, &value, sizeof(value));
}

static void put_u64(struct output *out, uint64_t value)
{
	put_bytes(out, &value, sizeof(value));
}

static void put_string(struct output *out, const char *text)
{
	put_u64(out, strlen(text));
	put_bytes(out, text, strlen(text));
}

/* ---- the tokenizer ---- */

#define SPM_SPACE "\xe2\x96\x81"	/* U+2581, SentencePiece's visible space */

/* Words are "space, syllable, syllable...": the number in base 75 without a zero digit. */
static void word_text(uint64_t number, char *ret_text, size_t text_bytes)
{
	static const char consonants[] = "bdfghklmnprstvz", vowels[] = "aeiou";
	char text[32];
	size_t at = sizeof(text);

	text[--at] = '\0';
	for (number++; number; number = (number - 1) / 75) {
		text[--at] = vowels[(number - 1) % 75 % 5];
		text[--at] = consonants[(number - 1) % 75 / 5];
	}
	snprintf(ret_text, text_bytes, SPM_SPACE "%s", text + at);
}

static void token_text(uint64_t token, char *ret_text, size_t text_bytes)
{
	static const char *const special[] = { "<unk>", "<s>", "</s>" };

	if (token < TOKEN_FIRST_BYTE)
		snprintf(ret_text, text_bytes, "%s", special[token]);
	else if (token < TOKEN_SPACE)
		snprintf(ret_text, text_bytes, "<0x%02X>", (unsigned)(token - TOKEN_FIRST_BYTE));
	else if (token == TOKEN_SPACE)
		snprintf(ret_text, text_bytes, SPM_SPACE);
	else if (token < TOKEN_FIRST_WORD)
		snprintf(ret_text, text_bytes, "%c", (int)('!' + token - TOKEN_FIRST_CHAR));
	else
		word_text(token - TOKEN_FIRST_WORD, ret_text, text_bytes);
}

static enum token_type token_type(uint64_t token)
{
	if (token == 0)
		return TOKEN_UNKNOWN;
	if (token < TOKEN_FIRST_BYTE)
		return TOKEN_CONTROL;
	return token < TOKEN_SPACE ? TOKEN_BYTE : TOKEN_NORMAL;
}

uint64_t model_vocab_bytes(const struct model *model)
{
	uint64_t total_bytes = 0;

	for (uint64_t token = 0; token < model->shape.vocab; token++) {
		char text[32];

		token_text(token, text, sizeof(text));
		/* Length and text, score, type. */
		total_bytes += 8 + strlen(text) + 4 + 4;
	}
	return total_bytes;
}

static void put_array_key(struct output *out, const char *key, enum gguf_value type, uint64_t count)
{
	put_string(out, key);
	put_u32(out, GGUF_ARRAY);
	put_u32(out, type);
	put_u64(out, count);
}

static void put_tokenizer(struct output *out, uint64_t vocab)
{
	put_array_key(out, "tokenizer.ggml.tokens", GGUF_STRING, vocab);
	for (uint64_t token = 0; token < vocab; token++) {
		char text[32];

		token_text(token, text, sizeof(text));
		put_string(out, text);
	}
	put_array_key(out, "tokenizer.ggml.scores", GGUF_F32, vocab);
	for (uint64_t token = 0; token < vocab; token++) {
		float score = token < TOKEN_SPACE ? 0.0f : -(float)(token - TOKEN_SPACE);

		put_bytes(out, &score, sizeof(score));
	}
	put_array_key(out, "tokenizer.ggml.token_type", GGUF_I32, vocab);
	for (uint64_t token = 0; token < vocab; token++)
		put_u32(out, token_type(token));
}

/* ---- metadata ---- */

enum { TOKENIZER_KEY_COUNT = 3, CONTEXT_TOKENS = 4096 };

struct meta_row {
	const char *key;
	enum gguf_value type;
	const char *text;
	uint32_t number;
	float real;
};

static void put_meta_row(struct output *out, const struct meta_row *row)
{
	put_string(out, row->key);
	put_u32(out, row->type);
	if (row->type == GGUF_STRING)
		put_string(out, row->text);
	else if (row->type == GGUF_F32)
		put_bytes(out, &row->real, sizeof(row->real));
	else if (row->type == GGUF_BOOL)
		put_bytes(out, &(uint8_t){ row->number != 0 }, 1);
	else
		put_u32(out, row->number);
}

static void put_metadata(struct output *out, const struct model *model, uint64_t tensor_count)
{
	const struct shape *s = &model->shape;
	uint32_t head_width = (uint32_t)(s->width / s->heads);
	const struct meta_row rows[] = {
		{ "general.architecture", GGUF_STRING, .text = "llama" },
		{ "general.name", GGUF_STRING, .text = "synthetic" },
		{ "general.alignment", GGUF_U32, .number = (uint32_t)model->align_bytes },
		{ "general.file_type", GGUF_U32, .number = model->type->file_type },
		{ "general.quantization_version", GGUF_U32, .number = 2 },
		{ "llama.context_length", GGUF_U32, .number = CONTEXT_TOKENS },
		{ "llama.embedding_length", GGUF_U32, .number = (uint32_t)s->width },
		{ "llama.block_count", GGUF_U32, .number = (uint32_t)s->layers },
		{ "llama.feed_forward_length", GGUF_U32, .number = (uint32_t)s->ff },
		{ "llama.attention.head_count", GGUF_U32, .number = (uint32_t)s->heads },
		{ "llama.attention.head_count_kv", GGUF_U32, .number = (uint32_t)s->kv_heads },
		{ "llama.attention.layer_norm_rms_epsilon", GGUF_F32, .real = 1e-5f },
		{ "llama.rope.dimension_count", GGUF_U32, .number = head_width },
		{ "llama.vocab_size", GGUF_U32, .number = (uint32_t)s->vocab },
		{ "tokenizer.ggml.model", GGUF_STRING, .text = "llama" },
		{ "tokenizer.ggml.bos_token_id", GGUF_U32, .number = TOKEN_BOS },
		{ "tokenizer.ggml.eos_token_id", GGUF_U32, .number = TOKEN_EOS },
		{ "tokenizer.ggml.unknown_token_id", GGUF_U32, .number = 0 },
		{ "tokenizer.ggml.add_bos_token", GGUF_BOOL, .number = 1 },
		{ "tokenizer.ggml.add_eos_token", GGUF_BOOL, .number = 0 },
	};

	put_bytes(out, "GGUF", 4);
	put_u32(out, 3);
	put_u64(out, tensor_count);
	put_u64(out, ARRAY_COUNT(rows) + TOKENIZER_KEY_COUNT);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		put_meta_row(out, &rows[i]);
	put_tokenizer(out, s->vocab);
}

struct directory {
	struct output *out;
	uint64_t align_bytes;
	uint64_t next_offset_bytes;
};

static void put_tensor_info(const struct tensor *tensor, void *arg)
{
	struct directory *dir = arg;

	put_string(dir->out, tensor->name);
	put_u32(dir->out, tensor->rows ? 2 : 1);
	put_u64(dir->out, tensor->columns);
	if (tensor->rows)
		put_u64(dir->out, tensor->rows);
	put_u32(dir->out, tensor->type->ggml_type);
	put_u64(dir->out, dir->next_offset_bytes);
	dir->next_offset_bytes += tensor->data_bytes;
	dir->next_offset_bytes += -dir->next_offset_bytes & (dir->align_bytes - 1);
}

/* ---- tensor data ---- */

static uint64_t hash_word(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* at and count_bytes lie on 8-byte words of the tensor, but for its very end. */
static void fill_random(uint8_t *to, size_t count_bytes, uint64_t key, uint64_t at)
{
	for (size_t i = 0; i < count_bytes; i += 8) {
		uint64_t word = hash_word(key + (at + i) * 0x9e3779b97f4a7c15);
		size_t n = count_bytes - i < 8 ? count_bytes - i : 8;

		if (n == 8)
			memcpy(to + i, &word, 8);
		else
			memcpy(to + i, &word, n);
	}
}

/* Keeps sign, mantissa and two random exponent bits above a fixed smallest exponent. */
static void bound_f16(uint8_t *data, size_t count_bytes, double rms, double unit_rms)
{
	uint16_t exponent = (uint16_t)(15 + lround(log2(rms / unit_rms)));

	for (size_t i = 0; i < count_bytes; i += 2) {
		uint16_t half;

		memcpy(&half, data + i, 2);
		half = (uint16_t)((half & 0x8fff) + (exponent << 10));
		memcpy(data + i, &half, 2);
	}
}

/* For 2^-14 <= value < 65504, where a half is normal; the compiler need not know the type. */
static uint16_t half_bits(double value)
{
	int exponent;
	double fraction = frexp(value, &exponent);	/* 0.5 <= fraction < 1 */

	/* The mantissa may round up to 2048: the carry then lands in the exponent, as it should. */
	return (uint16_t)(((exponent + 13) << 10) + lround(fraction * 2048));
}

/*
 * The weights of a block are not centred (Q4_0: -8 to 7); a random sign of its scale
 * centres the tensor. Without it, all positions of a prompt come to look alike.
 */
static void set_block_scales(uint8_t *data, size_t count_bytes, uint32_t block_bytes, double scale)
{
	uint16_t scale_bits = half_bits(fmax(scale, 0x1p-14));

	for (size_t i = 0; i < count_bytes; i += block_bytes) {
		uint16_t random, bits;

		memcpy(&random, data + i, sizeof(random));
		bits = scale_bits | (random & 0x8000);
		memcpy(data + i, &bits, sizeof(bits));
	}
}

static void fill_weights(const struct tensor *tensor, uint64_t key, uint64_t at, uint8_t *to,
			 size_t count_bytes)
{
	double rms = tensor->fill == FILL_UNIT ? 1.0 : 1.0 / sqrt((double)tensor->columns);
	const struct weight_type *type = tensor->type;

	fill_random(to, count_bytes, key, at);
	if (type->block_weights == 1)
		bound_f16(to, count_bytes, rms, type->unit_rms);
	else
		set_block_scales(to, count_bytes, type->block_bytes, rms / type->unit_rms);
}

/*
 * The output rows of special and byte tokens are zero: greedy choice then never
 * takes one, so that a run never ends early and its text is valid UTF-8.
 */
static void clear_special_rows(const struct tensor *tensor, uint64_t at, uint8_t *to,
			       size_t count_bytes)
{
	uint64_t end = tensor->data_bytes / tensor->rows * TOKEN_SPACE;

	if (at < end)
		memset(to, 0, end - at < count_bytes ? (size_t)(end - at) : count_bytes);
}

static void fill_ones(uint8_t *to, size_t count_bytes)
{
	static const float one = 1.0f;

	for (size_t i = 0; i < count_bytes; i += sizeof(one))
		memcpy(to + i, &one, sizeof(one));
}

struct data_pass {
	struct output *out;
	const struct model *model;
};

static void put_tensor_data(const struct tensor *tensor, void *arg)
{
	const struct data_pass *pass = arg;
	uint64_t key = hash_word(hash_word(pass->model->seed) + tensor->index);
	size_t unit_bytes = 8 * tensor->type->block_bytes;
	uint64_t chunk_bytes = BUFFER_BYTES / unit_bytes * unit_bytes;
	size_t n;

	put_zeros_to_alignment(pass->out, pass->model->align_bytes);
	for (uint64_t at = 0; at < tensor->data_bytes && !pass->out->error; at += n) {
		uint64_t left = tensor->data_bytes - at;
		uint8_t *to;

		output_flush(pass->out);
		to = output_room(pass->out, left < chunk_bytes ? left : chunk_bytes, &n);
		if (tensor->fill == FILL_ONES)
			fill_ones(to, n);
		else
			fill_weights(tensor, key, at, to, n);
		if (tensor->fill == FILL_OUTPUT)
			clear_special_rows(tensor, at, to, n);
	}
}

static void count_nothing(const struct tensor *tensor, void *arg)
{
	(void)tensor;
	(void)arg;
}

int model_write(const struct model *model, int fd, uint64_t *ret_bytes, uint64_t *ret_tensors)
{
	struct output out = { .fd = fd, .buffer = malloc(BUFFER_BYTES) };
	struct directory dir = { .out = &out, .align_bytes = model->align_bytes };
	struct data_pass pass = { .out = &out, .model = model };

	*ret_bytes = 0;
	*ret_tensors = for_each_tensor(model, count_nothing, NULL);
	if (!out.buffer)
		return -ENOMEM;
	put_metadata(&out, model, *ret_tensors);
	for_each_tensor(model, put_tensor_info, &dir);
	for_each_tensor(model, put_tensor_data, &pass);
	put_zeros_to_alignment(&out, model->align_bytes);
	output_flush(&out);
	free(out.buffer);
	*ret_bytes = out.written_bytes;
	return -out.error;
}
