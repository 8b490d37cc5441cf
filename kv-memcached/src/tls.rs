//! Encrypted connections: TLS by rustls, the server's certificate checked against its name.

use std::fmt;
use std::sync::Arc;

use kv_core::{Error, ErrorKind, Result};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::Tls;

/// Encrypts connections.
pub(crate) struct Connector(TlsConnector);

impl Connector {
    /// Reads the certificates of the authorities that are trusted.
    pub(crate) fn new(tls: &Tls) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        match tls {
            Tls::System => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Tls::Authority(file) => {
                let unreadable =
                    || format!("{} holds no certificate in PEM that can be read", file.display());
                let invalid = || Error::new(ErrorKind::Invalid, unreadable());
                for certificate in CertificateDer::pem_file_iter(file).map_err(|e| invalid().because(e))? {
                    let certificate = certificate.map_err(|e| invalid().because(e))?;
                    roots.add(certificate).map_err(|e| invalid().because(e))?;
                }
                if roots.is_empty() {
                    return Err(invalid());
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::new(ErrorKind::Unexpected, "TLS cannot be set up").because(e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|e| Error::new(ErrorKind::Invalid, "no certificate can be for this host").because(e))?;
        self.0.connect(name, stream).await.map_err(|e| {
            let kind = match e.get_ref() {
                Some(source) if source.is::<rustls::Error>() => ErrorKind::Denied,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, format!("{host} does not speak TLS, or its certificate is not trusted"))
                .because(e)
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
