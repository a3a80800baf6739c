# SPDX-License-Identifier: MIT
# The samples' part of the build, included by the top-level Makefile.
# Needs BUILD, CC and CFLAGS; gives the synthetic models, the engine and its hosts.

SAMPLES_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
ENGINE_DIR := $(BUILD)/engine
ENGINE_LIBS := $(ENGINE_DIR)/lib
MODELS_DIR := $(BUILD)/models

$(BUILD)/make_gguf: $(SAMPLES_DIR)/make_gguf.c $(SAMPLES_DIR)/gguf_model.c \
		$(SAMPLES_DIR)/gguf_model.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(filter %.c,$^) -lm

$(ENGINE_DIR)/.fetched: $(SAMPLES_DIR)/pins.sha512 $(SAMPLES_DIR)/package-lock.json \
		$(SAMPLES_DIR)/fetch_engine.sh
	$(SAMPLES_DIR)/fetch_engine.sh $(ENGINE_DIR)

# Run llama_run.mjs with $(ENGINE_DIR)/node.
$(ENGINE_DIR)/.fetched-node: $(ENGINE_DIR)/.fetched
	$(SAMPLES_DIR)/fetch_engine.sh --node $(ENGINE_DIR)

# The libraries' names carry their version; libllama-common is another one.
# The backends are opened at run time, hence the undefined symbols.
$(BUILD)/llama_run: $(SAMPLES_DIR)/llama_run.c $(ENGINE_DIR)/.fetched
	$(CC) $(CFLAGS) -o $@ $< \
		$$(ls $(ENGINE_LIBS)/libllama.*.so $(ENGINE_LIBS)/libggml.*.so) \
		$(ENGINE_LIBS)/libggml-base.so \
		-Wl,-rpath,$(abspath $(ENGINE_LIBS)) -Wl,--allow-shlib-undefined

$(MODELS_DIR)/tiny-q8_0.gguf: $(BUILD)/make_gguf
	@mkdir -p $(@D)
	$< -o $@ --shape tiny --type q8_0

$(MODELS_DIR)/demo-q8_0.gguf: $(BUILD)/make_gguf
	@mkdir -p $(@D)
	$< -o $@ --shape demo --type q8_0
