//! HTTPS, through a proxy that ends it in front of the server under test, with a certificate of an authority of its own.

use std::path::PathBuf;
use std::sync::Arc;

use kv_core::{ErrorKind, Outcome};
use kv_elastic::{ElasticConfig, ElasticStore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::server::{Server, set, value};

/// Ends TLS until it is dropped.
struct Front {
    port: u16,
    /// Holds the certificate of the authority, as `ca.pem`.
    dir: TempDir,
    accepting: AbortHandle,
}

impl Front {
    /// Shows a certificate for `localhost` and for no other name.
    async fn of(upstream: &str) -> Self {
        let (authority, acceptor) = certified();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = upstream.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, acceptor.clone(), upstream.clone()));
            }
        });
        Self { port, dir, accepting: accepting.abort_handle() }
    }

    fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    fn config(&self, server: &Server, host: &str, ca_file: Option<PathBuf>) -> ElasticConfig {
        let mut config = server.config();
        config.hosts = vec![format!("{host}:{}", self.port)];
        config.tls = true;
        config.ca_file = ca_file;
        config
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The certificate of a fresh authority, and what shows one that it signed for `localhost`.
fn certified() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&own_key, &issuer).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own_key.serialize_der()));
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.der().clone()], private);
    (authority, TlsAcceptor::from(Arc::new(config.unwrap())))
}

async fn carry(client: TcpStream, acceptor: TlsAcceptor, upstream: String) {
    let Ok(mut client) = acceptor.accept(client).await else { return }; // who does not trust us goes away
    let mut server = TcpStream::connect(upstream).await.unwrap();
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
}

#[tokio::test]
async fn a_store_is_reached_over_https_with_the_authority_of_the_cluster() {
    let Some(server) = Server::found() else { return };
    let front = Front::of(&server.host).await;
    let config = front.config(&server, "localhost", Some(front.ca_file()));
    let store = ElasticStore::open(config).await.unwrap();
    set(&store, "a", "x").await;
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn a_server_that_cannot_show_who_it_is_is_sent_nothing() {
    let Some(server) = Server::found() else { return };
    let front = Front::of(&server.host).await;
    let mut plain = server.config();
    plain.tls = true;
    for config in [
        front.config(&server, "localhost", None), // an authority that the system does not know
        front.config(&server, "127.0.0.1", Some(front.ca_file())), // another name than the certificate's
        plain,                                    // a port that speaks plain HTTP
    ] {
        let error = ElasticStore::open(config).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error}");
        assert!(error.message().contains("`ca_file`"), "{error}");
    }
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused_before_anything_is_sent() {
    let dir = TempDir::new().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for path in [dir.path().join("missing.pem"), empty] {
        let mut config = ElasticConfig::new(["localhost:1"]);
        (config.tls, config.ca_file) = (true, Some(path));
        let error = ElasticStore::open(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("`ca_file`"), "{error}");
    }
}
