//! Each client, in each era, goes through all that a server does for it; the proxy tells that both replicas took part.

use super::pair::pair;
use super::proxy::Proxy;
use super::rust_tour;
use super::scripts::{Script, Sdk};
use super::seen::{crossed, replicas};
use super::{Era, assert_documented, soon};

/// What is shown in the order of the table's columns.
const COLUMNS: [&str; 7] =
    ["tools", "state", "progress", "elicitation", "sampling", "subscriptions", "resumption"];

/// The row of the table: the client, its era, and what it showed.
fn row(client: &str, era: Era, shown: &[&str]) -> String {
    let cells = COLUMNS.map(|column| match (shown.contains(&column), era) {
        (true, _) => "yes",
        (false, Era::Modern) if column == "resumption" => "–",
        (false, _) => "no",
    });
    format!("| {client} | {} | {} |", era.name(), cells.join(" | "))
}

/// Asserts what the proxy saw: requests, questions' answers and resumptions went to both.
fn assert_spread(proxy: &Proxy, era: Era) {
    let seen = proxy.seen();
    for tools in [&["echo"][..], &["remember", "recall"], &["order"], &["shorten"], &["write"]] {
        assert_eq!(replicas(&seen, |what| tools.contains(&&*what.tool)), [0, 1], "{tools:?}");
    }
    let (answers, resumptions) = (crossed(&seen, "answer"), crossed(&seen, "resume"));
    if era == Era::Handshake {
        assert!(answers > 0 && resumptions > 0, "{answers} answers and {resumptions} resumptions crossed");
    } else {
        assert!(seen.iter().all(|seen| seen.what.session.is_none()), "no session on 2026-07-28");
    }
}

/// The client's name and the version that is pinned.
fn client(sdk: Sdk) -> String {
    let packages = include_str!("../../../tests/clients/typescript/package.json");
    let requirements = include_str!("../../../tests/clients/python/requirements.in");
    match sdk {
        Sdk::Fastmcp => format!("FastMCP {}", between(requirements, "fastmcp==", "\n")),
        Sdk::TypescriptV1 => {
            format!("TypeScript SDK v1, {}", between(packages, "\"@modelcontextprotocol/sdk\": \"", "\""))
        }
        Sdk::TypescriptV2 => {
            format!("TypeScript SDK v2, {}", between(packages, "\"@modelcontextprotocol/client\": \"", "\""))
        }
    }
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> &'a str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(behind));
    found.unwrap_or_else(|| panic!("{before} is not pinned")).0
}

async fn tour(name: &str, sdk: Sdk, era: Era) {
    let Some(replicas) = pair(name) else { return };
    let proxy = Proxy::before(replicas.iter().map(|replica| replica.address).collect()).await;
    let Some(mut script) = Script::start("tour", sdk, era, &proxy.url, "demo-0") else { return };
    let said = script.line().await;
    let shown: Vec<_> = said.strip_prefix("shown: ").expect("what it showed").split(' ').collect();
    script.end().await;
    assert_spread(&proxy, era);
    assert_documented(&row(&client(sdk), era, &shown));
}

async fn tour_of_rmcp(name: &str, era: Era) {
    let Some(replicas) = pair(name) else { return };
    let proxy = Proxy::before(replicas.iter().map(|replica| replica.address).collect()).await;
    let shown = soon("the tour of rmcp", rust_tour::tour(&proxy, era)).await;
    assert_spread(&proxy, era);
    let version = between(include_str!("../../../Cargo.toml"), "rmcp = { version = \"=", "\"");
    assert_documented(&row(&format!("rmcp {version}"), era, &shown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fastmcp_sees_one_server_in_a_session() {
    tour("py1", Sdk::Fastmcp, Era::Handshake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fastmcp_sees_one_server_on_2026_07_28() {
    tour("py2", Sdk::Fastmcp, Era::Modern).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_v1_sees_one_server_in_a_session() {
    tour("ts1", Sdk::TypescriptV1, Era::Handshake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_v2_sees_one_server_in_a_session() {
    tour("ts2", Sdk::TypescriptV2, Era::Handshake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_v2_sees_one_server_on_2026_07_28() {
    tour("ts3", Sdk::TypescriptV2, Era::Modern).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rmcp_sees_one_server_in_a_session() {
    tour_of_rmcp("rs1", Era::Handshake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rmcp_sees_one_server_on_2026_07_28() {
    tour_of_rmcp("rs2", Era::Modern).await;
}
