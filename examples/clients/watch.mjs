// Streams that outlive a process: node watch.mjs SDK ERA URL TOKEN.
//
// Says `listening` once it is told of updates, and in a handshake session takes many steps from the line `walk` on. After the
// line `killed` it hears of updates again, and has all steps.

import assert from 'node:assert/strict';
import readline from 'node:readline';

import { allSteps, connected, hear, walk } from './common.mjs';

const STEPS = 240;
const PAUSE_MS = 60;

const [sdk, era, url, token] = process.argv.slice(2);
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;

const { client, updates } = await connected(sdk, era, url, token);
await hear(client, updates, 'before');
console.log('listening');
assert.equal(await line(), 'walk');
const walking = era === 'handshake' ? walk(client, STEPS, PAUSE_MS) : undefined;
assert.equal(await line(), 'killed');
await hear(client, updates, 'after');
if (walking) assert.deepEqual(await walking, allSteps(STEPS));
else assert.ok(client.reopened() > 0, 'the stream was opened again by us');
await client.close();
console.log('as one server');
process.exit();
