//! Encryption of the connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kv_core::{Params, Result};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::invalid;

/// Encryption of the connection: whom to trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// The authorities to trust, in PEM; `None` trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// Our certificate chain and private key, in PEM, for servers that ask who connects.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    pub(super) fn from_params(params: &mut Params, secure: bool) -> Result<Option<Self>> {
        let asked = params.take_bool("tls")?;
        let mut file = |name| params.take(name).map(PathBuf::from);
        let (ca_file, cert, key) = (file("tls_ca"), file("tls_cert"), file("tls_key"));
        if secure && asked == Some(false) {
            return Err(invalid("the scheme asks for TLS and `tls=false` does not: choose one"));
        }
        if !(secure || asked == Some(true)) {
            if ca_file.is_some() || cert.is_some() || key.is_some() {
                return Err(invalid("`tls_ca`, `tls_cert` and `tls_key` need `rediss://` or `tls=true`"));
            }
            return Ok(None);
        }
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(invalid("`tls_cert` and `tls_key` come together")),
        };
        Ok(Some(Self { ca_file, identity }))
    }

    /// What rustls needs; reads the files.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|cause| invalid("no version of TLS is available").because(cause))?
            .with_root_certificates(self.roots()?);
        let client = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let key_file = PrivateKeyDer::from_pem_file(key)
                    .map_err(|cause| invalid("the file of `tls_key` holds no private key").because(cause))?;
                builder
                    .with_client_auth_cert(certificates(cert, "tls_cert")?, key_file)
                    .map_err(|cause| invalid("`tls_cert` and `tls_key` do not fit").because(cause))?
            }
        };
        Ok(Arc::new(client))
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                for certificate in certificates(file, "tls_ca")? {
                    roots.add(certificate).map_err(|cause| {
                        invalid("`tls_ca` holds a certificate that is none").because(cause)
                    })?;
                }
            }
            None => {
                // Some of a system's certificates are often unreadable or outdated; the others do.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(invalid("this system trusts no authority: name a file with `tls_ca`"));
        }
        Ok(roots)
    }
}

fn certificates(file: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |cause| invalid(format!("the file of `{parameter}` cannot be read")).because(cause);
    let all = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(unreadable)?;
    if all.is_empty() {
        return Err(invalid(format!("the file of `{parameter}` holds no certificate")));
    }
    Ok(all)
}
