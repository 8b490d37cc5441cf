//! rust-mcp-sdk on axum with one tool, answering in JSON.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use larder_bench_peers::{announce, end_with_stdin, free_port, runtime};
use rust_mcp_axum::{AxumServerOptions, create_axum_server};
use rust_mcp_sdk::mcp_server::{ServerHandler, ToMcpServerHandler as _};
use rust_mcp_sdk::schema::{
    CallToolError, CallToolRequestParams, CallToolResult, Implementation, ListToolsResult,
    ListToolsResultCacheScope, PaginatedRequestParams, RpcError, ServerCapabilities, ServerCapabilitiesTools,
    ServerResult, TextContent,
};
use rust_mcp_sdk::{McpServer, RequestContext, ServerDetails, macros};

/// Answers what it is told.
#[macros::mcp_tool(name = "echo", description = "Answers what it is told.")]
#[derive(Debug, serde::Deserialize, serde::Serialize, macros::JsonSchema)]
struct Echo {
    /// what to answer
    text: String,
}

struct Bench;

#[async_trait]
impl ServerHandler for Bench {
    async fn handle_list_tools_request(
        &self,
        _: Option<PaginatedRequestParams>,
        _: &RequestContext,
        _: Arc<dyn McpServer>,
    ) -> Result<ListToolsResult, RpcError> {
        Ok(ListToolsResult {
            tools: vec![Echo::tool()],
            meta: None,
            next_cursor: None,
            cache_scope: ListToolsResultCacheScope::Private,
            result_type: "complete".to_owned(),
            ttl_ms: 0,
        })
    }

    async fn handle_call_tool_request(
        &self,
        params: CallToolRequestParams,
        _: &RequestContext,
        _: Arc<dyn McpServer>,
    ) -> Result<ServerResult, CallToolError> {
        if params.name != "echo" {
            return Err(CallToolError::unknown_tool(params.name));
        }
        let arguments = serde_json::Value::Object(params.arguments.unwrap_or_default());
        let Echo { text } = serde_json::from_value(arguments).map_err(CallToolError::new)?;
        Ok(ServerResult::CallToolResult(CallToolResult {
            content: vec![TextContent::new(text, None, None).into()],
            is_error: None,
            meta: None,
            result_type: "complete".to_owned(),
            structured_content: None,
        }))
    }
}

fn details() -> ServerDetails {
    ServerDetails {
        server_info: Implementation {
            name: "bench".to_owned(),
            version: "0.1.0".to_owned(),
            title: None,
            description: None,
            icons: Vec::new(),
            website_url: None,
        },
        capabilities: ServerCapabilities {
            tools: Some(ServerCapabilitiesTools { list_changed: None }),
            ..Default::default()
        },
        meta: None,
        instructions: None,
    }
}

fn main() -> io::Result<()> {
    end_with_stdin();
    runtime()?.block_on(async {
        let address = free_port().await?;
        let options = AxumServerOptions {
            host: address.ip().to_string(),
            port: address.port(),
            enable_json_response: Some(true),
            ..Default::default()
        };
        let server = create_axum_server(details(), Bench.to_mcp_server_handler(), options);
        let server = tokio::spawn(async move { server.start().await.map_err(|error| io::Error::other(error.to_string())) });
        announce(address).await?;
        server.await?
    })
}
