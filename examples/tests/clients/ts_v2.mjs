// The TypeScript SDK of the second line: node ts_v2.mjs ERA URL, or node ts_v2.mjs ERA COMMAND ARGUMENT..

import assert from 'node:assert/strict';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { check } from './checks.mjs';

const MODES = { handshake: undefined, auto: { mode: 'auto' }, '2026-07-28': { mode: { pin: '2026-07-28' } } };

const [era, target, ...args] = process.argv.slice(2);
assert.ok(era in MODES, era);
const transport = target.startsWith('http')
  ? new StreamableHTTPClientTransport(new URL(target))
  : new StdioClientTransport({ command: target, args });
const client = new Client({ name: 'larder-ts-v2', version: '1' }, { versionNegotiation: MODES[era] });
await client.connect(transport);
await check(client, { modern: era !== 'handshake' });
await client.close();
console.log('all as expected');
