/* SPDX-License-Identifier: MIT */
/*
 * GGUF, versions 1 to 3, little-endian: counts, key-value pairs, tensors, padding, data. Version 1
 * has counts and lengths of 32 bits. Offsets of tensors count from the data, whose place is known
 * only behind the last tensor: of a file that is torn before there are no rows.
 */
#include "model_header.h"

#include <string.h>

#define VERSION_MAX 3u
#define ALIGNMENT_DEFAULT 32u
#define KEY_BYTES 64u /* longer keys are none of those that we look for */
#define DIMS_MAX 4u   /* ggml's limit */
#define DEPTH_MAX 4u  /* of arrays of arrays, which no known file has */

enum value_type {
	VALUE_U32 = 4,
	VALUE_STRING = 8,
	VALUE_ARRAY = 9,
	VALUE_TYPES = 13,
};

static const uint8_t scalar_bytes[VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static const struct ggml_type {
	const char *name;
	uint16_t elements, bytes;
} types[] = {
#define GGML_TYPE(number, name, elements, bytes) [number] = {name, elements, bytes},
#include "ggml_types.def"
#undef GGML_TYPE
};

bool gguf_is(const uint8_t magic[MODEL_MAGIC_BYTES])
{
	return !memcmp(magic, "GGUF", 4) && magic[4] >= 1 && magic[4] <= VERSION_MAX && !magic[5] &&
	       !magic[6] && !magic[7];
}

/* ---- values ---- */
static uint64_t read_count(struct model_source *source, uint32_t version)
{
	return version == 1 ? source_u32(source) : source_u64(source);
}

/* @return the length of the string, of which the buffer gets the first bytes. */
static uint64_t read_string(struct model_source *source, uint32_t version, char *buffer,
			    size_t bytes)
{
	uint64_t length = read_count(source, version);
	size_t taken = length < bytes ? (size_t)length : bytes;

	if (length > source_left(source))
		source->is_bad = true;
	source_bytes(source, buffer, taken);
	source_skip(source, length - taken);
	return source->is_bad ? 0 : length;
}

static void skip_scalars(struct model_source *source, uint32_t type, uint64_t count)
{
	if (count > source_left(source) / scalar_bytes[type])
		source->is_bad = true;
	else
		source_skip(source, count * scalar_bytes[type]);
}

static void skip_value(struct model_source *source, uint32_t version, uint32_t type, unsigned depth)
{
	uint64_t count;

	if (type >= VALUE_TYPES || depth > DEPTH_MAX) {
		source->is_bad = true;
	} else if (type == VALUE_STRING) {
		source_skip(source, read_count(source, version));
	} else if (type != VALUE_ARRAY) {
		skip_scalars(source, type, 1);
	} else {
		type = source_u32(source);
		count = read_count(source, version);
		if (type < VALUE_TYPES && scalar_bytes[type])
			skip_scalars(source, type, count);
		else
			while (count-- && !source->is_bad)
				skip_value(source, version, type, depth + 1);
	}
}

static bool is_key(const char *key, uint64_t length, const char *wanted)
{
	return length == strlen(wanted) && !memcmp(key, wanted, length);
}

static void read_pair(struct model_source *source, struct model_header *header)
{
	char key[KEY_BYTES];
	uint64_t length = read_string(source, header->version, key, sizeof(key));
	uint32_t type = source_u32(source);

	if (is_key(key, length, "general.alignment") && type == VALUE_U32)
		header->alignment_bytes = source_u32(source);
	else if (is_key(key, length, "general.architecture") && type == VALUE_STRING)
		read_string(source, header->version, header->architecture,
			    sizeof(header->architecture) - 1);
	else
		skip_value(source, header->version, type, 0);
}

/* ---- tensors ---- */
static const struct ggml_type *find_type(uint32_t type)
{
	return type < sizeof(types) / sizeof(types[0]) && types[type].name ? &types[type] : NULL;
}

/* Rows of whole blocks; anything else is not known. */
static uint64_t size_of(const struct ggml_type *type, const uint64_t *dims, uint32_t dim_count)
{
	uint64_t bytes, first = dim_count ? dims[0] : 1;

	if (!type || first % type->elements ||
	    __builtin_mul_overflow(first / type->elements, type->bytes, &bytes))
		return MODEL_SIZE_UNKNOWN;
	for (uint32_t i = 1; i < dim_count; i++)
		if (__builtin_mul_overflow(bytes, dims[i], &bytes))
			return MODEL_SIZE_UNKNOWN;
	return bytes;
}

/* As ggml has no name for it. */
static void name_number(uint32_t type, char text[MODEL_TYPE_BYTES])
{
	char digits[10];
	size_t count = 0, length = sizeof("type_") - 1;

	do
		digits[count++] = (char)('0' + type % 10);
	while (type /= 10);
	memcpy(text, "type_", length);
	while (count)
		text[length++] = digits[--count];
	text[length] = '\0';
}

static void read_tensor(struct model_source *source, struct model_header *header)
{
	char name[MODEL_NAME_BYTES + 1] = {0}, number[MODEL_TYPE_BYTES];
	uint64_t dims[DIMS_MAX] = {0}, length;
	const struct ggml_type *type;
	uint32_t dim_count, type_number;
	struct model_row row;

	/* a byte more than is kept, so that the name can be cut between two characters */
	length = read_string(source, header->version, name, sizeof(name));
	dim_count = source_u32(source);
	if (dim_count > DIMS_MAX)
		source->is_bad = true;
	for (uint32_t i = 0; i < dim_count && !source->is_bad; i++)
		dims[i] = read_count(source, header->version);
	type_number = source_u32(source);
	row = (struct model_row){.offset = source_u64(source)};
	if (source->is_bad)
		return;
	type = find_type(type_number);
	row.size_bytes = size_of(type, dims, dim_count);
	if (!type)
		name_number(type_number, number);
	model_table_add(&header->table, &row, type ? type->name : number, name,
			length < sizeof(name) ? (size_t)length : sizeof(name));
}

bool gguf_read(struct model_source *source, struct model_header *header)
{
	uint64_t tensor_count, pair_count, alignment, offset;
	uint8_t magic[MODEL_MAGIC_BYTES] = {0};

	source_bytes(source, magic, 8);
	if (source->is_bad || !gguf_is(magic))
		return false;
	header->format = "gguf";
	header->version = magic[4];
	tensor_count = read_count(source, header->version);
	pair_count = read_count(source, header->version);
	while (pair_count-- && !source->is_bad)
		read_pair(source, header);
	while (tensor_count-- && !source->is_bad)
		read_tensor(source, header);
	alignment = header->alignment_bytes ? header->alignment_bytes : ALIGNMENT_DEFAULT;
	if (source->is_bad || alignment & (alignment - 1))
		return false;
	offset = source_offset(source);
	header->data_offset = (offset + alignment - 1) & ~(alignment - 1);
	model_table_finish(&header->table, header->data_offset, source->file_bytes, source->pause,
			   source->context);
	return true;
}
