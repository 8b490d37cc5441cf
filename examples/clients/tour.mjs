// One server, whichever process answers: node tour.mjs SDK ERA URL TOKEN, where something before URL alternates between two
// processes. SDK is `v1` or `v2`, ERA `handshake` or `2026-07-28`.

import assert from 'node:assert/strict';

import { allSteps, call, connected, hear, walk } from './common.mjs';

const [sdk, era, url, token] = process.argv.slice(2);
const { client, updates } = await connected(sdk, era, url, token);

const parts = {
  async tools() {
    const names = (await client.listTools()).tools.map((tool) => tool.name).sort();
    assert.deepEqual(names, ['echo', 'order', 'recall', 'remember', 'shorten', 'steps', 'write']);
    await fromBoth(() => call(client, 'echo', { text: 'grüß dich' }), 'grüß dich');
  },

  async state() {
    for (const value of ['blue', 'green', 'red']) {
      const kept = await call(client, 'remember', { name: 'color', value });
      for (let tries = 0; ; tries += 1) {
        assert.ok(tries < 20, 'one process answered all');
        const { answer, replica } = await call(client, 'recall', { name: 'color' });
        assert.equal(answer, value);
        if (replica !== kept.replica) break;
      }
    }
  },

  async progress() {
    assert.deepEqual(await walk(client, 5, 20), allSteps(5));
  },

  async elicitation() {
    await fromBoth(() => call(client, 'order', { dish: 'soup' }), '2 x soup');
  },

  async sampling() {
    await fromBoth(() => call(client, 'shorten', { text: 'all of it' }), 'all');
  },

  async subscriptions() {
    const writtenBy = new Set();
    for (let number = 0; writtenBy.size < 2; number += 1) {
      assert.ok(number < 20, 'one process answered all');
      writtenBy.add(await hear(client, updates, `note ${number}`));
      await anotherTurn();
    }
  },

  // The connection is cut in the middle; nothing is lost and nothing comes twice.
  async resumption() {
    const cut = (step) => {
      if (step === 5) fetch(url.replace('/mcp', '/-/cut'), { method: 'POST' });
    };
    assert.deepEqual(await walk(client, 30, 50, cut), allSteps(30));
  },
};
if (era !== 'handshake') delete parts.resumption;

for (const part of Object.values(parts)) await part();
await client.close();
console.log('shown:', ...Object.keys(parts));

/// Asks at least four times, and until both processes have answered, always the same.
async function fromBoth(ask, expected) {
  const replicas = new Set();
  for (let asked = 1; asked < 4 || replicas.size < 2; asked += 1) {
    assert.ok(asked < 20, 'one process answered all');
    const { answer, replica } = await ask();
    assert.equal(answer, expected);
    // Not each time: what takes one request would then take two.
    if (replicas.has(replica) && asked % 2 === 0) await anotherTurn();
    replicas.add(replica);
  }
}

/// One request more, so that what takes two is not always begun at the same process.
async function anotherTurn() {
  await call(client, 'echo', { text: '' });
}
