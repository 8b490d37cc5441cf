//! Region and credentials as the environment has them, and two processes on one table: each shown in a child process.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use kv_core::testing::skip;
use kv_core::{StoreExt, StoreUrl};
use kv_dynamo::{DynamoConfig, DynamoStore};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

use crate::scripted::{Scripted, ready};
use crate::support::{C, PATIENCE, Table, value};

/// Names the URL that a child opens.
const URL: &str = "LARDER_TEST_CHILD_URL";
/// How often a child counts up.
const COUNTS: &str = "LARDER_TEST_CHILD_COUNTS";

/// Only as a child of the tests below: opens a store and says what it made of it.
#[tokio::test]
async fn a_child_opens_a_store() {
    let Ok(url) = std::env::var(URL) else { return };
    let config = DynamoConfig::from_url(&mut StoreUrl::parse(&url).unwrap()).unwrap();
    let store = match DynamoStore::open(config).await {
        Ok(store) => store,
        Err(error) => return eprintln!("{:?} {:?} {}", error.kind(), error.outcome(), error.message()),
    };
    eprintln!("opened");
    let numbers = store.collection::<u32>(C);
    for _ in 0..std::env::var(COUNTS).map_or(0, |counts| counts.parse().unwrap()) {
        numbers.update_with("count", |count| Some(count.unwrap_or(0) + 1)).await.unwrap();
    }
}

/// A child that opens `url` in an environment of these variables alone.
fn child(url: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "environment::a_child_opens_a_store", "--nocapture", "--test-threads=1"]);
    command.env_clear().env(URL, url).env("AWS_EC2_METADATA_DISABLED", "true");
    for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env(file, "no-such-file");
    }
    command.envs(variables.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What the child said.
async fn said(mut child: Command) -> String {
    let Output { status, stderr, .. } =
        tokio::time::timeout(PATIENCE * 3, child.output()).await.expect("the child ends").unwrap();
    assert!(status.success());
    String::from_utf8(stderr).unwrap()
}

const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "s3cret")];

#[tokio::test]
async fn region_and_credentials_come_from_the_environment() {
    let server = Scripted::start(ready(|_, _| panic!("nothing is asked for but the table"))).await;
    let url = format!("dynamodb://table?endpoint={}", server.config().endpoint.unwrap());
    assert!(said(child(&url, &KEY)).await.contains("opened"));

    let endpoint = server.config().endpoint.unwrap();
    let [id, secret] = KEY;
    let variables = [id, secret, ("AWS_REGION", "eu-central-1"), ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint)];
    assert!(said(child("dynamodb://table", &variables)).await.contains("opened"));
}

#[tokio::test]
async fn without_credentials_it_is_denied_with_advice_and_without_region_invalid() {
    let server = Scripted::start(ready(|_, _| crate::scripted::Answer::ok(json!({})))).await;
    let url = format!("dynamodb://table?endpoint={}", server.config().endpoint.unwrap());
    let denied = said(child(&url, &[])).await;
    assert!(denied.contains("Denied NotDone") && denied.contains("AWS_ACCESS_KEY_ID"), "{denied}");
    assert!(server.asked("DescribeTable").is_empty(), "something was sent without credentials");

    let nowhere = said(child("dynamodb://table", &KEY)).await;
    assert!(nowhere.contains("Invalid NotDone") && nowhere.contains("AWS_REGION"), "{nowhere}");
}

/// A certificate for localhost and what serves it; `None`, loudly, where no program makes one.
fn certificate(dir: &Path) -> Option<(PathBuf, TlsAcceptor)> {
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        skip("no openssl makes a certificate: install `openssl`");
        return None;
    }
    let chain = vec![CertificateDer::from_pem_file(&cert).unwrap()];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let settings =
        settings.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap());
    Some((cert, TlsAcceptor::from(Arc::new(settings.unwrap()))))
}

#[tokio::test]
async fn a_certificate_that_the_machine_trusts_is_taken_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let Some((cert, tls)) = certificate(dir.path()) else { return };
    let server = Scripted::behind(Some(tls), ready(|_, _| crate::scripted::Answer::ok(json!({})))).await;
    let url = format!("dynamodb://table?endpoint={}", server.config().endpoint.unwrap());
    let refused = said(child(&url, &KEY)).await;
    assert!(refused.contains("Unavailable NotDone"), "{refused}");
    assert!(server.asked("DescribeTable").is_empty(), "it spoke to a server that nobody vouches for");

    let [id, secret] = KEY;
    let trusting = [id, secret, ("SSL_CERT_FILE", cert.to_str().unwrap())];
    assert!(said(child(&url, &trusting)).await.contains("opened"));
}

#[tokio::test]
async fn two_processes_that_count_on_one_table_lose_nothing() {
    let Some(table) = Table::unmade() else { return };
    let url = format!("dynamodb://test:test@{}?create=true&endpoint={}", table.name, table.endpoint);
    let children = [0, 1].map(|_| child(&url, &[(COUNTS, "50")]));
    for said in futures_util::future::join_all(children.map(said)).await {
        assert!(said.contains("opened"), "{said}");
    }
    assert_eq!(value(&table.open().await, "count").await.unwrap(), Some("100".into()));
}
