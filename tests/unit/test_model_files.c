/* SPDX-License-Identifier: MIT */
/*
 * Tensors of a trace by their place in a file (analyzer/model_files.c), and what their names mean
 * (analyzer/model_tensors.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model_files.h"
#include "trace_builder.h"

static char path[32];

struct opened {
	struct trace *trace;
	struct model_files *files;
};

static void put_first(struct trace_builder *builder)
{
	builder_model(builder, 1, "/models/a.gguf", 100, 4096);
	builder_tensor(builder, 1, 4096, 1000, "token_embd.weight");
	builder_tensor(builder, 1, 5120, 512, "blk.0.attn_q.weight");
	builder_tensor(builder, 1, 5632, 512, "blk.1.ffn_up.weight");
	builder_tensor(builder, 1, 6144, 0, "empty");
	builder_tensor(builder, 1, 6144, 100, "output.weight");
}

static void put_second(struct trace_builder *builder)
{
	builder_model(builder, 2, "/models/b.gguf", 101, 64);
	builder_tensor(builder, 2, 64, 32, "second");
	builder_tensor(builder, 2, 32, 8, "not.in.order");
}

/* Both models twice, as a checkpoint has them, once torn; and one without tensors. */
static struct opened open_built(void)
{
	struct trace_builder *builder = builder_new(path);
	struct opened opened;
	struct error error;

	builder_start(builder);
	put_first(builder);
	builder_flush_definitions(builder);
	put_second(builder);
	put_first(builder);
	put_second(builder);
	builder_flush_definitions(builder);
	builder_model(builder, 1, "/models/a.gguf", 100, 4096);
	builder_tensor(builder, 1, 4096, 1000, "token_embd.weight");
	builder_tensor(builder, 1, 5632, 512, "blk.1.ffn_up.weight");
	builder_model(builder, 3, "/models/a.gguf", 102, 64);
	builder_model(builder, 4, "/models/of.no.inode", 0, 64);
	builder_finish(builder, true);
	if (trace_open(path, NULL, &opened.trace, &error))
		fail_msg("%s", error.text);
	opened.files = model_files_new(opened.trace);
	return opened;
}

static void close_built(const struct opened *opened)
{
	model_files_free(opened->files);
	trace_close(opened->trace);
}

static void test_rows_once(void **state)
{
	struct opened opened = open_built();
	const struct model_file *file;

	(void)state;
	assert_int_equal(model_files_count(opened.files), 4);
	file = model_files_at(opened.files, 0);
	assert_string_equal(file->row->path, "/models/a.gguf");
	assert_string_equal(file->row->architecture, "llama");
	assert_int_equal(file->row->version, 3);
	assert_int_equal(file->row->alignment_bytes, 32);
	assert_int_equal(file->row->file_bytes, 1 << 20);
	assert_int_equal(file->tensor_count, 5);
	assert_string_equal(file->tensors[1].name, "blk.0.attn_q.weight");
	assert_string_equal(file->tensors[1].type, "q8_0");
	assert_int_equal(file->tensors[1].layer, 0);
	assert_int_equal(file->tensors[1].kind, TENSOR_ATTENTION);
	file = model_files_at(opened.files, 1);
	assert_int_equal(file->tensor_count, 2);
	assert_string_equal(file->tensors[0].name, "not.in.order");
	assert_int_equal(model_files_at(opened.files, 2)->tensor_count, 0);
	close_built(&opened);
}

static void test_find(void **state)
{
	struct opened opened = open_built();
	const struct model_files *files = opened.files;

	(void)state;
	assert_int_equal(model_files_find(files, 7, 100, NULL)->row->id, 1);
	assert_int_equal(model_files_find(files, 7, 101, "/models/a.gguf")->row->id, 2);
	assert_null(model_files_find(files, 8, 101, NULL));
	assert_null(model_files_find(files, 0, 0, "/models/c.gguf"));
	assert_null(model_files_find(files, 0, 0, NULL));
	assert_null(model_files_find(files, 7, 0, NULL)); /* not known, though one has it */
	assert_int_equal(model_files_find(files, 0, 0, "/models/b.gguf")->row->id, 2);
	assert_int_equal(model_files_find(files, 0, 0, "/models/a.gguf")->row->id, 3);
	close_built(&opened);
}

static void test_places(void **state)
{
	static const struct {
		uint64_t offset, end_offset;
		const char *name;
		enum tensor_kind kind;
	} places[] = {
		{0, 4096, "[header]", TENSOR_HEADER},
		{4095, 4096, "[header]", TENSOR_HEADER},
		{4096, 5096, "token_embd.weight", TENSOR_EMBEDDING},
		{5095, 5096, "token_embd.weight", TENSOR_EMBEDDING},
		{5096, 5120, "[padding]", TENSOR_PADDING},
		{5119, 5120, "[padding]", TENSOR_PADDING},
		{5120, 5632, "blk.0.attn_q.weight", TENSOR_ATTENTION},
		{5632, 6144, "blk.1.ffn_up.weight", TENSOR_FEED_FORWARD},
		{6144, 6244, "output.weight", TENSOR_OUTPUT},
		{6244, UINT64_MAX, "[padding]", TENSOR_PADDING},
		{UINT64_MAX, UINT64_MAX, "[padding]", TENSOR_PADDING},
	};
	struct opened opened = open_built();
	const struct model_file *file = model_files_at(opened.files, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct model_place place = model_file_place(file, places[i].offset);

		assert_string_equal(place.name, places[i].name);
		assert_int_equal(place.kind, places[i].kind);
		assert_int_equal(place.end_offset, places[i].end_offset);
		assert_int_equal(!place.tensor, place.name[0] == '[');
	}
	assert_int_equal(model_file_place(file, 5700).layer, 1);
	assert_int_equal(model_file_place(file, 0).layer, -1);
	assert_int_equal(model_file_place(model_files_at(opened.files, 2), 63).kind, TENSOR_HEADER);
	assert_int_equal(model_file_place(model_files_at(opened.files, 2), 64).kind,
			 TENSOR_PADDING);
	close_built(&opened);
}

static const struct {
	const char *name;
	int32_t layer;
	enum tensor_kind kind;
} names[] = {
	{"token_embd.weight", -1, TENSOR_EMBEDDING},
	{"token_embd_norm.weight", -1, TENSOR_NORM},
	{"position_embd.weight", -1, TENSOR_EMBEDDING},
	{"output_norm.weight", -1, TENSOR_NORM},
	{"output.weight", -1, TENSOR_OUTPUT},
	{"rope_freqs.weight", -1, TENSOR_OTHER},
	{"blk.0.attn_norm.weight", 0, TENSOR_NORM},
	{"blk.12.attn_output.weight", 12, TENSOR_ATTENTION},
	{"blk.7.attn_q_norm.weight", 7, TENSOR_NORM},
	{"blk.7.ffn_norm.weight", 7, TENSOR_NORM},
	{"blk.7.ffn_down.weight", 7, TENSOR_FEED_FORWARD},
	{"blk.7.ffn_gate_inp.weight", 7, TENSOR_EXPERT},
	{"blk.7.ffn_gate_exps.weight", 7, TENSOR_EXPERT},
	{"blk.7.ffn_up_shexp.weight", 7, TENSOR_EXPERT},
	{"blk.7.exp_probs_b.bias", 7, TENSOR_EXPERT},
	{"blk.7.ssm_in.weight", 7, TENSOR_OTHER},
	{"enc.blk.3.attn_k.weight", 3, TENSOR_ATTENTION},
	{"blk.x.attn_k.weight", -1, TENSOR_ATTENTION},
	{"blk.99999999999.attn_k.weight", -1, TENSOR_ATTENTION},
	{"blk", -1, TENSOR_OTHER},
	{"blk.", -1, TENSOR_OTHER},
	{"", -1, TENSOR_OTHER},
	{"model.embed_tokens.weight", -1, TENSOR_EMBEDDING},
	{"model.norm.weight", -1, TENSOR_NORM},
	{"lm_head.weight", -1, TENSOR_OUTPUT},
	{"model.layers.31.self_attn.q_proj.weight", 31, TENSOR_ATTENTION},
	{"model.layers.31.input_layernorm.weight", 31, TENSOR_NORM},
	{"model.layers.31.mlp.gate_proj.weight", 31, TENSOR_FEED_FORWARD},
	{"model.layers.31.mlp.gate.weight", 31, TENSOR_EXPERT},
	{"model.layers.3.mlp.experts.60.down_proj.weight", 3, TENSOR_EXPERT},
	{"model.layers.3.block_sparse_moe.gate.weight", 3, TENSOR_EXPERT},
	{"transformer.h.5.attn.c_attn.weight", 5, TENSOR_ATTENTION},
	{"transformer.h.5.ln_1.weight", 5, TENSOR_NORM},
	{"transformer.h.5.mlp.c_fc.weight", 5, TENSOR_FEED_FORWARD},
	{"h.5.mlp.c_fc.weight", 5, TENSOR_FEED_FORWARD},
	{"transformer.wte.weight", -1, TENSOR_EMBEDDING},
	{"wpe.weight", -1, TENSOR_EMBEDDING},
	{"gpt_neox.layers.2.attention.query_key_value.weight", 2, TENSOR_ATTENTION},
	{"bert.encoder.layer.4.attention.output.dense.weight", 4, TENSOR_ATTENTION},
	{"bert.encoder.layer.4.intermediate.dense.weight", 4, TENSOR_FEED_FORWARD},
	{"bert.encoder.layer.4.output.dense.weight", 4, TENSOR_FEED_FORWARD},
	{"bert.encoder.layer.4.output.LayerNorm.weight", 4, TENSOR_NORM},
	{"decoder.block.9.layer.0.SelfAttention.q.weight", 9, TENSOR_ATTENTION},
	{"decoder.block.9.layer.2.DenseReluDense.wo.weight", 9, TENSOR_FEED_FORWARD},
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (model_tensor_layer(names[i].name) != names[i].layer)
			fail_msg("%s: layer %d", names[i].name, model_tensor_layer(names[i].name));
		if (model_tensor_kind(names[i].name) != names[i].kind)
			fail_msg("%s: %s", names[i].name,
				 model_tensor_kind_name(model_tensor_kind(names[i].name)));
	}
	for (int kind = 0; kind < TENSOR_KIND_COUNT; kind++)
		assert_non_null(model_tensor_kind_name((enum tensor_kind)kind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_once),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_names),
	};
	int fd = memfd_create("trace", MFD_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
