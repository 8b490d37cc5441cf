// What the TypeScript SDK of the first line is told: node ts_v1_told.mjs handshake URL, or a COMMAND ARGUMENT.. instead.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

import { hear } from './told.mjs';

const [, target, ...args] = process.argv.slice(2);
const transport = target.startsWith('http')
  ? new StreamableHTTPClientTransport(new URL(target))
  : new StdioClientTransport({ command: target, args });
const client = new Client({ name: 'larder-ts-v1', version: '1' });
const told = new Promise((resolve) => {
  client.setNotificationHandler(ToolListChangedNotificationSchema, resolve);
});
await client.connect(transport);
await client.subscribeResource({ uri: 'test://watched-resource' });
await client.unsubscribeResource({ uri: 'test://watched-resource' });
await hear(client, told);
await client.close();
console.log('all as expected');
