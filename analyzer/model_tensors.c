/* SPDX-License-Identifier: MIT */
/*
 * What the names of tensors mean: llama.cpp's (blk.7.ffn_up.weight) and those of the families in
 * safetensors files (model.layers.7.mlp.up_proj.weight, transformer.h.7.mlp.c_fc.weight). Pure
 * functions over text.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "model_files.h"

#define LAYER_DIGITS_MAX 6
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- parts: what stands between two dots ---- */
struct part {
	const char *text;
	size_t length;
};

/* @return false behind the last one. *at: the name at first. */
static bool next_part(const char **at, struct part *ret_part)
{
	if (!*at)
		return false;
	ret_part->text = *at;
	ret_part->length = strcspn(*at, ".");
	*at = (*at)[ret_part->length] ? *at + ret_part->length + 1 : NULL;
	return true;
}

static bool is_part(const struct part *part, const char *text)
{
	return part->length == strlen(text) && !strncmp(part->text, text, part->length);
}

/* ---- the layer ---- */
static bool counts_layers(const struct part *part)
{
	static const char *const names[] = {"blk", "layers", "layer", "h", "block", "blocks"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (is_part(part, names[i]))
			return true;
	return false;
}

static int32_t number_of(const struct part *part)
{
	int32_t number = 0;

	if (!part->length || part->length > LAYER_DIGITS_MAX)
		return -1;
	for (size_t i = 0; i < part->length; i++) {
		if (!isdigit((unsigned char)part->text[i]))
			return -1;
		number = number * 10 + (part->text[i] - '0');
	}
	return number;
}

int32_t model_tensor_layer(const char *name)
{
	struct part before = {"", 0}, part;

	while (next_part(&name, &part)) {
		int32_t number = counts_layers(&before) ? number_of(&part) : -1;

		if (number >= 0)
			return number;
		before = part;
	}
	return -1;
}

/* ---- the kind ---- */
static bool has_part(const char *name, const char *text)
{
	struct part part;

	while (next_part(&name, &part))
		if (is_part(&part, text))
			return true;
	return false;
}

/*
 * The first line that fits decides: attn_norm is a norm, attn_output attention, ffn_gate_exps an
 * expert. A word with a dot at both ends is a whole part of the name.
 */
static const struct word {
	const char *text;
	enum tensor_kind kind;
} words[] = {
	{"norm", TENSOR_NORM},
	{"Norm", TENSOR_NORM},
	{"ln_", TENSOR_NORM},
	{"_exps", TENSOR_EXPERT},
	{"shexp", TENSOR_EXPERT},
	{"expert", TENSOR_EXPERT},
	{"exp_probs", TENSOR_EXPERT},
	{"ffn_gate_inp", TENSOR_EXPERT},
	{"moe", TENSOR_EXPERT},
	{"router", TENSOR_EXPERT},
	{"mlp.gate.", TENSOR_EXPERT},
	{"attn", TENSOR_ATTENTION},
	{"attention", TENSOR_ATTENTION},
	{"Attention", TENSOR_ATTENTION},
	{"ffn", TENSOR_FEED_FORWARD},
	{"mlp", TENSOR_FEED_FORWARD},
	{"feed_forward", TENSOR_FEED_FORWARD},
	{"DenseReluDense", TENSOR_FEED_FORWARD},
	{"intermediate", TENSOR_FEED_FORWARD},
	{".fc1.", TENSOR_FEED_FORWARD},
	{".fc2.", TENSOR_FEED_FORWARD},
	{"embd", TENSOR_EMBEDDING},
	{"embed", TENSOR_EMBEDDING},
	{".wte.", TENSOR_EMBEDDING},
	{".wpe.", TENSOR_EMBEDDING},
	{".token_types.", TENSOR_EMBEDDING},
	{"lm_head", TENSOR_OUTPUT},
	{".output.", TENSOR_OUTPUT},
};

static bool holds_word(const char *name, const char *word)
{
	size_t length = strlen(word);
	char part[32];

	if (word[0] != '.')
		return strstr(name, word);
	memcpy(part, word + 1, length - 2);
	part[length - 2] = '\0';
	return has_part(name, part);
}

enum tensor_kind model_tensor_kind(const char *name)
{
	for (size_t i = 0; i < COUNT(words); i++) {
		if (!holds_word(name, words[i].text))
			continue;
		/* BERT calls the second half of a layer's feed-forward "output" */
		if (words[i].kind == TENSOR_OUTPUT && model_tensor_layer(name) >= 0)
			return TENSOR_FEED_FORWARD;
		return words[i].kind;
	}
	return TENSOR_OTHER;
}

const char *model_tensor_kind_name(enum tensor_kind kind)
{
	static const char *const names[TENSOR_KIND_COUNT] = {
		[TENSOR_OTHER] = "other",
		[TENSOR_ATTENTION] = "attention",
		[TENSOR_FEED_FORWARD] = "feed-forward",
		[TENSOR_EXPERT] = "expert",
		[TENSOR_NORM] = "norm",
		[TENSOR_EMBEDDING] = "embedding",
		[TENSOR_OUTPUT] = "output",
		[TENSOR_HEADER] = "header",
		[TENSOR_PADDING] = "padding",
	};

	return names[kind];
}
