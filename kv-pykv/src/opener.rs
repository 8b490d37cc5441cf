//! Opens values that the library's `FernetEncryptionWrapper` sealed.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kv_core::{Error, ErrorKind, Result};
use serde::Deserialize;

type Decrypt = dyn Fn(&[u8]) -> Result<Bytes> + Send + Sync;

/// Whether values are sealed, and what decrypts them. Cheap to clone.
#[derive(Clone)]
pub struct Opener(Option<Arc<Decrypt>>);

/// What the wrapper stores in the place of a value.
#[derive(Deserialize)]
struct Sealed<'a> {
    #[serde(rename = "__encrypted_data__", borrow)]
    data: Option<&'a str>,
    #[serde(rename = "__encryption_version__")]
    version: Option<u32>,
}

const VERSION: u32 = 1;

impl Opener {
    /// Values stand in the clear. One that is sealed is `Denied`, since it cannot be read without a key.
    pub const fn plain() -> Self {
        Self(None)
    }

    /// Values are sealed; `decrypt` gives what a Fernet token holds. One in the clear is `Corrupt`: who can write the
    /// store could have planted it.
    pub fn fernet(decrypt: impl Fn(&[u8]) -> Result<Bytes> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(decrypt)))
    }

    /// The JSON text of a value as it was put.
    pub(crate) fn open(&self, value: Bytes) -> Result<Bytes> {
        let sealed: Option<Sealed<'_>> = serde_json::from_slice(&value).ok();
        let data = sealed.as_ref().and_then(|sealed| sealed.data);
        let Some(decrypt) = &self.0 else {
            return if data.is_none() {
                Ok(value)
            } else {
                Err(Error::new(ErrorKind::Denied, "the value is sealed: add `encrypt=fernet` and its key"))
            };
        };
        let data = data.ok_or_else(|| corrupt("the value is not sealed, and all are said to be"))?;
        if sealed.and_then(|sealed| sealed.version).is_none_or(|version| version > VERSION) {
            return Err(corrupt("the seal is of no version that is known"));
        }
        let token = STANDARD.decode(data).map_err(|_| corrupt("the sealed value is not base64"))?;
        decrypt(&token)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Opener(fernet)" } else { "Opener(plain)" })
    }
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kv_core::ErrorKind;

    use super::Opener;

    const SEALED: &[u8] = br#"{"__encrypted_data__": "dG9rZW4=", "__encryption_version__": 1}"#;

    fn upper() -> Opener {
        Opener::fernet(|token| Ok(token.to_ascii_uppercase().into()))
    }

    #[test]
    fn a_sealed_value_is_opened_and_nothing_else() {
        assert_eq!(upper().open(Bytes::from_static(SEALED)).unwrap(), "TOKEN");
        for planted in [
            r#"{"admin": true}"#,
            r#"{"__encrypted_data__": "dG9rZW4="}"#,
            r#"{"__encrypted_data__": "dG9rZW4=", "__encryption_version__": 2}"#,
            r#"{"__encrypted_data__": "%", "__encryption_version__": 1}"#,
            r#"{"__encrypted_data__": 7, "__encryption_version__": 1}"#,
        ] {
            assert_eq!(upper().open(planted.into()).unwrap_err().kind(), ErrorKind::Corrupt, "{planted}");
        }
    }

    #[test]
    fn without_a_key_what_is_sealed_is_not_handed_out_as_a_value() {
        assert_eq!(Opener::plain().open("{}".into()).unwrap(), "{}");
        assert_eq!(Opener::plain().open(Bytes::from_static(SEALED)).unwrap_err().kind(), ErrorKind::Denied);
    }
}
