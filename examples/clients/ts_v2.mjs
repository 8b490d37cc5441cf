// The TypeScript SDK of the second line (@modelcontextprotocol/client), as tour.mjs and watch.mjs use it.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/// Connects and subscribes; `person` and `model` answer the server's questions, `updated` is called for each update.
export async function connect({ era, url, token, board, person, model, updated }) {
  const modern = era !== 'handshake';
  const client = new Client(
    { name: 'larder-ts-v2', version: '1' },
    {
      capabilities: { elicitation: {}, sampling: {} },
      versionNegotiation: modern ? { mode: { pin: era } } : undefined,
    },
  );
  client.setRequestHandler('elicitation/create', person);
  client.setRequestHandler('sampling/createMessage', model);
  client.setNotificationHandler('notifications/resources/updated', updated);
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  const listening = modern ? new Listening(client, board) : undefined;
  if (!modern) await client.subscribeResource({ uri: board });
  return {
    listTools: () => client.listTools(),
    readResource: (uri) => client.readResource({ uri }),
    call: (name, args, onprogress) =>
      client.callTool({ name, arguments: args }, { onprogress, timeout: 60_000 }),
    reopened: () => listening?.reopened ?? 0,
    async close() {
      await listening?.close();
      await client.close();
    },
  };
}

/// 2026-07-28: a stream that is lost is opened again, by us; nothing of it is repeated, so whoever hears of that looks anew.
class Listening {
  reopened = 0;
  #closing = false;
  #subscription;

  constructor(client, board) {
    this.done = this.#keep(client, board);
  }

  async #keep(client, board) {
    while (!this.#closing) {
      try {
        this.#subscription = await client.listen({ resourceSubscriptions: [board] });
        await this.#subscription.closed;
        this.reopened += 1;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  async close() {
    this.#closing = true;
    await this.#subscription?.close();
    await this.done;
  }
}
