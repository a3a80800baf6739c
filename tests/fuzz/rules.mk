# SPDX-License-Identifier: MIT
# Fuzzing of what reads files that others have made; included by tests/rules.mk.
# Needs clang (tests/setup.sh fuzz). FUZZ_SECONDS: for each target.

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_DIR := $(TESTS_DIR)/fuzz
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize-recover=pointer-overflow \
	-fsanitize=address,undefined,fuzzer-no-link $(REPORT_FLAGS) -Ipreload -I$(TESTS_DIR)/unit

FUZZ_TARGETS := $(patsubst $(FUZZ_DIR)/%.c,$(FUZZ_BUILD)/%,$(wildcard $(FUZZ_DIR)/fuzz_*.c))
FUZZ_SHARED := $(filter-out $(FUZZ_DIR)/fuzz_%.c $(FUZZ_DIR)/make_seeds.c,$(wildcard $(FUZZ_DIR)/*.c)) \
	$(TESTS_DIR)/unit/trace_builder.c $(TESTS_DIR)/unit/pool_builder.c
FUZZ_OBJECTS := $(patsubst %.c,$(FUZZ_BUILD)/objects/%.o,$(FUZZ_SHARED) $(SHARED_SOURCES) \
	$(filter-out analyzer/main.c,$(REPORT_SOURCES)))

$(FUZZ_BUILD)/objects/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  FUZZ $<')
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<

$(FUZZ_BUILD)/fuzz_%: $(FUZZ_DIR)/fuzz_%.c $(FUZZ_OBJECTS)
	$(if $(V),,@echo '  LINK $@')
	$(Q)$(FUZZ_CC) $(filter-out -MMD -MP,$(FUZZ_FLAGS)) -fsanitize=fuzzer -o $@ $< $(FUZZ_OBJECTS) \
		$(REPORT_LIBS)

$(FUZZ_BUILD)/make_seeds: $(FUZZ_DIR)/make_seeds.c $(FUZZ_DIR)/flat.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter-out -MMD -MP,$(REPORT_FLAGS)) -o $@ $^ include/llmtrace/crc32c.c -lzstd

# The golden traces as seeds; others are kept in seeds/TARGET.
FUZZ_SEEDS := $(patsubst $(TESTS_DIR)/golden/%.zst,$(FUZZ_BUILD)/seeds/reader/%, \
	$(wildcard $(TESTS_DIR)/golden/*.zst))

$(FUZZ_BUILD)/seeds/reader/%: $(TESTS_DIR)/golden/%.zst $(FUZZ_BUILD)/make_seeds
	@mkdir -p $(@D)
	$(Q)$(FUZZ_BUILD)/make_seeds $< $@

## fuzz: each fuzz target for FUZZ_SECONDS (60); prints 'N findings'
.PHONY: fuzz
fuzz:
	@$(TESTS_DIR)/setup.sh fuzz
	@$(MAKE) --no-print-directory $(FUZZ_TARGETS) $(FUZZ_SEEDS)
	@BUILD=$(BUILD) $(FUZZ_DIR)/run.sh $(FUZZ_SECONDS) $(patsubst $(FUZZ_BUILD)/fuzz_%,%,$(FUZZ_TARGETS))

.SECONDARY: $(FUZZ_OBJECTS)
-include $(FUZZ_OBJECTS:.o=.d)
