//! The store that a command works on.

use std::ffi::OsString;
use std::path::PathBuf;

use kv_core::{AnyStore, ErrorKind, RedactedUrl, Reserved, StoreUrl};
use larder::encrypt::KeyRing;
use larder::platform::{self, Os, Platform, System};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::Failure;

/// The program's name among the user's data.
const APP: &str = "larder";

/// The schemes of the feature `full`.
const FULL: [&str; 4] = ["dynamodb", "mongodb", "mongodb+srv", "rocksdb"];
const WITH_ALL: &str = "cargo install larder-cli --features full";

/// What stands unescaped in a path of ours.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The URL of the store that `larder serve` uses when it is given none: an encrypted directory among the user's data.
/// `what` names the flag or argument in errors.
///
/// # Errors
/// The user has no data directory.
pub(crate) fn default_url(what: &str) -> Result<String, Failure> {
    let dir = platform::data_dir(&System, APP).map_err(|error| {
        Failure::usage(format!("there is no place for the default store: {}", another(what))).because(error)
    })?;
    let dir = dir.join("store");
    let path = dir.to_str().ok_or_else(|| {
        Failure::usage(format!("{} is not UTF-8: {}, or set XDG_DATA_HOME", dir.display(), another(what)))
    })?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(format!("disk://{slash}{}?encrypt=aead", percent_encode(path.replace('\\', "/").as_bytes(), ESCAPED)))
}

fn another(what: &str) -> String {
    format!("give a URL such as disk:///var/lib/larder with {what}")
}

/// Where the key of a store in a directory stands if nothing else is said.
pub(crate) fn key_file(platform: &impl Platform) -> Option<PathBuf> {
    platform::key_file(platform, APP).ok()
}

/// The directory of a store of `disk`; `None` for every other store, and for what is no URL.
pub(crate) fn directory(url: &str) -> Option<PathBuf> {
    let url = StoreUrl::parse(url).ok()?;
    if url.scheme() == "disk" { url.directory().ok() } else { None }
}

/// Whether URLs begin so that this program opens, or would with the feature `full`.
pub(crate) fn is_scheme(name: &str) -> bool {
    larder::schemes().chain(FULL).any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether the store lies in a directory of this machine.
pub(crate) fn is_directory(url: &str) -> bool {
    StoreUrl::parse(url).is_ok_and(|url| matches!(url.scheme(), "disk" | "rocksdb"))
}

/// Opens `url`; `what` names the flag or argument in errors.
///
/// # Errors
/// As [`larder::open`], with what to do about it.
pub(crate) async fn open(url: &str, what: &str) -> Result<AnyStore, Failure> {
    platform::open(&Program, url).await.map_err(|error| failure(url, what, error))
}

/// As [`open`], for who reads: what is not there is not made.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_existing(url: &str, what: &str) -> Result<AnyStore, Failure> {
    platform::open_existing(&Program, url).await.map_err(|error| failure(url, what, error))
}

/// As [`open`], for who removes again what it puts: the store does not note by which key that is sealed.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_to_try(url: &str, what: &str) -> Result<AnyStore, Failure> {
    let opened = platform::diagnose(&Program, url).await;
    opened.map(|(store, _)| store).map_err(|error| failure(url, what, error))
}

/// The system, but that what a store has to tell goes to the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program;

impl Platform for Program {
    fn os(&self) -> Os {
        System.os()
    }

    fn var(&self, name: &str) -> Option<OsString> {
        System.var(name)
    }

    fn home(&self) -> Option<PathBuf> {
        System.home()
    }

    fn tell(&self, line: &str) {
        tracing::warn!(target: "larder", "{line}");
    }
}

pub(crate) fn failure(url: &str, what: &str, error: kv_core::Error) -> Failure {
    let message =
        format!("the store {} did not open ({})", RedactedUrl::new(url), advice(&Program, url, what, &error));
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Unsupported => Failure::usage(message).because(error),
        _ => Failure::new(message).because(error),
    }
}

/// What to change so that the store opens.
fn advice(platform: &impl Platform, url: &str, what: &str, error: &kv_core::Error) -> String {
    let Ok(parsed) = StoreUrl::parse(url) else { return format!("change {what}") };
    let Reserved { encrypt, key_file: named, password_env, password_file, .. } = parsed.reserved();
    match (error.operation(), error.kind()) {
        (Some(platform::FINDING_THE_KEY), _) if encrypt.is_some() => {
            let is_set =
                platform.var(KeyRing::ENV).is_some_and(|text| !text.to_string_lossy().trim().is_empty());
            match (is_set, named, key_file(platform).filter(|_| is_directory(url))) {
                (true, ..) => "change LARDER_KEY".to_owned(),
                (false, Some(_), _) => {
                    format!("see to the key file that `key_file` in {what} names, or set LARDER_KEY")
                }
                (false, None, Some(path)) => {
                    format!("see to the key file {}, or set LARDER_KEY", path.display())
                }
                (false, None, None) => "set LARDER_KEY".to_owned(),
            }
        }
        (_, ErrorKind::Denied) if password_env.is_some() => {
            format!("change {what}, or the variable that its `password_env` names")
        }
        (_, ErrorKind::Denied) if password_file.is_some() => {
            format!("change {what}, or the file that its `password_file` names")
        }
        _ if is_left_out(&parsed) => {
            format!("install the program with every backend: `{WITH_ALL}`; or change {what}")
        }
        _ => format!("change {what}"),
    }
}

/// Whether the scheme is one of those that take long to compile, and this program is without.
fn is_left_out(url: &StoreUrl) -> bool {
    FULL.contains(&url.scheme()) && !larder::schemes().any(|built| built == url.scheme())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    use kv_core::{Error, ErrorKind};
    use larder::platform::{FINDING_THE_KEY, Os, Platform};

    use super::{advice, directory, is_directory};

    /// A home, and perhaps a `LARDER_KEY`.
    struct Fake(Option<&'static str>);

    impl Platform for Fake {
        fn os(&self) -> Os {
            Os::Linux
        }

        fn var(&self, name: &str) -> Option<OsString> {
            self.0.filter(|_| name == "LARDER_KEY").map(OsString::from)
        }

        fn home(&self) -> Option<PathBuf> {
            Some("/home/ann".into())
        }

        fn tell(&self, _: &str) {}
    }

    #[test]
    fn what_is_to_be_changed_is_named() {
        let keyless = Error::new(ErrorKind::Invalid, "no key").during(FINDING_THE_KEY);
        let denied = Error::new(ErrorKind::Denied, "wrong password");
        for (variable, url, error, expected) in [
            (
                None,
                "disk:///a?encrypt=aead",
                &keyless,
                "/home/ann/.config/larder/larder.key, or set LARDER_KEY",
            ),
            (
                None,
                "disk:///a?encrypt=aead&key_file=/k",
                &keyless,
                "`key_file` in URL names, or set LARDER_KEY",
            ),
            (None, "redis://h?encrypt=aead", &keyless, "set LARDER_KEY"),
            (Some(" "), "redis://h?encrypt=aead", &keyless, "set LARDER_KEY"),
            (Some("oops"), "disk:///a?encrypt=aead", &keyless, "change LARDER_KEY"),
            (None, "disk:///a", &keyless, "change URL"),
            (
                None,
                "redis://h?password_env=PW",
                &denied,
                "change URL, or the variable that its `password_env` names",
            ),
            (None, "redis://:x@h", &denied, "change URL"),
            (None, "no url", &denied, "change URL"),
        ] {
            let told = advice(&Fake(variable), url, "URL", error);
            assert!(told.ends_with(expected), "{url}: {told}");
        }
    }

    #[test]
    fn only_a_store_on_disk_has_a_directory() {
        assert_eq!(directory("disk:///a%20b?encrypt=aead").as_deref(), Some(Path::new("/a b")));
        assert_eq!(directory("memory://"), None);
        assert_eq!(directory("no url"), None);
        assert!(is_directory("rocksdb:a") && is_directory("disk:a") && !is_directory("redis://a"));
    }
}
