//! The official SDK with the same tool, answering in JSON and without sessions.

use std::sync::Arc;

use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Count {
    /// numbers to count
    values: Vec<f64>,
}

#[derive(Clone)]
struct Bench {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Bench {
    #[tool(description = "How many numbers there are.")]
    async fn count(&self, Parameters(Count { values }): Parameters<Count>) -> String {
        values.len().to_string()
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Bench {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("bench", "0.1.0"))
    }
}

pub(crate) fn router() -> Router {
    let bench = Bench { tools: Bench::tool_router() };
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(bench.clone()), sessions, config);
    Router::new().nest_service("/mcp", service)
}
