// What both TypeScript clients do with the example server `replicated`.

import assert from 'node:assert/strict';

const BOARD = 'board://mine';

/// A client of this SDK (`v1` or `v2`), whose person orders two portions and whose model keeps the first word.
export async function connected(sdk, era, url, token) {
  const { connect } = await import(`./ts_${sdk}.mjs`);
  const updates = new Updates();
  const client = await connect({
    era,
    url,
    token,
    board: BOARD,
    person: async () => ({ action: 'accept', content: { portions: 2 } }),
    model: async ({ params }) => {
      const [message] = params.messages;
      const content = Array.isArray(message.content) ? message.content[0] : message.content;
      const text = content.text.replace('Shorten: ', '').split(' ')[0];
      return { role: 'assistant', model: 'first word', content: { type: 'text', text } };
    },
    updated: () => updates.tell(),
  });
  return { client, updates };
}

/// Updates of the board as they are told.
class Updates {
  #told = Promise.withResolvers();

  tell() {
    this.#told.resolve(true);
  }

  forget() {
    this.#told = Promise.withResolvers();
  }

  heard(ms) {
    return Promise.race([this.#told.promise, new Promise((resolve) => setTimeout(resolve, ms, false))]);
  }
}

/// What a tool answers, and the process that did.
export async function call(client, name, args) {
  const result = await client.call(name, args);
  assert.ok(!result.isError, JSON.stringify(result));
  return result.structuredContent;
}

/// Calls `steps`; the steps that were told, and the answer. Calls `atStep(step)` at each.
export async function walk(client, count, pauseMs, atStep) {
  const told = [];
  const step = (progress) => {
    told.push(progress);
    atStep?.(progress.progress);
  };
  const result = await client.call('steps', { count, pause_ms: pauseMs }, step);
  return { told, answer: result.structuredContent.answer };
}

export function allSteps(count) {
  const told = Array.from({ length: count }, (_, at) => at + 1).map((step) => {
    return { progress: step, total: count, message: `step ${step}` };
  });
  return { told, answer: `${count} steps` };
}

/// Writes on the board until an update was told of it; the process that took the write.
export async function hear(client, updates, text) {
  for (let tries = 0; tries < 60; tries += 1) {
    updates.forget();
    const { replica } = await call(client, 'write', { text });
    // No stream yet, or no more: what is told meanwhile is lost.
    if (!(await updates.heard(500))) continue;
    assert.equal((await client.readResource(BOARD)).contents[0].text, text);
    return replica;
  }
  throw new Error('nothing was told');
}
