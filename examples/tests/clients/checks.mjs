// What both TypeScript clients are asked to do with bench-server.

import assert from 'node:assert/strict';

const names = (items) => items.map((item) => item.name).sort();

export async function check(client, { modern }) {
  assert.deepEqual(names((await client.listTools()).tools), ['add', 'echo', 'stats']);
  assert.deepEqual((await client.listResources()).resources, []);
  const templates = (await client.listResourceTemplates()).resourceTemplates;
  assert.deepEqual(templates.map((template) => template.uriTemplate), ['bench://item/{id}']);
  assert.deepEqual(names((await client.listPrompts()).prompts), ['greet']);

  const call = (name, args) => client.callTool({ name, arguments: args });
  assert.equal((await call('echo', { text: 'grüß dich' })).content[0].text, 'grüß dich');
  const sum = await call('add', { a: 40, b: 2 });
  assert.equal(sum.content[0].text, '42');
  assert.deepEqual(sum.structuredContent, modern ? 42 : { result: 42 });
  const stats = await call('stats', { values: [1, 2, 6] });
  assert.deepEqual(stats.structuredContent, { count: 3, sum: 9, mean: 3 });
  const wrong = await call('add', { a: 1, b: 'two' });
  assert.ok(wrong.isError && wrong.content[0].text.includes('`b`'));

  const read = await client.readResource({ uri: 'bench://item/7' });
  assert.equal(read.contents[0].text, 'item 7');
  const greeting = await client.getPrompt({ name: 'greet', arguments: { name: 'Ada' } });
  assert.equal(greeting.messages[0].content.text, 'Greet Ada warmly.');
}
