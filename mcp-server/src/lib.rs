//! An MCP server framework whose cache, sessions and state live in a Larder store.
