//! Where the cluster is, who asks, and which index to use.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kv_core::{Clock, Error, ErrorKind, Result, StoreUrl};

/// The port of both products.
const PORT: u16 = 9_200;
/// The longest namespace: it is part of every document.
const MAX_NAMESPACE: usize = 1_000;
/// What the servers allow for the name of an index.
const MAX_INDEX: usize = 255;

/// Who asks. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// A user and a password, sent as HTTP basic authentication.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// An API key of Elasticsearch, as the server handed it out (`encoded`).
    ApiKey(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { user: _, password: _ } => "Basic(***)",
            Self::ApiKey(_) => "ApiKey(***)",
        })
    }
}

/// Where the cluster is, who asks, and which index to use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ElasticConfig {
    /// Nodes of one cluster, as `name:port`. The first that can be reached is used; others stand in for it, and for one that
    /// is silent.
    pub hosts: Vec<String>,
    /// The index that holds the entries of all namespaces, and nothing else. Default `larder`.
    pub index: String,
    /// Sets apart users of one index. Default `larder`; at most 1,000 bytes.
    pub namespace: String,
    /// Whether to speak HTTPS. Default false.
    pub tls: bool,
    /// PEM file of the authority that signed the server's certificate, to be trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who asks.
    pub credentials: Credentials,
    /// Whether a missing index is created. Default true.
    pub create: bool,
    /// The longest body that the server takes, in bytes; `None` asks the server (10 MiB if it does not tell).
    pub body_limit: Option<u64>,
    /// How long to wait for one answer. Default 30 s; the wrapper `timeout` sets shorter limits.
    pub patience: Duration,
    /// How long opening may take, all that is asked included; to make a missing index takes its own time, each answer up to
    /// `patience`. Default 5 s.
    pub open_timeout: Duration,
    /// How often expired entries are deleted. Default 1 min; zero leaves that to others.
    pub reap_every: Duration,
    /// How long an entry has to be expired to be deleted, so that a caller whose clock is behind still finds it.
    /// Default 1 min.
    pub reap_after: Duration,
    /// Whose wall clock decides that an entry has expired.
    pub clock: Clock,
}

impl ElasticConfig {
    /// The index `larder` of the cluster at these hosts, with all defaults.
    pub fn new(hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            hosts: hosts.into_iter().map(Into::into).collect(),
            index: "larder".to_owned(),
            namespace: "larder".to_owned(),
            tls: false,
            ca_file: None,
            credentials: Credentials::None,
            create: true,
            body_limit: None,
            patience: Duration::from_secs(30),
            open_timeout: Duration::from_secs(5),
            reap_every: Duration::from_secs(60),
            reap_after: Duration::from_secs(60),
            clock: Clock::system(),
        }
    }

    /// What `elasticsearch://user:password@host:9200,host/index` or `opensearch://..` asks for: `tls=true`,
    /// `ca_file=`, `api_key=`, `create=false`, `body_limit=`, `reap_every=`, and the reserved `namespace`.
    ///
    /// A password without a user is an API key, so `password_env` and `password_file` can name one.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        let mut config = Self::new(hosts(url)?);
        if let Some(index) = index(url.path())? {
            config.index = index;
        }
        if let Some(namespace) = &url.reserved().namespace {
            config.namespace.clone_from(namespace);
        }
        config.credentials = credentials(url)?;
        let params = url.params();
        config.tls = params.take_bool("tls")?.unwrap_or(config.tls);
        config.ca_file = params.take("ca_file").map(PathBuf::from);
        config.create = params.take_bool("create")?.unwrap_or(config.create);
        config.body_limit = params.take_bytes("body_limit")?;
        config.reap_every = params.take_duration("reap_every")?.unwrap_or(config.reap_every);
        params.finish()?;
        config.check()?;
        Ok(config)
    }

    /// # Errors
    /// `Invalid` for what no server could be asked with.
    pub(crate) fn check(&self) -> Result<()> {
        if self.hosts.is_empty() {
            return Err(invalid("no host: write for example `opensearch://localhost:9200/index`"));
        }
        if self.namespace.len() > MAX_NAMESPACE {
            return Err(invalid("a namespace has at most 1,000 bytes here"));
        }
        if self.ca_file.is_some() && !self.tls {
            return Err(invalid("`ca_file` means nothing without `tls=true`"));
        }
        if self.body_limit.is_some_and(|limit| limit < 64 << 10) {
            return Err(invalid("`body_limit` must be at least 64KiB"));
        }
        check_index(&self.index)
    }
}

fn hosts(url: &StoreUrl) -> Result<Vec<String>> {
    let shown = |(host, port): (&str, Option<u16>)| {
        let port = port.unwrap_or(PORT);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    };
    let hosts: Vec<_> = url.hosts().map(shown).collect();
    if hosts.is_empty() {
        return Err(invalid(format!("no host: write for example `{}://localhost:9200/index`", url.scheme())));
    }
    Ok(hosts)
}

/// The index that the path names, if it names one.
fn index(path: &str) -> Result<Option<String>> {
    let name = path.strip_prefix('/').unwrap_or(path);
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() {
        return Ok(None);
    }
    check_index(name)?;
    Ok(Some(name.to_owned()))
}

/// What both products accept, less what would have to be escaped in a path.
fn check_index(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins_well && name.chars().all(plain) && name.len() <= MAX_INDEX {
        return Ok(());
    }
    Err(invalid(
        "the name of an index has up to 255 lower-case letters, digits, `-`, `_` and `.`, a letter or digit first",
    ))
}

fn credentials(url: &mut StoreUrl) -> Result<Credentials> {
    let api_key = url.params().take("api_key");
    let user = url.user().map(str::to_owned);
    let password = url.password().map(str::to_owned);
    match (user, password, api_key) {
        (None, None, None) => Ok(Credentials::None),
        (Some(user), Some(password), None) => Ok(Credentials::Basic { user, password }),
        (None, Some(key), None) | (None, None, Some(key)) => Ok(Credentials::ApiKey(key)),
        (Some(_), None, None) => Err(invalid("a user needs a password: write `user:password@host`")),
        (_, _, Some(_)) => Err(invalid("give either a user and a password or `api_key`, not both")),
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{ErrorKind, StoreUrl};

    use super::{Credentials, ElasticConfig};

    fn read(url: &str) -> kv_core::Result<ElasticConfig> {
        ElasticConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    #[test]
    fn a_url_without_parameters_means_the_defaults() {
        let config = read("elasticsearch://db").unwrap();
        assert_eq!((config.hosts, config.index.as_str()), (vec!["db:9200".to_owned()], "larder"));
        assert_eq!((config.tls, config.create, config.body_limit), (false, true, None));
        assert_eq!(config.credentials, Credentials::None);
        assert_eq!((config.namespace.as_str(), config.reap_every), ("larder", Duration::from_secs(60)));
    }

    #[test]
    fn every_parameter_is_read() {
        let config = read(
            "opensearch://ann:s%40crt@a:1,[::1],b/my-index/?tls=true&ca_file=/ca.pem&create=false&body_limit=5MiB\
             &reap_every=5m&namespace=n",
        )
        .unwrap();
        assert_eq!(config.hosts, ["a:1", "[::1]:9200", "b:9200"]);
        assert_eq!((config.index.as_str(), config.namespace.as_str()), ("my-index", "n"));
        assert_eq!((config.tls, config.create, config.body_limit), (true, false, Some(5 << 20)));
        assert_eq!(config.ca_file.as_deref(), Some("/ca.pem".as_ref()));
        assert_eq!(config.reap_every, Duration::from_secs(300));
        let ann = Credentials::Basic { user: "ann".to_owned(), password: "s@crt".to_owned() };
        assert_eq!(config.credentials, ann);
    }

    #[test]
    fn a_password_without_a_user_is_an_api_key() {
        for url in ["elasticsearch://:a2V5@db", "elasticsearch://db?api_key=a2V5"] {
            assert_eq!(read(url).unwrap().credentials, Credentials::ApiKey("a2V5".to_owned()), "{url}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in [
            "elasticsearch:///index",
            "elasticsearch://db/Upper",
            "elasticsearch://db/a/b",
            "elasticsearch://db/_all",
            "elasticsearch://db/a*",
            "elasticsearch://user@db",
            "elasticsearch://user:pw@db?api_key=k",
            "elasticsearch://db?ca_file=/ca.pem",
            "elasticsearch://db?tls=yes",
            "elasticsearch://db?body_limit=1KiB",
            "elasticsearch://db?indices=a",
        ] {
            assert_eq!(read(url).unwrap_err().kind(), ErrorKind::Invalid, "{url}");
        }
        let long = format!("elasticsearch://db?namespace={}", "n".repeat(1_001));
        assert_eq!(read(&long).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn debug_shows_no_secret() {
        for url in ["elasticsearch://ann:hunter2@db", "elasticsearch://:hunter2@db"] {
            let shown = format!("{:?}", read(url).unwrap());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
