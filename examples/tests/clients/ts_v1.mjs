// The TypeScript SDK of the first line: node ts_v1.mjs handshake URL, or node ts_v1.mjs handshake COMMAND ARGUMENT..

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { check } from './checks.mjs';

const [, target, ...args] = process.argv.slice(2);
const http = target.startsWith('http');
const transport = http
  ? new StreamableHTTPClientTransport(new URL(target))
  : new StdioClientTransport({ command: target, args });
const client = new Client({ name: 'larder-ts-v1', version: '1' });
await client.connect(transport);
await check(client, { modern: false });
if (http) await transport.terminateSession();
await client.close();
console.log('all as expected');
