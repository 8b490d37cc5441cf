//! The #[tool], #[resource] and #[prompt] attributes of mcp-server.
