//! Which servers, and how to talk to them.

use std::fmt;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

use kv_core::{Clock, Error, ErrorKind, Result, StoreUrl};

/// The port that Memcached listens on unless told otherwise.
const PORT: u16 = 11_211;

/// How the connections are encrypted.
#[cfg(feature = "tls")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tls {
    /// The servers' certificates are signed by an authority that this system trusts.
    System,
    /// They are signed by an authority in this PEM file.
    Authority(PathBuf),
}

/// Which servers, and how to talk to them.
#[derive(Clone)]
#[non_exhaustive]
pub struct MemcachedConfig {
    /// Host and port of each server. Each key has one of them, chosen by hashing both.
    pub servers: Vec<(String, u16)>,
    /// Sets apart several users of the same servers. Default `larder`.
    pub namespace: String,
    /// User and password, where the servers were started with a login file.
    pub login: Option<(String, String)>,
    /// `None` sends everything in the clear.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// How long connecting may take, login included. Default 1 s.
    pub connect_timeout: Duration,
    /// How long a server may be silent while it owes an answer, beside what a slow network (2 Mbit/s) needs for the request.
    /// Default 2 s.
    pub response_timeout: Duration,
    /// Whose wall clock decides that an entry has expired.
    pub clock: Clock,
}

impl MemcachedConfig {
    /// These servers with all defaults.
    pub fn new(servers: impl IntoIterator<Item = (String, u16)>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            namespace: "larder".to_owned(),
            login: None,
            #[cfg(feature = "tls")]
            tls: None,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(2),
            clock: Clock::system(),
        }
    }

    /// What `memcached://host:port` or `memcached://user:password@a:11211,b:11211` asks for: with the feature `tls`
    /// also `tls=true` and `tls_ca=file`, and the reserved `namespace`.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        let servers = url.hosts().map(|(host, port)| (host.to_owned(), port.unwrap_or(PORT)));
        let mut config = Self::new(servers);
        if config.servers.is_empty() || url.hosts().count() != url.authority().split(',').count() {
            return Err(invalid(
                "no server: write `memcached://host:11211` or `memcached://a:11211,b:11211`",
            ));
        }
        if !matches!(url.path(), "" | "/") {
            return Err(invalid("`memcached` has no databases: leave out what stands behind the port"));
        }
        config.login = login(url)?;
        if let Some(namespace) = &url.reserved().namespace {
            config.namespace.clone_from(namespace);
        }
        #[cfg(feature = "tls")]
        {
            config.tls = tls(url.params())?;
        }
        url.params().finish()?;
        Ok(config)
    }
}

#[cfg(feature = "tls")]
fn tls(params: &mut kv_core::Params) -> Result<Option<Tls>> {
    let on = params.take_bool("tls")?;
    match (on, params.take("tls_ca")) {
        (Some(false), Some(_)) => {
            Err(invalid("`tls_ca` does nothing with `tls=false`: leave one of them out"))
        }
        (_, Some(file)) => Ok(Some(Tls::Authority(file.into()))),
        (Some(true), None) => Ok(Some(Tls::System)),
        (_, None) => Ok(None),
    }
}

fn login(url: &StoreUrl) -> Result<Option<(String, String)>> {
    match (url.user(), url.password()) {
        (None | Some(""), None) => Ok(None),
        // They are sent as one line with a space between.
        (Some(user), Some(password)) if !user.is_empty() => {
            let plain = |text: &str| !text.contains(['\r', '\n', '\0', ' ']);
            if !plain(user) || !plain(password) || user.contains(':') {
                return Err(invalid(
                    "user and password have no spaces and no line breaks, and a user no colon",
                ));
            }
            Ok(Some((user.to_owned(), password.to_owned())))
        }
        _ => Err(invalid("a login takes both a user and a password: write `memcached://user:password@host`")),
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

impl fmt::Debug for MemcachedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            servers,
            namespace,
            login,
            #[cfg(feature = "tls")]
            tls,
            connect_timeout,
            response_timeout,
            clock,
        } = self;
        let mut shown = f.debug_struct("MemcachedConfig");
        shown.field("servers", servers).field("namespace", namespace);
        shown.field("login", &login.as_ref().map(|(user, _)| user));
        #[cfg(feature = "tls")]
        shown.field("tls", tls);
        shown.field("connect_timeout", connect_timeout).field("response_timeout", response_timeout);
        shown.field("clock", clock).finish()
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{ErrorKind, StoreUrl};

    use super::MemcachedConfig;

    fn read(url: &str) -> kv_core::Result<MemcachedConfig> {
        MemcachedConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    #[test]
    fn servers_have_their_own_ports_or_the_usual_one() {
        let config = read("memcached://a:1,b,[::1]:3").unwrap();
        let servers = [("a", 1), ("b", 11_211), ("::1", 3)].map(|(host, port)| (host.to_owned(), port));
        assert_eq!(config.servers, servers);
        assert_eq!((config.namespace.as_str(), config.login), ("larder", None));
        assert_eq!(read("memcached://a/?namespace=n").unwrap().namespace, "n");
    }

    #[test]
    fn a_login_has_both_parts_and_the_password_is_never_shown() {
        let config = read("memcached://ann:s%40crt@a").unwrap();
        assert_eq!(config.login, Some(("ann".to_owned(), "s@crt".to_owned())));
        let shown = format!("{config:?}");
        assert!(shown.contains("ann") && !shown.contains("s@crt"), "{shown}");
        for url in
            ["memcached://ann@a", "memcached://:pw@a", "memcached://a%20b:pw@a", "memcached://a:p%20w@a"]
        {
            assert_eq!(read(url).unwrap_err().kind(), ErrorKind::Invalid, "{url}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in [
            "memcached://",
            "memcached://a/0",
            "memcached://a:b",
            "memcached://a?tsl=true",
            "memcached://a,,b",
        ] {
            assert_eq!(read(url).unwrap_err().kind(), ErrorKind::Invalid, "{url}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_the_systems_or_by_an_authority() {
        use super::Tls;

        assert_eq!(read("memcached://a").unwrap().tls, None);
        assert_eq!(read("memcached://a?tls=true").unwrap().tls, Some(Tls::System));
        let authority = Some(Tls::Authority("/ca.pem".into()));
        assert_eq!(read("memcached://a?tls_ca=/ca.pem").unwrap().tls, authority);
        assert_eq!(read("memcached://a?tls_ca=/ca.pem&tls=false").unwrap_err().kind(), ErrorKind::Invalid);
    }
}
