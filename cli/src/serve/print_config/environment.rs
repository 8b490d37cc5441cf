//! What a server needs of the environment that it is set up in. Clients hand on little of their own, and none of this.

use std::path::Path;

use kv_core::{Encryption, Reserved, StoreUrl};
use larder::encrypt::KeyRing;
use larder::platform::{Os, Platform};
use serde_json::{Map, Value};

use super::super::ServeSettings;
use crate::url_argument::UrlArgument;
use crate::{Failure, store};

const URL_INSTEAD: &str = ", or write it into a file of mode 0600 and give --store @FILE";
const KEY_INSTEAD: &str = ", or write it into a file of mode 0600 and give `key_file=` in the URL of --store";
const PASSWORD_INSTEAD: &str =
    ", or write it into a file of mode 0600 and give `password_file=` in the URL of --store";

/// Variables for the server that a client starts, and what is to be said of those that are not shown.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) variables: Map<String, Value>,
    pub(super) notes: Vec<String>,
}

impl Environment {
    /// What a server with this store takes from this platform; without, it is the default one. Its other settings are
    /// arguments.
    ///
    /// # Errors
    /// A variable that the server needs is not UTF-8, and no configuration could hold it.
    pub(super) fn of(platform: &impl Platform, argument: Option<&UrlArgument>) -> Result<Self, Failure> {
        let mut found = Self::default();
        let store = match argument {
            None => Some(Needs::of_default()),
            Some(argument) => Needs::of(argument),
        };
        if let Some(name) = argument.and_then(UrlArgument::variable) {
            found.url(platform, name);
        }
        let Some(store) = store else { return Ok(found) };
        if platform.os() == Os::Linux && store.is_default {
            found.directory(platform, "XDG_DATA_HOME")?;
        }
        let has_key = store.is_sealed() && found.key(platform, &store);
        if platform.os() == Os::Linux && store.is_sealed() && !has_key && store.finds_its_key() {
            found.directory(platform, "XDG_CONFIG_HOME")?;
        }
        if platform.os() != Os::Windows && store.is_directory {
            found.directory(platform, "XDG_RUNTIME_DIR")?; // where the socket lies of a path that is too long
        }
        if let Some(name) = &store.reserved.password_env {
            found.notes.push(secret(name_of_password(name), "password", PASSWORD_INSTEAD));
        }
        if let Some(name) = &store.sentinel_password_env {
            found.notes.push(secret(name_of_password(name), "sentinels' password", ""));
        }
        Ok(found)
    }

    /// A directory. One that is not absolute is ignored, here as there.
    fn directory(&mut self, platform: &impl Platform, name: &str) -> Result<(), Failure> {
        let Some(value) = platform.var(name).filter(|dir| Path::new(dir).is_absolute()) else {
            return Ok(());
        };
        let text = value
            .into_string()
            .map_err(|_| Failure::usage(format!("{name} is not UTF-8, and a configuration is: change it")))?;
        self.variables.insert(name.to_owned(), Value::String(text));
        Ok(())
    }

    /// The variable that holds the store's URL.
    fn url(&mut self, platform: &impl Platform, name: &str) {
        let url = platform.var(name).and_then(|url| url.into_string().ok());
        match url.filter(|url| url.parse().is_ok_and(|url: UrlArgument| url.is_showable())) {
            Some(url) => drop(self.variables.insert(name.to_owned(), Value::String(url))),
            None => self.notes.push(secret(name, "URL", URL_INSTEAD)),
        }
    }

    /// Whether the key is in the environment, which is said, and no more.
    fn key(&mut self, platform: &impl Platform, store: &Needs) -> bool {
        let given = platform.var(KeyRing::ENV).is_some_and(|key| !key.to_string_lossy().trim().is_empty());
        if given {
            let file = store::key_file(platform).filter(|_| store.finds_its_key());
            let instead = match file {
                Some(file) => {
                    format!(", or write it into {} (mode 0600): there the server looks", file.display())
                }
                None => KEY_INSTEAD.to_owned(),
            };
            self.notes.push(secret(KeyRing::ENV, "key", &instead));
        }
        given
    }
}

/// A password that stands where a name is wanted is not repeated: it seldom looks like one.
fn name_of_password(name: &str) -> &str {
    let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name { name } else { "***" }
}

fn secret(name: &str, what: &str, instead: &str) -> String {
    format!(
        "note: the store's {what} is in the variable {name}, which is not printed: a configuration lies in plain sight. \
         The server of the client needs it: add {name} to `env` there yourself{instead}"
    )
}

/// What a store takes from the environment.
struct Needs {
    is_default: bool,
    is_directory: bool,
    reserved: Reserved,
    /// The variable that holds the password for the sentinels of Redis.
    sentinel_password_env: Option<String>,
}

impl Needs {
    fn of_default() -> Self {
        let mut reserved = Reserved::default();
        reserved.encrypt = Some(Encryption::Aead);
        Self { is_default: true, is_directory: true, reserved, sentinel_password_env: None }
    }

    /// `None` where the URL cannot be read here, or is none: the server will say so.
    fn of(argument: &UrlArgument) -> Option<Self> {
        let text = argument.resolve(ServeSettings::STORE).ok()?;
        let mut url = StoreUrl::parse(&text).ok()?;
        let reserved = url.reserved().clone();
        let sentinel_password_env = url.params().take("sentinel_password_env");
        let is_directory = store::is_directory(&text);
        Some(Self { is_default: false, is_directory, reserved, sentinel_password_env })
    }

    fn is_sealed(&self) -> bool {
        self.reserved.encrypt.is_some()
    }

    /// Whether the key stands where the platform has it, unless the environment holds one.
    fn finds_its_key(&self) -> bool {
        self.is_directory && self.reserved.key_file.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use larder::platform::{Os, Platform};

    use super::{Environment, UrlArgument};

    /// A platform with every variable that matters.
    struct Fake(Os);

    const KEY: &str = "bm90IGEga2V5IGF0IGFsbCwgYnV0IGxvbmcgZW5vdWdo";

    impl Platform for Fake {
        fn os(&self) -> Os {
            self.0
        }

        fn var(&self, name: &str) -> Option<OsString> {
            let value = match name {
                "XDG_DATA_HOME" => "/x/data",
                "XDG_CONFIG_HOME" => "/x/config",
                "XDG_RUNTIME_DIR" => "/x/run",
                "LARDER_KEY" if self.0 != Os::Linux => KEY,
                _ => return None,
            };
            Some(value.into())
        }

        fn home(&self) -> Option<PathBuf> {
            Some("/home/ann".into())
        }

        fn tell(&self, _: &str) {}
    }

    fn found(os: Os, store: Option<&str>) -> Environment {
        let argument: Option<UrlArgument> = store.map(|store| store.parse().unwrap());
        Environment::of(&Fake(os), argument.as_ref()).unwrap()
    }

    fn names(found: &Environment) -> Vec<&str> {
        let mut names: Vec<_> = found.variables.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn each_store_is_given_what_it_takes_and_no_more() {
        for (store, expected) in [
            (None, &["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] as &[_]),
            (Some("disk:///srv/m"), &["XDG_RUNTIME_DIR"]),
            (Some("disk:///srv/m?encrypt=aead"), &["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"]),
            (Some("disk:///srv/m?encrypt=aead&key_file=/k"), &["XDG_RUNTIME_DIR"]),
            (Some("redis://host/0?encrypt=aead&key_file=/k"), &[]),
            (Some("memory://"), &[]),
        ] {
            let found = found(Os::Linux, store);
            assert_eq!((names(&found).as_slice(), found.notes.len()), (expected, 0), "{store:?}");
        }
    }

    #[test]
    fn a_password_in_place_of_a_name_is_not_repeated() {
        let found = found(Os::Linux, Some("redis://host/0?password_env=hunter2"));
        assert!(found.notes[0].contains("***") && !found.notes[0].contains("hunter2"), "{:?}", found.notes);
    }

    #[test]
    fn elsewhere_the_directories_of_xdg_say_nothing() {
        let (mac, windows) = (found(Os::MacOs, None), found(Os::Windows, None));
        assert_eq!((names(&mac), names(&windows)), (vec!["XDG_RUNTIME_DIR"], vec![]));
    }

    #[test]
    fn of_what_is_secret_the_name_is_told_and_where_it_may_stand_instead() {
        for (store, instead) in [
            (None, "larder.key"),
            (Some("disk:///srv/m?encrypt=aead&key_file=/k"), "key_file="),
            (Some("redis://host/0?encrypt=aead"), "key_file="),
            (Some("redis://host/0?password_env=PW"), "password_file="),
            (Some("redis+sentinel://a:1/service/0?sentinel_password_env=PW"), "sentinels"),
        ] {
            let found = found(Os::MacOs, store);
            let [note] = &found.notes[..] else { panic!("{store:?}: {:?}", found.notes) };
            assert!(note.contains(instead) && !note.contains(KEY), "{note}");
            assert!(note.contains("LARDER_KEY") || note.contains("PW"), "{note}");
        }
    }
}
