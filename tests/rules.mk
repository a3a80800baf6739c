# SPDX-License-Identifier: MIT
# The tests' part of the build, included by the top-level Makefile.
# Needs BUILD, CC and CFLAGS; gives the fixtures and the targets check-* and bench.

TESTS_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
FIXTURE_BUILD := $(BUILD)/tests/fixtures
RUN_TESTS := BUILD=$(BUILD) $(TESTS_DIR)/run.py $(RUN_TESTS_FLAGS)

# Fixtures make each call that they name: no built-in replaces it and no jump hides the caller.
FIXTURE_CFLAGS := -std=gnu11 -O1 -fno-inline -fno-optimize-sibling-calls -fomit-frame-pointer \
	-fno-builtin -Wall -Wextra -Werror -Wshadow -Wwrite-strings -Wvla \
	-Wno-unused-result -Wno-deprecated-declarations -Wno-use-after-free -Wno-alloc-size-larger-than
FORTIFY_CFLAGS := -std=gnu11 -O2 -D_FORTIFY_SOURCE=2 -fno-optimize-sibling-calls -Wall -Wextra \
	-Werror -Wno-unused-result -Wno-deprecated-declarations -Wno-use-after-free -Wno-alloc-size-larger-than

FIXTURE_SOURCES := $(filter-out %/fixture.c,$(wildcard $(TESTS_DIR)/fixtures/*.c))
# lib_*.c are libraries; the others are programs.
FIXTURE_LIBS := $(patsubst $(TESTS_DIR)/fixtures/%.c,$(FIXTURE_BUILD)/%.so, \
	$(filter $(TESTS_DIR)/fixtures/lib_%,$(FIXTURE_SOURCES)))
FIXTURE_PROGRAMS := $(patsubst $(TESTS_DIR)/fixtures/%.c,$(FIXTURE_BUILD)/%, \
	$(filter-out $(TESTS_DIR)/fixtures/lib_%,$(FIXTURE_SOURCES)))
# lib_*.cpp: exceptions and destructors need the other compiler; it links a host, trap_*.cpp, too.
FIXTURE_LIBS += $(patsubst $(TESTS_DIR)/fixtures/%.cpp,$(FIXTURE_BUILD)/%.so, \
	$(wildcard $(TESTS_DIR)/fixtures/lib_*.cpp))
FIXTURE_PROGRAMS += $(patsubst $(TESTS_DIR)/fixtures/%.cpp,$(FIXTURE_BUILD)/%, \
	$(wildcard $(TESTS_DIR)/fixtures/trap_*.cpp))
FIXTURES := $(FIXTURE_PROGRAMS) $(FIXTURE_LIBS) \
	$(FIXTURE_BUILD)/file_reads_fortified $(FIXTURE_BUILD)/file_streams_fortified

$(FIXTURE_BUILD)/fixture.o: $(TESTS_DIR)/fixtures/fixture.c $(TESTS_DIR)/fixtures/fixture.h
	@mkdir -p $(@D)
	$(CC) $(FIXTURE_CFLAGS) -c -o $@ $<

# The note that it is about would stand behind the build id.
FIXTURE_LINK_lib_trap_notes := -Wl,--build-id=none

$(FIXTURE_BUILD)/lib_%.so: $(TESTS_DIR)/fixtures/lib_%.c
	@mkdir -p $(@D)
	$(CC) $(FIXTURE_CFLAGS) -fPIC -shared -Wl,-soname,$(@F) -Wl,-rpath,'$$ORIGIN/inner' -o $@ $< \
		$(FIXTURE_LINK_lib_$*)

FIXTURE_CXXFLAGS := -std=gnu++17 -O1 -fno-inline -fno-optimize-sibling-calls -fomit-frame-pointer \
	-Wall -Wextra -Werror -Wno-unused-result

$(FIXTURE_BUILD)/lib_%.so: $(TESTS_DIR)/fixtures/lib_%.cpp
	@mkdir -p $(@D)
	$(CXX) $(FIXTURE_CXXFLAGS) -fPIC -shared -Wl,-soname,$(@F) -o $@ $<

$(FIXTURE_BUILD)/%: $(TESTS_DIR)/fixtures/%.cpp | $(FIXTURE_LIBS)
	$(CXX) $(FIXTURE_CXXFLAGS) -o $@ $< -pthread -ldl $(FIXTURE_LINK_$*) -Wl,-rpath,'$$ORIGIN'

$(FIXTURE_BUILD)/%_fortified: $(TESTS_DIR)/fixtures/%.c $(FIXTURE_BUILD)/fixture.o
	$(CC) $(FORTIFY_CFLAGS) -o $@ $^ -pthread -ldl

# Some programs link a library of ours.
FIXTURE_LINK_library_linked := $(FIXTURE_BUILD)/lib_ctor.so
FIXTURE_LINK_trap_thunk := $(FIXTURE_BUILD)/lib_trap_throw.so
# Loaded at a fixed address: what it takes the address of is a stub of its own.
FIXTURE_LINK_fixed_address := -no-pie -fno-pie
FIXTURE_LINK_engine_host := $(FIXTURE_BUILD)/lib_engine.so
$(FIXTURE_BUILD)/%: $(TESTS_DIR)/fixtures/%.c $(FIXTURE_BUILD)/fixture.o | $(FIXTURE_LIBS)
	$(CC) $(FIXTURE_CFLAGS) -I$(TESTS_DIR)/../include -o $@ $(filter %.c %.o,$^) -pthread -ldl \
		$(FIXTURE_LINK_$*) -Wl,-rpath,'$$ORIGIN'

.PHONY: fixtures
fixtures: $(FIXTURES)

# Unit tests link the report's objects; helpers are the other files of the folder.
UNIT_SOURCES := $(wildcard $(TESTS_DIR)/unit/test_*.c)
UNIT_HELPERS := $(filter-out $(UNIT_SOURCES),$(wildcard $(TESTS_DIR)/unit/*.c))
UNIT_TESTS := $(patsubst $(TESTS_DIR)/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SOURCES))
UNIT_OBJECTS = $(filter-out %/main.c.o,$(REPORT_OBJECTS))

$(BUILD)/tests/unit/%: $(TESTS_DIR)/unit/%.c $(UNIT_HELPERS) $(wildcard $(TESTS_DIR)/unit/*.h) \
		$(UNIT_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(filter-out -MMD -MP,$(REPORT_FLAGS)) -I$(TESTS_DIR)/unit -o $@ $< \
		$(UNIT_HELPERS) $(UNIT_OBJECTS) -lcmocka $(REPORT_LIBS)

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

.PHONY: check-unit check-contract check-fixtures check-engine check-all bench

check-unit: unit-tests
	$(RUN_TESTS) unit

check-contract: all
	CC="$(CC)" $(RUN_TESTS) contract

check-fixtures: all fixtures $(BUILD)/tests/walk_check.so
	$(RUN_TESTS) cases

## check-kill: 1,000 SIGKILLs at random moments, each trace compared with the program's own counters
.PHONY: check-kill
check-kill: all fixtures
	KILL_COUNT=$(or $(KILL_COUNT),1000) $(RUN_TESTS) cases.kills

ENGINE_NEEDS := $(BUILD)/llama_run $(BUILD)/models/tiny-q8_0.gguf $(BUILD)/engine/.fetched-node

check-engine: all $(ENGINE_NEEDS) $(BUILD)/tests/walk_check.so
	$(RUN_TESTS) engine

## check-programs: real programs and their own tests behave as without the shim
.PHONY: check-programs
check-programs:
	@$(TESTS_DIR)/setup.sh programs
	@$(MAKE) --no-print-directory all
	$(RUN_TESTS) programs

# One run and one last line for everything.
check-all: all fixtures unit-tests $(BUILD)/tests/walk_check.so $(ENGINE_NEEDS)
	CC="$(CC)" $(RUN_TESTS)

# Programs built again with the sanitizers of gcc. Under the thread sanitizer only what has threads.
SANITIZED := -O1 -g -fno-omit-frame-pointer
ASAN_FLAGS := $(SANITIZED) -fsanitize=address,undefined -fno-sanitize-recover=all
TSAN_FLAGS := $(SANITIZED) -fsanitize=thread -Wno-error=tsan
TSAN_TESTS := $(patsubst %,$(BUILD)/tsan/tests/unit/test_%,merge live_blocks intern decode)

# The shim's rings and writer, for the thread sanitizer, which has the names of the hooks itself.
$(BUILD)/tests/shim_rings: $(TESTS_DIR)/tsan/shim_rings.c \
		$(filter-out $(BUILD)/shim/preload/hook_% %/thunk.S.o,$(SHIM_OBJECTS))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(filter-out -MMD -MP -fvisibility=hidden,$(SHIM_FLAGS)) -o $@ $^ -l:libzstd.a -pthread

## check-sanitizers: report, unit tests, rings and writer under address, undefined and thread sanitizers
.PHONY: check-sanitizers
check-sanitizers: all fixtures
	$(MAKE) -s BUILD=$(BUILD)/asan CFLAGS="$(ASAN_FLAGS)" $(BUILD)/asan/llmtrace-report unit-tests
	$(MAKE) -s BUILD=$(BUILD)/tsan CFLAGS="$(TSAN_FLAGS)" $(BUILD)/tsan/llmtrace-report $(TSAN_TESTS) \
		$(BUILD)/tsan/tests/shim_rings
	BUILD=$(BUILD) $(TESTS_DIR)/sanitizers.py

## lint: clang-tidy, cppcheck and shellcheck find nothing
.PHONY: lint
lint:
	@$(TESTS_DIR)/setup.sh lint
	$(TESTS_DIR)/lint.sh

# Benchmarks measure optimised programs that make real calls, without frame pointers.
BENCH_BUILD := $(BUILD)/tests/bench
BENCH_PROGRAMS := $(patsubst $(TESTS_DIR)/bench/%.c,$(BENCH_BUILD)/%, \
	$(wildcard $(TESTS_DIR)/bench/*.c))

$(BENCH_BUILD)/%: $(TESTS_DIR)/bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -fomit-frame-pointer -fno-builtin -fno-optimize-sibling-calls -Wall \
		-Wextra -Werror -o $@ $< -pthread

# make bench QUICK=1 takes under three minutes.
bench: all $(BENCH_PROGRAMS) $(BUILD)/llama_run $(BUILD)/models/tiny-q8_0.gguf $(BUILD)/models/demo-q8_0.gguf
	BUILD=$(BUILD) $(TESTS_DIR)/bench/bench.py $(if $(QUICK),--quick)

# The walker's objects beside libunwind, in one preload library.
WALK_OBJECTS := $(patsubst %,$(BUILD)/shim/preload/%.c.o,cfi_bytes cfi_evaluate cfi_find cfi_run \
	frame_rules frame_walk frame_walk_complete loader_trust sys_memory)

$(BUILD)/tests/walk_check.so: $(TESTS_DIR)/walk/walk_check.c $(WALK_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -Ipreload -Ipreload/arch \
		-Ipreload/arch/$(ARCH) -fPIC -shared -o $@ $^ -lunwind

include $(TESTS_DIR)/fuzz/rules.mk
