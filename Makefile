# SPDX-License-Identifier: MIT
# llmtrace. `make` builds the shim and the tools; `make help` lists the targets.

BUILD  ?= build
PREFIX ?= /usr/local
CC     ?= gcc
ARCH   ?= $(shell uname -m)

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wshadow -Wwrite-strings
COMMON_FLAGS := -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -Iinclude -MMD -MP
# -fno-builtin: a hook named malloc must not be optimised as if it were the library's.
SHIM_FLAGS := $(COMMON_FLAGS) -Ipreload -Ipreload/arch -Ipreload/arch/$(ARCH) -fPIC -fvisibility=hidden \
	-ftls-model=initial-exec -fno-builtin -fno-stack-protector
REPORT_FLAGS := $(COMMON_FLAGS) -Ianalyzer

SHARED_SOURCES := $(wildcard include/llmtrace/*.c)
SHIM_SOURCES := $(wildcard preload/*.c) $(wildcard preload/arch/$(ARCH)/*.S)
REPORT_SOURCES := $(wildcard analyzer/*.c)

# Whatever these keep between calls belongs to one recording: preload/session.h.
SESSION_SOURCES := $(patsubst %,preload/%.c,bundle children control definitions drain encode encode_recent \
	facts fault_events fault_fold fault_open fault_samples faults function_names intern live_heap model_index \
	model_offers pool proc_samples ring segments trace_file trace_space \
	writer)
SESSION_SECTIONS := --rename-section .bss=lt_session_bss --rename-section .data=lt_session_data \
	--rename-section .data.rel.local=lt_session_data
OBJCOPY ?= objcopy

SHIM_OBJECTS := $(patsubst %,$(BUILD)/shim/%.o,$(SHIM_SOURCES) $(SHARED_SOURCES))
REPORT_OBJECTS := $(patsubst %,$(BUILD)/report/%.o,$(REPORT_SOURCES) $(SHARED_SOURCES))
REPORT_LIBS := -ldw -lelf -lzstd -ljansson -l:libstdc++.a -lpthread -lm

# V=1 shows the commands.
Q := $(if $(V),,@)

## all: the shim, the report and the command
.PHONY: all
all: $(BUILD)/libllmtrace.so $(BUILD)/llmtrace-report $(BUILD)/llmtrace

$(BUILD)/shim/%.c.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC   $<')
	$(Q)$(CC) $(CFLAGS) $(SHIM_FLAGS) -c -o $@ $<
	$(if $(filter $<,$(SESSION_SOURCES)),$(Q)$(OBJCOPY) $(SESSION_SECTIONS) $@)

$(BUILD)/shim/%.S.o: %.S preload/hooks.def preload/phase_calls.def
	@mkdir -p $(@D)
	$(if $(V),,@echo '  AS   $<')
	$(Q)$(CC) $(SHIM_FLAGS) -c -o $@ $<

$(BUILD)/report/%.c.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC   $<')
	$(Q)$(CC) $(CFLAGS) $(REPORT_FLAGS) -c -o $@ $<

$(BUILD)/exports.map: preload/exports.map.S preload/hooks.def preload/exports_extra.def preload/phase_calls.def
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -Ipreload -o $@ $<

# initfirst: our constructor runs before those of all other libraries. zstd is linked in and hidden.
$(BUILD)/libllmtrace.so: $(SHIM_OBJECTS) $(BUILD)/exports.map
	$(if $(V),,@echo '  LINK $@')
	$(Q)$(CC) $(CFLAGS) -shared -o $@ $(SHIM_OBJECTS) -Wl,--version-script=$(BUILD)/exports.map \
		-Wl,--exclude-libs,ALL -Wl,-z,initfirst -Wl,-z,now -Wl,-z,relro -Wl,-z,defs \
		-l:libzstd.a

$(BUILD)/llmtrace-report: $(REPORT_OBJECTS)
	$(if $(V),,@echo '  LINK $@')
	$(Q)$(CC) $(CFLAGS) -o $@ $(REPORT_OBJECTS) $(REPORT_LIBS)

$(BUILD)/llmtrace: $(wildcard analyzer/command/*.[ch] analyzer/command/*.def) include/llmtrace/options.def \
		include/llmtrace/version.h analyzer/plain_text.c analyzer/plain_text.h
	@mkdir -p $(@D)
	$(if $(V),,@echo '  LINK $@')
	$(Q)$(CC) $(CFLAGS) $(filter-out -MMD -MP,$(COMMON_FLAGS)) -Ianalyzer -Ianalyzer/command -o $@ $(filter %.c,$^) \
		-ljansson -ldl

$(BUILD)/format_tables: analyzer/docs/format_tables.c include/llmtrace/events.c include/llmtrace/events.def \
		include/llmtrace/names.def include/llmtrace/events.h
	@mkdir -p $(@D)
	$(if $(V),,@echo '  LINK $@')
	$(Q)$(CC) $(CFLAGS) $(filter-out -MMD -MP,$(COMMON_FLAGS)) -o $@ $(filter %.c,$^)

## docs: the tables of FORMAT.md, from events.def and names.def
.PHONY: docs
docs: $(BUILD)/format_tables
	sed -i '/^<!-- The rest is made by/q' include/llmtrace/FORMAT.md
	$(BUILD)/format_tables >> include/llmtrace/FORMAT.md

## install: into PREFIX (default /usr/local)
.PHONY: install
install: all
	install -D -m 755 $(BUILD)/llmtrace $(DESTDIR)$(PREFIX)/bin/llmtrace
	install -D -m 755 $(BUILD)/llmtrace-report $(DESTDIR)$(PREFIX)/bin/llmtrace-report
	install -D -m 755 $(BUILD)/libllmtrace.so $(DESTDIR)$(PREFIX)/lib/llmtrace/libllmtrace.so
	install -D -m 644 include/llmtrace/mark.h $(DESTDIR)$(PREFIX)/include/llmtrace/mark.h

## demo: installs what is missing, runs the real llama.cpp engine under the shim, prints the report
.PHONY: demo
demo:
	@tests/setup.sh demo
	@$(MAKE) -s --no-print-directory all $(BUILD)/llama_run $(BUILD)/models/demo-q8_0.gguf
	@mkdir -p $(BUILD)/demo
	LLMTRACE_OUTPUT=$(BUILD)/demo/trace.zst LD_PRELOAD=$(abspath $(BUILD))/libllmtrace.so \
		$(BUILD)/llama_run -m $(BUILD)/models/demo-q8_0.gguf -p "Once upon a time there was a" -n 48 -t 2
	$(BUILD)/llmtrace-report $(BUILD)/demo/trace.zst

## check: installs what is missing, builds, passes every test
.PHONY: check
check:
	@tests/setup.sh check
	@$(MAKE) --no-print-directory check-all

## clean: removes the build folder
.PHONY: clean
clean:
	rm -rf $(BUILD)

## help: this list
.PHONY: help
help:
	@sed -n 's/^## /  /p' $(MAKEFILE_LIST)

include samples/rules.mk
include tests/rules.mk

-include $(SHIM_OBJECTS:.o=.d) $(REPORT_OBJECTS:.o=.d)
