//! A tool that needs a key of the person, and the page where they enter it: no client and no model sees the key.
//!
//! `cargo run -p mcp-server --example pages` serves MCP at `http://127.0.0.1:8000/mcp`, as ada for `Authorization: Bearer
//! a-token`. The tool `files` sends ada to the page; `curl -d KEY -H "Authorization: Bearer a-token" URL` is her there. A
//! real page has a form and the login of its site.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::post;
use mcp_server::{
    Authenticate as _, Context, Elicitation, Page, Pages, Principal, Server, State, StaticTokens, tool,
};
use tokio::net::TcpListener;

/// The keys that people entered, by [`Principal::key`].
type Keys = Arc<Mutex<HashMap<[u8; 32], String>>>;

fn key_of(keys: &Keys, person: [u8; 32]) -> Option<String> {
    keys.lock().ok()?.get(&person).cloned()
}

/// Lists the files of who asks.
#[tool(requires(elicitation(url)))]
async fn files(ctx: Context, keys: State<Keys>) -> Result<String, Box<dyn Error + Send + Sync>> {
    let person = ctx.principal()?.key();
    if key_of(&keys, person).is_none() {
        let page = Page::new("http://127.0.0.1:8000/connect");
        let _agreed = ctx.require_page("Enter the key of your files to go on.", &page).await?;
    }
    Ok(match key_of(&keys, person) {
        Some(key) => format!("3 files, opened by a key of {} letters", key.len()),
        None => "Not connected yet: finish on the page, then ask again.".to_owned(),
    })
}

/// What the page needs.
#[derive(Clone)]
struct Site {
    pages: Pages,
    logins: StaticTokens,
    keys: Keys,
}

/// Takes the key, if the person who was sent here sends it.
async fn connect(site: Site, request: Request) -> (StatusCode, &'static str) {
    const NOT_FOR_YOU: (StatusCode, &str) =
        (StatusCode::NOT_FOUND, "This page was opened before, is too old, or is somebody else's.\n");
    let (parts, body) = request.into_parts();
    let Ok(login) = site.logins.authenticate(&parts).await else {
        return (StatusCode::UNAUTHORIZED, "Log in first.\n");
    };
    let Ok(Some(opened)) = site.pages.open::<()>(ticket(parts.uri.query()), &login.principal).await else {
        return NOT_FOR_YOU;
    };
    let key = to_bytes(body, 1024).await.ok().and_then(|key| String::from_utf8(key.to_vec()).ok());
    let (Some(key), Ok(mut keys)) = (key, site.keys.lock()) else {
        return (StatusCode::BAD_REQUEST, "That is no key.\n");
    };
    keys.insert(login.principal.key(), key);
    site.pages.complete(&opened.elicitation);
    (StatusCode::OK, "Thank you. Your client goes on by itself, or ask it again.\n")
}

fn ticket(query: Option<&str>) -> &str {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find_map(|(name, value)| (name == Elicitation::PARAMETER).then_some(value))
        .unwrap_or_default()
}

#[tokio::main]
async fn main() -> mcp_server::Result<()> {
    let logins = StaticTokens::new().token("a-token", Principal::user("example", "ada"));
    let keys = Keys::default();
    let service =
        Server::new("files").authenticate(logins.clone()).state(Arc::clone(&keys)).tool(files).build()?;
    let site = Site { pages: service.pages(), logins, keys };
    let page = post(move |request| connect(site.clone(), request));
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    Ok(axum::serve(listener, service.router().route("/connect", page)).await?)
}
