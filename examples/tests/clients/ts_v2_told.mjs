// What the TypeScript SDK of the second line is told: node ts_v2_told.mjs ERA URL, or a COMMAND ARGUMENT.. instead.

import assert from 'node:assert/strict';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { hear } from './told.mjs';

const [era, target, ...args] = process.argv.slice(2);
const modern = era === '2026-07-28';
const transport = target.startsWith('http')
  ? new StreamableHTTPClientTransport(new URL(target))
  : new StdioClientTransport({ command: target, args });
const versionNegotiation = modern ? { mode: { pin: era } } : undefined;
const client = new Client({ name: 'larder-ts-v2', version: '1' }, { versionNegotiation });
const told = new Promise((resolve) => {
  client.setNotificationHandler('notifications/tools/list_changed', resolve);
});
await client.connect(transport);
if (modern) {
  const asked = { toolsListChanged: true, resourceSubscriptions: ['test://watched-resource', 'test://none'] };
  const subscription = await client.listen(asked);
  assert.deepEqual(subscription.honoredFilter, {
    toolsListChanged: true,
    resourceSubscriptions: ['test://watched-resource'],
  });
  await hear(client, told);
  await subscription.close();
  assert.equal(await subscription.closed, 'local');
} else {
  await hear(client, told);
}
await client.close();
console.log('all as expected');
