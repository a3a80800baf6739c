/* SPDX-License-Identifier: MIT */
/*
 * make_gguf: writes a synthetic GGUF v3 model that the real llama.cpp engine
 * loads and generates with: architecture llama, real tensor names and layout,
 * random F16, Q8_0 or Q4_0 weights, a minimal SPM tokenizer.
 *
 * Owns the options and the choice of a shape for a wanted size. One thread. The
 * same options give the same bytes. The file grows as FILE.part and gets its name
 * when it is complete, so that a killed run leaves no model that looks whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "gguf_model.h"

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define EXIT_USAGE 2

enum { LAYERS_MAX = 1000, FF_MAX = 1 << 17 };

static const struct {
	const char *name;
	struct shape shape;
} named_shapes[] = {
	{ "tiny", { 10, 384, 1024, 6, 2, 4096 } },
	{ "demo", { 16, 1024, 2816, 16, 4, 16384 } },
	{ "big", { 22, 2048, 5632, 32, 4, 32000 } },
};

/* Named here because a signal handler removes it. */
static char part_path[4096];

__attribute__((format(printf, 2, 3), noreturn))
static void die(int exit_code, const char *format, ...)
{
	va_list args;

	if (part_path[0])
		unlink(part_path);
	fputs("make_gguf: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(exit_code);
}

static void remove_part_and_end(int signal_number)
{
	unlink(part_path);
	_exit(128 + signal_number);
}

/* ---- options ---- */

struct request {
	const char *path;
	const char *shape_name;
	const char *type_name;
	uint64_t size_bytes;
	uint64_t align_bytes;
	uint64_t seed;
	struct shape shape;	/* zero where no option said */
};

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_COUNT, OPTION_BYTES };

static const struct option_row {
	const char *name;
	char letter;
	enum option_kind kind;
	size_t offset;
	const char *arg, *help;
} option_rows[] = {
#define ROW(name, letter, kind, member, arg, help) \
	{ name, letter, OPTION_##kind, offsetof(struct request, member), arg, help },
	ROW("output", 'o', TEXT, path, "FILE", "the model to write (needed)")
	ROW("size", 's', BYTES, size_bytes, "SIZE", "size of the file, 10M to 30G; picks a shape")
	ROW("shape", 0, TEXT, shape_name, "NAME", "tiny (default), demo or big")
	ROW("type", 't', TEXT, type_name, "TYPE", "f16, q8_0 (default) or q4_0")
	ROW("align", 'a', BYTES, align_bytes, "BYTES", "alignment of the tensors, 32 to 1Gi (32)")
	ROW("seed", 0, NUMBER, seed, "N", "of the random weights (1)")
	ROW("layers", 0, COUNT, shape.layers, "N", "layers")
	ROW("width", 0, COUNT, shape.width, "N", "embedding length, a multiple of 32")
	ROW("ff", 0, COUNT, shape.ff, "N", "feed-forward length, a multiple of 32")
	ROW("heads", 0, COUNT, shape.heads, "N", "attention heads")
	ROW("kv-heads", 0, COUNT, shape.kv_heads, "N", "key and value heads")
	ROW("vocab", 0, COUNT, shape.vocab, "N", "tokens in the vocabulary, 354 or more")
#undef ROW
};

static void print_help(void)
{
	puts("usage: make_gguf -o FILE [options]\n\n"
	     "Writes a synthetic llama model with random weights. --layers ... --vocab change\n"
	     "one number of the shape each. SIZE and BYTES take K, M, G (1000) and Ki, Mi, Gi.\n");
	for (size_t i = 0; i < ARRAY_COUNT(option_rows); i++) {
		const struct option_row *row = &option_rows[i];
		char left[40], letter[8] = "   ";

		if (row->letter)
			snprintf(letter, sizeof(letter), "-%c,", row->letter);
		snprintf(left, sizeof(left), "%s --%s %s", letter, row->name, row->arg);
		printf("  %-24s %s\n", left, row->help);
	}
	printf("  %-24s %s\n", "-h, --help", "this text");
}

static uint64_t parse_unit(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{ "", 1 }, { "K", 1000 }, { "M", 1000000 }, { "G", 1000000000 },
		{ "Ki", 1 << 10 }, { "Mi", 1 << 20 }, { "Gi", 1 << 30 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(units); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].bytes;
	return 0;
}

static uint64_t parse_number(const struct option_row *row, const char *text)
{
	static const char *const kind_names[] = {
		[OPTION_NUMBER] = "a number", [OPTION_COUNT] = "a number above zero",
		[OPTION_BYTES] = "a size such as 64, 100M or 4Gi",
	};
	uint64_t value, unit, product;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	unit = row->kind == OPTION_BYTES ? parse_unit(end) : !*end;
	if (text[0] < '0' || text[0] > '9' || errno || !unit
	    || __builtin_mul_overflow(value, unit, &product)
	    || (!product && row->kind != OPTION_NUMBER))
		die(EXIT_USAGE, "--%s: '%s' is not %s", row->name, text, kind_names[row->kind]);
	return product;
}

static void set_option(struct request *req, const struct option_row *row, const char *text)
{
	char *member = (char *)req + row->offset;

	if (row->kind == OPTION_TEXT)
		*(const char **)member = text;
	else
		*(uint64_t *)member = parse_number(row, text);
}

static void parse_options(int argc, char **argv, struct request *ret_request)
{
	struct option longs[ARRAY_COUNT(option_rows) + 2] = { 0 };
	char letters[2 * ARRAY_COUNT(option_rows) + 3] = ":h", *letter = letters + 2;
	int value;

	for (size_t i = 0; i < ARRAY_COUNT(option_rows); i++) {
		longs[i] = (struct option){ option_rows[i].name, required_argument, NULL,
					    256 + (int)i };
		if (option_rows[i].letter) {
			*letter++ = option_rows[i].letter;
			*letter++ = ':';
		}
	}
	longs[ARRAY_COUNT(option_rows)] = (struct option){ "help", no_argument, NULL, 'h' };

	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (value == 'h') {
			print_help();
			exit(EXIT_SUCCESS);
		}
		if (value == ':' || value == '?')
			die(EXIT_USAGE, "%s: %s; try make_gguf --help", argv[optind - 1],
			    value == ':' ? "needs a value" : "unknown option");
		for (int i = 0; i < (int)ARRAY_COUNT(option_rows); i++)
			if (value == 256 + i || value == option_rows[i].letter)
				set_option(ret_request, &option_rows[i], optarg);
	}
	if (optind < argc)
		die(EXIT_USAGE, "unexpected argument '%s'; the file is named with -o",
		    argv[optind]);
	if (!ret_request->path)
		die(EXIT_USAGE, "no output file: say -o FILE");
}

/* ---- the shape ---- */

static uint64_t head_groups(uint64_t heads)
{
	uint64_t kv_heads = (heads + 2) / 3;

	while (heads % kv_heads)
		kv_heads--;
	return kv_heads;
}

static struct shape shape_of_width(uint64_t width)
{
	return (struct shape){
		.layers = 1, .width = width, .ff = (width * 8 / 3 + 255) / 256 * 256,
		.heads = width / 64, .kv_heads = head_groups(width / 64),
		.vocab = width < 512 ? 4096 : width < 2048 ? 16384 : 32000,
	};
}

/* Without the few hundred bytes of keys: far below the accuracy that is promised. */
static uint64_t file_bytes(const struct model *model)
{
	return model_vocab_bytes(model) + model_data_bytes(model);
}

/*
 * Sets *number, a member of the model's shape, to the multiple of step that brings the
 * data nearest to the target. Halving, not a division: padding makes the size uneven.
 */
static void fit_number(struct model *model, uint64_t *number, uint64_t step, uint64_t number_max,
		       int64_t target_bytes)
{
	uint64_t low = 1, high = number_max / step;
	int64_t high_excess_bytes;

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		*number = middle * step;
		if ((int64_t)model_data_bytes(model) < target_bytes)
			low = middle + 1;
		else
			high = middle;
	}
	*number = high * step;
	high_excess_bytes = (int64_t)model_data_bytes(model) - target_bytes;
	if (high == 1)
		return;
	*number -= step;
	if (target_bytes - (int64_t)model_data_bytes(model) > high_excess_bytes)
		*number += step;
}

/* Narrow and deep is slow to run, wide and shallow has no layers to look at. */
static void fit_shape(struct model *model, uint64_t target_bytes)
{
	static const uint64_t widths[] = { 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096,
					   5120, 6144, 8192 };
	int64_t data_bytes = 0;

	for (size_t i = 0; i < ARRAY_COUNT(widths); i++) {
		model->shape = shape_of_width(widths[i]);
		data_bytes = (int64_t)target_bytes - (int64_t)model_vocab_bytes(model);
		fit_number(model, &model->shape.layers, 1, LAYERS_MAX, data_bytes);
		if (model->shape.layers <= widths[i] / 64 + 4)
			break;
	}
	/* Whole layers are coarse: ff takes up the rest. */
	fit_number(model, &model->shape.ff, 32, FF_MAX, data_bytes);
}

static void name_shape(struct model *model, const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(named_shapes); i++) {
		if (!strcmp(named_shapes[i].name, name)) {
			model->shape = named_shapes[i].shape;
			return;
		}
	}
	die(EXIT_USAGE, "--shape: '%s' is unknown; tiny, demo and big are known", name);
}

static void override_shape(struct shape *shape, const struct shape *wanted)
{
	const struct {
		uint64_t *to, from;
	} pairs[] = {
		{ &shape->layers, wanted->layers }, { &shape->width, wanted->width },
		{ &shape->ff, wanted->ff }, { &shape->heads, wanted->heads },
		{ &shape->kv_heads, wanted->kv_heads }, { &shape->vocab, wanted->vocab },
	};

	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++)
		if (pairs[i].from)
			*pairs[i].to = pairs[i].from;
}

#define CHECK_SHAPE(ok, format, ...) \
	do { if (!(ok)) die(EXIT_USAGE, "impossible shape: " format, __VA_ARGS__); } while (0)

static void check_shape(const struct shape *s)
{
	CHECK_SHAPE(s->layers <= LAYERS_MAX, "%" PRIu64 " layers, %d are the most", s->layers,
		    LAYERS_MAX);
	CHECK_SHAPE(s->width % 32 == 0 && s->width <= 65536,
		    "width %" PRIu64 " is not a multiple of 32 up to 65536", s->width);
	CHECK_SHAPE(s->ff % 32 == 0 && s->ff <= FF_MAX,
		    "ff %" PRIu64 " is not a multiple of 32 up to %d", s->ff, FF_MAX);
	CHECK_SHAPE(s->heads <= s->width && s->width % (2 * s->heads) == 0,
		    "%" PRIu64 " heads do not cut width %" PRIu64 " into even parts", s->heads,
		    s->width);
	CHECK_SHAPE(s->heads % s->kv_heads == 0, "%" PRIu64 " kv-heads do not divide %" PRIu64
		    " heads", s->kv_heads, s->heads);
	CHECK_SHAPE(s->vocab >= GGUF_VOCAB_MIN && s->vocab <= 1 << 20,
		    "vocab %" PRIu64 " is not between %d and 1048576", s->vocab, GGUF_VOCAB_MIN);
}

static void choose_by_size(const struct request *req, struct model *model)
{
	static const struct shape none;
	uint64_t got_bytes, off_bytes;

	if (req->shape_name || memcmp(&req->shape, &none, sizeof(none)))
		die(EXIT_USAGE, "--size picks the shape: leave out --shape and its numbers");
	if (req->size_bytes > UINT64_C(1) << 40)
		die(EXIT_USAGE, "--size: more than 1 TiB");
	fit_shape(model, req->size_bytes);
	got_bytes = file_bytes(model);
	off_bytes = got_bytes > req->size_bytes ? got_bytes - req->size_bytes
						: req->size_bytes - got_bytes;
	if (off_bytes > req->size_bytes / 20)
		die(EXIT_USAGE, "--size: no %s shape is near %" PRIu64 " bytes, the nearest has %"
		    PRIu64, model->type->name, req->size_bytes, got_bytes);
}

static void choose_model(const struct request *req, struct model *ret_model)
{
	*ret_model = (struct model){
		.type = weight_type_find(req->type_name), .align_bytes = req->align_bytes,
		.seed = req->seed,
	};
	if (!ret_model->type)
		die(EXIT_USAGE, "--type: '%s' is unknown; f16, q8_0 and q4_0 are known",
		    req->type_name);
	if (req->align_bytes < GGUF_ALIGN_MIN || req->align_bytes > 1 << 30
	    || (req->align_bytes & (req->align_bytes - 1)))
		die(EXIT_USAGE, "--align: %" PRIu64 " is not a power of two from 32 to 1Gi",
		    req->align_bytes);
	if (req->size_bytes) {
		choose_by_size(req, ret_model);
	} else {
		name_shape(ret_model, req->shape_name ? req->shape_name : "tiny");
		override_shape(&ret_model->shape, &req->shape);
	}
	check_shape(&ret_model->shape);
}

/* ---- the file ---- */

static int open_part(const char *path)
{
	struct stat st;
	int fd;

	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		die(EXIT_FAILURE, "%s: exists and is not a regular file", path);
	if (snprintf(part_path, sizeof(part_path), "%s.part", path) >= (int)sizeof(part_path)) {
		part_path[0] = '\0';
		die(EXIT_FAILURE, "%s: the path is too long", path);
	}
	fd = open(part_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		part_path[0] = '\0';
		die(EXIT_FAILURE, "%s: cannot create: %s", path, strerror(errno));
	}
	return fd;
}

/* Said before writing, because a disk that runs full harms others for a while. */
static void check_room(int fd, const char *path, uint64_t need_bytes)
{
	struct statvfs vfs;
	double free_bytes;

	if (fstatvfs(fd, &vfs))
		return;
	free_bytes = (double)vfs.f_bavail * (double)vfs.f_frsize;
	if ((double)need_bytes > free_bytes)
		die(EXIT_FAILURE, "%s: needs %.1f MB, the file system has %.1f MB free", path,
		    (double)need_bytes / 1e6, free_bytes / 1e6);
}

/* A file size limit is an error of write() like any other. */
static void remove_part_on_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = remove_part_and_end };

	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv)
{
	struct request req = { .type_name = "q8_0", .align_bytes = 32, .seed = 1 };
	uint64_t written_bytes, tensors;
	struct model model;
	int fd, error;

	parse_options(argc, argv, &req);
	choose_model(&req, &model);
	fd = open_part(req.path);
	remove_part_on_signals();
	check_room(fd, req.path, file_bytes(&model));
	error = model_write(&model, fd, &written_bytes, &tensors);
	if (error)
		die(EXIT_FAILURE, "%s: cannot write past byte %" PRIu64
		    ": %s; nothing is left behind", req.path, written_bytes, strerror(-error));
	if (close(fd) || rename(part_path, req.path))
		die(EXIT_FAILURE, "%s: cannot finish: %s; nothing is left behind", req.path,
		    strerror(errno));
	printf("%s: %.1f MB, llama %" PRIu64 " x %" PRIu64 ", ff %" PRIu64 ", %" PRIu64 "/%" PRIu64
	       " heads, vocab %" PRIu64 ", %s, %" PRIu64 " tensors aligned to %" PRIu64 "\n",
	       req.path, (double)written_bytes / 1e6, model.shape.layers, model.shape.width,
	       model.shape.ff, model.shape.heads, model.shape.kv_heads, model.shape.vocab,
	       model.type->name, tensors, model.align_bytes);
	return EXIT_SUCCESS;
}
