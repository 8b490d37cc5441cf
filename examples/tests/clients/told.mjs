// What both TypeScript clients hear of the conformance server, whose tools come and go when they are asked to.

import assert from 'node:assert/strict';

/// Lets a tool come or go until `told` resolves: a client opens its stream while it is used already.
export async function hear(client, told) {
  let heard = false;
  told.then(() => { heard = true; });
  for (let tries = 0; !heard; tries += 1) {
    assert.ok(tries < 100, 'nothing was told');
    await client.callTool({ name: 'test_trigger_tool_change', arguments: {} });
    await Promise.race([told, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
}
