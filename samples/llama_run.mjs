#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/*
 * llama_run.mjs: loads a model and generates greedily through node-llama-cpp.
 *
 * The same engine as llama_run.c, but inside an addon that node opens with dlopen
 * (RTLD_LOCAL), decoding on libuv's worker threads, and with a short-lived child
 * process: node-llama-cpp tests the addon there before it loads it itself.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const EXIT_USAGE = 2;
const here = dirname(fileURLToPath(import.meta.url));

/* node-llama-cpp has no word for "auto": its own default is to map the file. */
const loadModes = {
	"auto": {},
	"none": { useMmap: false },
	"mmap": { useMmap: true },
	"mlock": { useMmap: false, useMlock: true },
	"mmap+mlock": { useMmap: true, useMlock: true },
	"dio": { useDirectIo: true },
};

const options = {
	"model": { type: "string", short: "m" },
	"prompt": { type: "string", short: "p", default: "Once upon a time" },
	"n-predict": { type: "string", short: "n", default: "32" },
	"threads": { type: "string", short: "t", default: "2" },
	"load-mode": { type: "string", default: "auto" },
	"repeat": { type: "string", short: "r", default: "1" },
	"engine": { type: "string", short: "e", default: resolve(here, "../build/engine") },
	"verbose": { type: "boolean", short: "v", default: false },
	"help": { type: "boolean", short: "h", default: false },
};

const usage = `usage: node llama_run.mjs -m FILE [options]

Generates greedily: the text goes to stdout, one summary line to stderr.

  -m, --model FILE       the GGUF model (needed)
  -p, --prompt TEXT      the prompt
  -n, --n-predict N      tokens to generate (32)
  -t, --threads N        threads (2)
  -lm, --load-mode MODE  ${Object.keys(loadModes).join(", ")}
  -r, --repeat N         run the prompt N times in one context (1)
  -e, --engine DIR       the directory that fetch_engine.sh --node filled
  -v, --verbose          let the engine log to stderr`;

function fail(message, code = 1) {
	process.stderr.write(`llama_run.mjs: ${message}\n`);
	process.exit(code);
}

function parseCount(name, text, least) {
	const value = Number(text);

	if (!Number.isInteger(value) || value < least)
		fail(`--${name}: '${text}' is not a number from ${least}`, EXIT_USAGE);
	return value;
}

/* "-lm MODE" is what llama.cpp calls it; node's parser knows one-letter names only. */
function parseRequest() {
	const args = process.argv.slice(2).map((arg) => (arg === "-lm" ? "--load-mode" : arg));
	let values;

	try {
		({ values } = parseArgs({ args, options }));
	} catch (error) {
		fail(error.message, EXIT_USAGE);
	}
	if (values.help) {
		console.log(usage);
		process.exit(0);
	}
	if (!values.model)
		fail("no model: say -m FILE", EXIT_USAGE);
	if (!existsSync(values.model))
		fail(`${values.model}: no such file`);
	if (!(values["load-mode"] in loadModes))
		fail(`--load-mode: '${values["load-mode"]}' is unknown`, EXIT_USAGE);
	return {
		...values,
		tokenCount: parseCount("n-predict", values["n-predict"], 0),
		threads: parseCount("threads", values.threads, 1),
		repeat: parseCount("repeat", values.repeat, 1),
	};
}

/* The package lies in the engine's directory, not beside this file. */
async function importEngine(engine) {
	const require = createRequire(resolve(engine, "package.json"));
	let entry;

	try {
		entry = require.resolve("node-llama-cpp");
	} catch {
		fail(`${engine}: no node-llama-cpp there; fetch_engine.sh --node DIR fetches it, `
			+ "--engine DIR names it");
	}
	return import(pathToFileURL(entry));
}

async function load(request) {
	const { getLlama, LlamaLogLevel } = await importEngine(request.engine);
	const start = performance.now();
	const llama = await getLlama({
		gpu: false, build: "never", skipDownload: true, progressLogs: false,
		maxThreads: request.threads,
		logLevel: request.verbose ? LlamaLogLevel.debug : LlamaLogLevel.disabled,
	});
	const model = await llama.loadModel({
		modelPath: resolve(request.model), gpuLayers: 0, ...loadModes[request["load-mode"]],
	});
	const prompt = [model.tokens.bos, ...model.tokenize(request.prompt)];
	const context = await model.createContext({
		contextSize: Math.max(512, prompt.length + request.tokenCount),
		threads: request.threads,
	});

	return { llama, model, context, prompt, loadMs: performance.now() - start };
}

/* The first token comes with the prompt's evaluation: its time is the prompt's. */
async function generate(run, sequence, tokenCount, sums) {
	const tokens = [];
	const start = performance.now();
	let first = start;

	await sequence.clearHistory();
	if (tokenCount === 0) {
		await sequence.evaluateWithoutGeneratingNewTokens(run.prompt);
		first = performance.now();
	} else {
		for await (const token of sequence.evaluate(run.prompt, { temperature: 0 })) {
			if (tokens.push(token) === 1)
				first = performance.now();
			if (tokens.length === tokenCount)
				break;
		}
	}
	sums.promptMs += first - start;
	sums.generateMs += performance.now() - first;
	sums.promptCount += run.prompt.length;
	sums.generatedCount += tokens.length;
	process.stdout.write(`${run.model.detokenize(tokens, false, run.prompt)}\n`);
}

const perSecond = (count, ms) => (ms > 0 ? (count * 1000) / ms : 0).toFixed(1);

const request = parseRequest();
const sums = { promptMs: 0, generateMs: 0, promptCount: 0, generatedCount: 0 };

try {
	const run = await load(request);
	const sequence = run.context.getSequence();

	for (let i = 0; i < request.repeat; i++)
		await generate(run, sequence, request.tokenCount, sums);
	process.stderr.write(`llama_run.mjs: ${sums.promptCount} prompt + ${sums.generatedCount} `
		+ `generated tokens, load ${(run.loadMs / 1000).toFixed(3)} s, `
		+ `prompt ${perSecond(sums.promptCount, sums.promptMs)} t/s, `
		+ `generation ${perSecond(sums.generatedCount, sums.generateMs)} t/s\n`);
	await run.llama.dispose();
} catch (error) {
	fail(`${request.model}: ${error.message}`);
}
