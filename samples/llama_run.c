/* SPDX-License-Identifier: MIT */
/*
 * llama_run: a small llama-cli on the public functions of llama.h: loads a model,
 * reads a prompt, generates greedily. A plain program: it knows nothing of llmtrace.
 *
 * Needs no header of llama.cpp and runs with every version since b7347: the
 * parameter structs are opaque bytes that the library fills itself, and a field is
 * set only where the bytes around it are those of a layout that is known here.
 * The main thread is the only one of ours; the engine makes its own.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define EXIT_USAGE 2

/* ---- llama.h, as far as it is needed and does not change ---- */

/*
 * Larger than any version's struct. It goes through memory both ways, so a callee
 * that knows a smaller struct reads and writes just the beginning.
 */
struct params {
	uint8_t bytes[512];
};

struct llama_batch {
	int32_t n_tokens;
	int32_t *token;
	void *others[5];
};

struct llama_model;
struct llama_context;
struct llama_vocab;
struct llama_memory;

void ggml_backend_load_all_from_path(const char *directory);
void llama_backend_init(void);
void llama_backend_free(void);
void llama_log_set(void (*log)(int level, const char *text, void *user), void *user);
struct params llama_model_default_params(void);
struct llama_model *llama_model_load_from_file(const char *path, struct params params);
void llama_model_free(struct llama_model *model);
const struct llama_vocab *llama_model_get_vocab(const struct llama_model *model);
int32_t llama_vocab_n_tokens(const struct llama_vocab *vocab);
bool llama_vocab_is_eog(const struct llama_vocab *vocab, int32_t token);
int32_t llama_tokenize(const struct llama_vocab *vocab, const char *text, int32_t text_bytes,
		       int32_t *tokens, int32_t tokens_max, bool add_special, bool parse_special);
int32_t llama_token_to_piece(const struct llama_vocab *vocab, int32_t token, char *text,
			     int32_t text_bytes, int32_t lstrip, bool special);
struct params llama_context_default_params(void);
struct llama_context *llama_init_from_model(struct llama_model *model, struct params params);
void llama_free(struct llama_context *context);
uint32_t llama_n_batch(const struct llama_context *context);
void llama_set_n_threads(struct llama_context *context, int32_t threads, int32_t batch_threads);
struct llama_memory *llama_get_memory(const struct llama_context *context);
void llama_memory_clear(struct llama_memory *memory, bool data);
struct llama_batch llama_batch_get_one(int32_t *tokens, int32_t n_tokens);
int32_t llama_decode(struct llama_context *context, struct llama_batch batch);
float *llama_get_logits_ith(struct llama_context *context, int32_t i);

/* Since v0.5.0. */
__attribute__((weak)) int llama_load_mode_from_str(const char *name);
__attribute__((weak)) const char *llama_load_mode_name(int mode);

/* ---- options ---- */

struct request {
	const char *model_path, *prompt, *load_mode, *backends;
	int tokens, threads, gpu_layers, repeat;
	bool is_verbose;
};

enum { GPU_LAYERS_DEFAULT = -1 };

static const char *const load_modes[] = { "auto", "none", "mmap", "mlock", "mmap+mlock", "dio" };

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG };

static const struct option_row {
	const char *name, *long_name;
	enum option_kind kind;
	size_t offset;
	const char *arg, *help;
} option_rows[] = {
#define ROW(name, long_name, kind, member, arg, help) \
	{ name, long_name, OPTION_##kind, offsetof(struct request, member), arg, help },
	ROW("-m", "--model", TEXT, model_path, "FILE", "the GGUF model (needed)")
	ROW("-p", "--prompt", TEXT, prompt, "TEXT", "the prompt")
	ROW("-n", "--n-predict", NUMBER, tokens, "N", "tokens to generate (32)")
	ROW("-t", "--threads", NUMBER, threads, "N", "threads (2)")
	ROW("-ngl", "--gpu-layers", NUMBER, gpu_layers, "N",
	    "layers on the GPU (default: the engine's)")
	ROW("-lm", "--load-mode", TEXT, load_mode, "MODE",
	    "auto, none, mmap, mlock, mmap+mlock or dio")
	ROW("-r", "--repeat", NUMBER, repeat, "N", "run the prompt N times in one context (1)")
	ROW("-b", "--backends", TEXT, backends, "DIR", "where libggml-cpu-*.so lie")
	ROW("-v", "--verbose", FLAG, is_verbose, "", "let the engine log to stderr")
#undef ROW
};

__attribute__((format(printf, 2, 3), noreturn))
static void die(int exit_code, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("llama_run: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(exit_code);
}

static void print_help(void)
{
	puts("usage: llama_run -m FILE [options]\n\nGenerates greedily: the text goes to stdout,"
	     " one summary line to stderr.\n");
	for (size_t i = 0; i < ARRAY_COUNT(option_rows); i++) {
		char left[40];

		snprintf(left, sizeof(left), "%s, %s %s", option_rows[i].name,
			 option_rows[i].long_name, option_rows[i].arg);
		printf("  %-24s %s\n", left, option_rows[i].help);
	}
}

static const struct option_row *find_option(const char *word)
{
	for (size_t i = 0; i < ARRAY_COUNT(option_rows); i++)
		if (!strcmp(word, option_rows[i].name) || !strcmp(word, option_rows[i].long_name))
			return &option_rows[i];
	if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
		print_help();
		exit(EXIT_SUCCESS);
	}
	die(EXIT_USAGE, "unknown option '%s'; try llama_run --help", word);
}

static int parse_number(const char *name, const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 0 || value > 1000000)
		die(EXIT_USAGE, "%s: '%s' is not a number from 0 to 1000000", name, text);
	return (int)value;
}

static void check_request(const struct request *req)
{
	if (!req->model_path)
		die(EXIT_USAGE, "no model: say -m FILE");
	if (access(req->model_path, R_OK))
		die(EXIT_FAILURE, "%s: cannot read: %s", req->model_path, strerror(errno));
	if (!req->threads || !req->repeat)
		die(EXIT_USAGE, "-t and -r are at least 1");
	for (size_t i = 0; i < ARRAY_COUNT(load_modes); i++)
		if (!strcmp(req->load_mode, load_modes[i]))
			return;
	die(EXIT_USAGE, "-lm: '%s' is unknown; auto, none, mmap, mlock, mmap+mlock, dio are known",
	    req->load_mode);
}

static void parse_options(int argc, char **argv, struct request *ret_request)
{
	for (int i = 1; i < argc; i++) {
		const struct option_row *row = find_option(argv[i]);
		char *member = (char *)ret_request + row->offset;

		if (row->kind == OPTION_FLAG) {
			*(bool *)member = true;
			continue;
		}
		if (++i == argc)
			die(EXIT_USAGE, "%s needs a value", row->name);
		if (row->kind == OPTION_TEXT)
			*(const char **)member = argv[i];
		else
			*(int *)member = parse_number(row->name, argv[i]);
	}
	check_request(ret_request);
}

/* ---- the opaque parameters ---- */

/* What a version's defaults look like; the only proof that a field lies where we think. */
static const struct layout {
	const char *version;
	bool has_load_mode;
	int32_t gpu_layers_default;
	size_t flags_at;		/* vocab_only and its neighbours */
	uint8_t flags_default[8];
} layouts[] = {
	{ "v0.5.0", true, -1, 72, { 0, 0, 1, 0, 0, 0 } },
	{ "b7347", false, 999, 64, { 0, 1, 0, 0, 1, 0, 0 } },
};

enum { GPU_LAYERS_AT = 16, SPLIT_MODE_AT = 20, LOAD_MODE_AT = 24, CONTEXT_TOKENS_AT = 0,
       BATCH_TOKENS_AT = 4, USE_MMAP_AFTER_FLAGS = 1, USE_MLOCK_AFTER_FLAGS = 2 };

static int32_t get_i32(const struct params *params, size_t at)
{
	int32_t value;

	memcpy(&value, params->bytes + at, sizeof(value));
	return value;
}

static void set_i32(struct params *params, size_t at, int32_t value)
{
	memcpy(params->bytes + at, &value, sizeof(value));
}

static bool layout_fits(const struct layout *layout, const struct params *defaults)
{
	if (layout->has_load_mode != (llama_load_mode_name != NULL))
		return false;
	if (get_i32(defaults, GPU_LAYERS_AT) != layout->gpu_layers_default
	    || get_i32(defaults, SPLIT_MODE_AT) != 1)
		return false;
	if (layout->has_load_mode
	    && get_i32(defaults, LOAD_MODE_AT) != llama_load_mode_from_str("auto"))
		return false;
	return !memcmp(defaults->bytes + layout->flags_at, layout->flags_default, 5);
}

static const struct layout *known_layout(const struct params *defaults)
{
	for (size_t i = 0; i < ARRAY_COUNT(layouts); i++)
		if (layout_fits(&layouts[i], defaults))
			return &layouts[i];
	die(EXIT_FAILURE, "the layout of this libllama's llama_model_params is unknown"
	    " (known: v0.5.0, b7347): leave out -ngl and -lm");
}

/* Before v0.5.0 two booleans said it; they have no word for direct I/O. */
static void set_old_load_mode(struct params *params, const struct layout *layout, const char *mode)
{
	uint8_t *flags = params->bytes + layout->flags_at;

	if (!strcmp(mode, "dio"))
		die(EXIT_FAILURE, "-lm dio: libllama %s has no such mode", layout->version);
	flags[USE_MMAP_AFTER_FLAGS] = !strncmp(mode, "mmap", 4);
	flags[USE_MLOCK_AFTER_FLAGS] = strstr(mode, "mlock") != NULL;
}

static struct params model_params(const struct request *req)
{
	struct params params = llama_model_default_params();
	const struct layout *layout;
	bool is_auto = !strcmp(req->load_mode, "auto");

	if (is_auto && req->gpu_layers == GPU_LAYERS_DEFAULT)
		return params;
	layout = known_layout(&params);
	if (req->gpu_layers != GPU_LAYERS_DEFAULT)
		set_i32(&params, GPU_LAYERS_AT, req->gpu_layers);
	if (is_auto)
		return params;
	if (layout->has_load_mode)
		set_i32(&params, LOAD_MODE_AT, llama_load_mode_from_str(req->load_mode));
	else
		set_old_load_mode(&params, layout, req->load_mode);
	return params;
}

static struct params context_params(int32_t tokens)
{
	struct params params = llama_context_default_params();

	if (tokens <= get_i32(&params, CONTEXT_TOKENS_AT))
		return params;
	if (get_i32(&params, CONTEXT_TOKENS_AT) != 512 || get_i32(&params, BATCH_TOKENS_AT) != 2048)
		die(EXIT_FAILURE, "%d tokens do not fit this libllama's default context, and its"
		    " llama_context_params is unknown", tokens);
	set_i32(&params, CONTEXT_TOKENS_AT, tokens);
	return params;
}

/* ---- the run ---- */

struct run {
	struct llama_model *model;
	struct llama_context *context;
	const struct llama_vocab *vocab;
	int32_t *prompt;
	int32_t prompt_count;
	int64_t prompt_tokens, generated_tokens;	/* of all repeats */
	int64_t load_ns, prompt_ns, generate_ns;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void ignore_log(int level, const char *text, void *user)
{
	(void)level;
	(void)text;
	(void)user;
}

/* The backends lie beside the library that we are linked with. */
static void load_backends(const char *directory)
{
	char path[4096];
	Dl_info info;
	char *slash;

	if (directory) {
		ggml_backend_load_all_from_path(directory);
		return;
	}
	if (!dladdr((void *)(uintptr_t)llama_backend_init, &info) || !info.dli_fname
	    || strlen(info.dli_fname) >= sizeof(path))
		die(EXIT_FAILURE, "cannot tell where libllama lies; say --backends DIR");
	strcpy(path, info.dli_fname);
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	ggml_backend_load_all_from_path(slash ? path : ".");
}

static void tokenize_prompt(struct run *run, const char *text)
{
	int32_t count_max = (int32_t)strlen(text) + 8;	/* a byte is at most one token */

	run->prompt = calloc((size_t)count_max, sizeof(*run->prompt));
	if (!run->prompt)
		die(EXIT_FAILURE, "out of memory");
	run->prompt_count = llama_tokenize(run->vocab, text, (int32_t)strlen(text), run->prompt,
					   count_max, true, false);
	if (run->prompt_count <= 0)
		die(EXIT_FAILURE, "-p: the model's tokenizer makes nothing of the prompt");
}

static void load(struct run *run, const struct request *req)
{
	int64_t start_ns = now_ns();

	run->model = llama_model_load_from_file(req->model_path, model_params(req));
	if (!run->model)
		die(EXIT_FAILURE, "%s: the engine cannot load it (-v shows why)", req->model_path);
	run->vocab = llama_model_get_vocab(run->model);
	tokenize_prompt(run, req->prompt);
	run->context = llama_init_from_model(run->model,
					     context_params(run->prompt_count + req->tokens));
	if (!run->context)
		die(EXIT_FAILURE, "%s: the engine cannot make a context (-v shows why)",
		    req->model_path);
	llama_set_n_threads(run->context, req->threads, req->threads);
	run->load_ns = now_ns() - start_ns;
}

static void decode(struct run *run, int32_t *tokens, int32_t count)
{
	int32_t rc = llama_decode(run->context, llama_batch_get_one(tokens, count));

	if (rc)
		die(EXIT_FAILURE, "llama_decode of %d tokens failed with %d", count, rc);
}

static void read_prompt(struct run *run)
{
	int32_t batch_max = (int32_t)llama_n_batch(run->context);
	int64_t start_ns = now_ns();

	for (int32_t at = 0; at < run->prompt_count; at += batch_max) {
		int32_t left = run->prompt_count - at;

		decode(run, run->prompt + at, left < batch_max ? left : batch_max);
	}
	run->prompt_ns += now_ns() - start_ns;
	run->prompt_tokens += run->prompt_count;
}

static int32_t most_likely_token(const struct run *run)
{
	const float *logits = llama_get_logits_ith(run->context, -1);
	int32_t count = llama_vocab_n_tokens(run->vocab), best = 0;

	if (!logits)
		die(EXIT_FAILURE, "the engine gives no logits");
	for (int32_t i = 1; i < count; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

static void print_token(const struct run *run, int32_t token)
{
	char text[256];
	int32_t length = llama_token_to_piece(run->vocab, token, text, sizeof(text), 0, false);

	if (length > 0)
		fwrite(text, 1, (size_t)length, stdout);
}

/* The last token is printed but not decoded: its logits would not be looked at. */
static void generate(struct run *run, int tokens)
{
	int64_t start_ns = now_ns();

	for (int i = 0; i < tokens; i++) {
		int32_t token = most_likely_token(run);

		if (llama_vocab_is_eog(run->vocab, token))
			break;
		print_token(run, token);
		run->generated_tokens++;
		if (i + 1 < tokens)
			decode(run, &token, 1);
	}
	run->generate_ns += now_ns() - start_ns;
	putchar('\n');
	fflush(stdout);
}

static double per_second(int64_t count, int64_t duration_ns)
{
	return duration_ns ? (double)count * 1e9 / (double)duration_ns : 0.0;
}

int main(int argc, char **argv)
{
	struct request req = {
		.prompt = "Once upon a time", .load_mode = "auto", .tokens = 32, .threads = 2,
		.gpu_layers = GPU_LAYERS_DEFAULT, .repeat = 1,
	};
	struct run run = { 0 };

	parse_options(argc, argv, &req);
	if (!req.is_verbose)
		llama_log_set(ignore_log, NULL);
	load_backends(req.backends);
	llama_backend_init();
	load(&run, &req);
	for (int i = 0; i < req.repeat; i++) {
		llama_memory_clear(llama_get_memory(run.context), true);
		read_prompt(&run);
		generate(&run, req.tokens);
	}
	fprintf(stderr, "llama_run: %lld prompt + %lld generated tokens, load %.3f s,"
		" prompt %.1f t/s, generation %.1f t/s\n", (long long)run.prompt_tokens,
		(long long)run.generated_tokens, (double)run.load_ns / 1e9,
		per_second(run.prompt_tokens, run.prompt_ns),
		per_second(run.generated_tokens, run.generate_ns));
	llama_free(run.context);
	llama_model_free(run.model);
	llama_backend_free();
	free(run.prompt);
	return EXIT_SUCCESS;
}
