// The TypeScript SDK of the first line (@modelcontextprotocol/sdk), as tour.mjs and watch.mjs use it.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

/// Connects and subscribes; `person` and `model` answer the server's questions, `updated` is called for each update.
export async function connect({ url, token, board, person, model, updated }) {
  const client = new Client(
    { name: 'larder-ts-v1', version: '1' },
    { capabilities: { elicitation: {}, sampling: {} } },
  );
  client.setRequestHandler(ElicitRequestSchema, person);
  client.setRequestHandler(CreateMessageRequestSchema, model);
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, updated);
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  await client.subscribeResource({ uri: board });
  return {
    listTools: () => client.listTools(),
    readResource: (uri) => client.readResource({ uri }),
    call: (name, args, onprogress) =>
      client.callTool({ name, arguments: args }, undefined, { onprogress, timeout: 60_000 }),
    close: () => client.close(),
  };
}
