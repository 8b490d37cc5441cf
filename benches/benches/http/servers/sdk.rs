//! The official SDK with one tool, its router made once.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt as _;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use tokio::net::TcpListener;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    /// what to answer
    text: String,
}

#[derive(Clone)]
struct Bench {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Bench {
    #[tool(description = "Answers what it is told.")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Bench {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("bench", "0.1.0"))
    }
}

pub(super) async fn http(listener: TcpListener, sessions: bool) -> io::Result<()> {
    let bench = Bench { tools: Bench::tool_router() };
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(sessions).with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(bench.clone()), sessions, config);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().nest_service("/mcp", service)).await
}

pub(super) async fn stdio() -> io::Result<()> {
    let bench = Bench { tools: Bench::tool_router() };
    let running = bench.serve(rmcp::transport::stdio_pipes()).await.map_err(io::Error::other)?;
    running.waiting().await.map_err(io::Error::other)?;
    Ok(())
}
