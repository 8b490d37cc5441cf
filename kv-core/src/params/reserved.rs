//! The parameters that every URL may carry: they are cut out before a backend reads its own.

use std::path::PathBuf;
use std::time::Duration;

use super::{Params, invalid};
use crate::{Codec, Result, ttl};

/// How a URL asks for encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// `encrypt=aead`: the faster and smaller one.
    Aead,
    /// `encrypt=fernet`: readable by Python's `cryptography.fernet`.
    Fernet,
}

/// How a URL asks for compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// `compress=zstd`.
    Zstd,
}

/// What a URL says of how values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// `codec=json`, `codec=cbor`: as collections write them.
    As(Codec),
    /// `codec=py-key-value`: as Python's py-key-value-aio writes them, to be read alone.
    PyKeyValue,
}

/// The parameters that mean the same on every URL. What was not given is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reserved {
    /// The namespace; keys of different namespaces never meet. Backends default to `larder`.
    pub namespace: Option<String>,
    /// Collections are prefixed with this.
    pub prefix: Option<String>,
    /// Values are encrypted.
    pub encrypt: Option<Encryption>,
    /// Where the key stands if `LARDER_KEY` is not set.
    pub key_file: Option<PathBuf>,
    /// Values are compressed.
    pub compress: Option<Compression>,
    /// How values are written.
    pub codec: Option<Written>,
    /// What an entry without ttl gets.
    pub ttl: Option<Duration>,
    /// How long copies of what is read are used in this process.
    pub near: Option<Duration>,
    /// How long one try may take; zero turns the limit off.
    pub timeout: Option<Duration>,
    /// How many tries an operation has; 0 turns repeating off.
    pub retry: Option<u64>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
}

const WRITTEN: &[(&str, Written)] = &[
    ("json", Written::As(Codec::Json)),
    ("cbor", Written::As(Codec::Cbor)),
    ("py-key-value", Written::PyKeyValue),
];

impl Reserved {
    /// The names, in the order of the fields.
    pub const NAMES: &'static [&'static str] = &[
        "namespace",
        "prefix",
        "encrypt",
        "key_file",
        "compress",
        "codec",
        "ttl",
        "near",
        "timeout",
        "retry",
        "password_env",
        "password_file",
    ];

    pub(crate) fn cut_from(params: &mut Params) -> Result<Self> {
        let reserved = Self {
            namespace: params.take("namespace"),
            prefix: params.take("prefix"),
            encrypt: params
                .take_choice("encrypt", &[("aead", Encryption::Aead), ("fernet", Encryption::Fernet)])?,
            key_file: params.take("key_file").map(PathBuf::from),
            compress: params.take_choice("compress", &[("zstd", Compression::Zstd)])?,
            codec: params.take_choice("codec", WRITTEN)?,
            ttl: params.take_duration("ttl")?,
            near: params.take_duration("near")?,
            timeout: params.take_duration("timeout")?,
            retry: params.take_u64("retry")?,
            password_env: params.take("password_env"),
            password_file: params.take("password_file").map(PathBuf::from),
        };
        params.known.clear(); // the backend's own come first among the known; these are known anyway
        reserved.checked()
    }

    fn checked(self) -> Result<Self> {
        if ttl::checked_ttl(self.ttl).is_err() {
            return Err(invalid(
                "the parameter `ttl` must be between 1ms and 100 years; leave it out for no ttl",
            ));
        }
        if self.password_env.is_some() && self.password_file.is_some() {
            return Err(invalid("give either `password_env` or `password_file`, not both"));
        }
        Ok(self)
    }
}
