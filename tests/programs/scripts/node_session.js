// SPDX-License-Identifier: MIT
// node: worker threads, child processes, streams, zlib, crypto, timers, a cluster on a Unix socket, WebAssembly.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const cluster = require('cluster');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');
const zlib = require('zlib');
const { execFile, fork, spawn, spawnSync } = require('child_process');
const { pipeline } = require('stream/promises');

const hash = (data) => crypto.createHash('sha256').update(data).digest('hex').slice(0, 16);
const ended = (child) => new Promise((done) => child.on('close', (code, signal) => done(signal || code)));

async function workers() {
	const results = await Promise.all([1, 2, 3, 4].map((n) => new Promise((done, fail) => {
		const worker = new Worker(__filename, { workerData: n });
		let value;
		worker.on('message', (m) => { value = m; });
		worker.on('error', fail);
		worker.on('exit', (code) => done([value, code]));
	})));
	console.log('workers', JSON.stringify(results));
	const loop = new Worker('for (;;);', { eval: true });
	await new Promise((done) => loop.on('online', done));
	console.log('terminated', await loop.terminate());
}

async function children() {
	const cat = spawn('cat');
	let text = '';
	cat.stdout.on('data', (d) => { text += d; });
	for (let i = 0; i < 1000; i++) cat.stdin.write(`line ${i}\n`);
	cat.stdin.end();
	console.log('cat', await ended(cat), hash(text));
	const sleeper = spawn('sleep', ['100']);
	sleeper.kill('SIGKILL');
	console.log('sleep', await ended(sleeper));
	console.log('sync', spawnSync('sh', ['-c', 'echo out; exit 4']).status);
	console.log('none', await new Promise((done) => execFile('/nonexistent', (e) => done(e.code))));
	const child = fork(__filename, ['child'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
	child.send({ numbers: [1, 2, 3] });
	console.log('sum', await new Promise((done) => child.on('message', done)), await ended(child));
}

async function files() {
	fs.writeFileSync('data', Buffer.alloc(3 << 20, 'abcdefg'));
	await pipeline(fs.createReadStream('data'), zlib.createGzip({ level: 1 }), fs.createWriteStream('data.gz'));
	await pipeline(fs.createReadStream('data.gz'), zlib.createGunzip(), fs.createWriteStream('again'));
	console.log('files', hash(fs.readFileSync('again')) === hash(fs.readFileSync('data')), fs.statSync('data.gz').size);
	const many = await Promise.all([...Array(50).keys()].map((i) => fs.promises.writeFile(`f${i}`, `${i}`)));
	console.log(many.length, fs.readdirSync('.').length);
	console.log('scrypt', await new Promise((done) => crypto.scrypt('a', 'b', 16, (e, k) => done(k.toString('hex')))));
	console.log('descriptors', fs.readdirSync('/proc/self/fd').length);
}

async function server() {
	cluster.setupPrimary({ exec: __filename, args: ['cluster'] });
	const forks = [cluster.fork(), cluster.fork()];
	await Promise.all(forks.map((f) => new Promise((done) => f.on('listening', done))));
	const get = () => new Promise((done, fail) => http.get({ socketPath: path.resolve('socket'), agent: false },
		(r) => { let t = ''; r.on('data', (d) => { t += d; }); r.on('end', () => done(t)); }).on('error', fail));
	console.log('cluster', hash((await Promise.all([...Array(20)].map(get))).join()));
	forks.forEach((f) => f.kill());
	console.log(await Promise.all(forks.map((f) => new Promise((done) => f.on('exit', (c, s) => done(s || c))))));
}

async function main() {
	await workers();
	await children();
	await files();
	await server();
	const wasm = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0,
		7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]));
	console.log('wasm', new WebAssembly.Instance(wasm).exports.add(40, 2));
	let text = [];
	for (let i = 0; i < 300000; i++) text.push({ i, s: `s${i}` });
	console.log('heap', text.filter((t) => t.i % 3 === 0).length, hash(JSON.stringify(text)));
	process.on('exit', (code) => console.log('exit', code));
	process.exitCode = 5;
}

if (!isMainThread) {
	let data = [];
	for (let i = 0; i < 100000 * workerData; i++) data.push(i * 2);
	parentPort.postMessage(hash(Buffer.from(new Float64Array(data).buffer)));
} else if (process.argv[2] === 'child') {
	process.on('message', (m) => { process.send(m.numbers.reduce((a, b) => a + b)); process.disconnect(); });
} else if (cluster.isWorker) {
	http.createServer((q, r) => r.end('x'.repeat(10000))).listen(path.resolve('socket'));
} else {
	main().catch((e) => { console.error(e); process.exit(1); });
}
