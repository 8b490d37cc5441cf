//! Which server, as whom, and how.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kv_core::{Result, StoreUrl};

use crate::error::invalid;

mod tls;

pub use tls::Tls;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where the data lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// One server.
    Server {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// One server on this machine, by its Unix socket.
    Socket(PathBuf),
    /// A cluster: some of its nodes, from which the others are learnt.
    Cluster(Vec<(String, u16)>),
    /// Whichever server the sentinels call the master of a service.
    Sentinel {
        /// The sentinels, all asked at once; the first that knows the master is believed.
        sentinels: Vec<(String, u16)>,
        /// The name under which they watch the master.
        service: String,
    },
}

/// Which server, as whom, and how.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// Where the data lies.
    pub place: Place,
    /// The user; `None` is the server's default user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// The password of the sentinels, if they ask for one.
    pub sentinel_password: Option<String>,
    /// The number of the database; a cluster has only 0.
    pub database: u16,
    /// Sets apart several users of one database. Default `larder`.
    pub namespace: String,
    /// The strings that other programs wrote, instead of entries, and read-only: ids are whole keys of the database, all in
    /// the collection without a name, and lifetimes are not told. Default false.
    pub foreign: bool,
    /// Encryption of the connection; `None` is none.
    pub tls: Option<Tls>,
    /// A write is acknowledged once so many replicas have it, too. Default 0.
    pub wait: u8,
    /// How long the server may be silent while an answer is waited for: a long one takes as long as it keeps coming in.
    /// Default 1 s, and 4 s more for each MiB on the way to the server in requests of 4 KiB and more.
    pub response_timeout: Duration,
    /// How long connecting may take, each try. Default 1 s.
    pub connect_timeout: Duration,
}

impl RedisConfig {
    /// A store in `place` with all defaults.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            user: None,
            password: None,
            sentinel_password: None,
            database: 0,
            namespace: "larder".to_owned(),
            foreign: false,
            tls: None,
            wait: 0,
            response_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
        }
    }

    /// What a URL asks for: `redis://user:password@host:6379/0`, `rediss://` (TLS), `redis+unix:///path.sock?db=0`,
    /// `redis+cluster://a,b`, `redis+sentinel://a,b/service/0`; each with `valkey` for `redis`.
    ///
    /// Parameters: `wait`, `tls=true`, `tls_ca`, `tls_cert`, `tls_key` (files), `response_timeout`, `connect_timeout`,
    /// `sentinel_password_env`, and the reserved `namespace`.
    ///
    /// # Errors
    /// `Invalid`, naming the part or parameter and what to write.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        let (place, database, secure) = place(url)?;
        let mut config = Self::new(place);
        config.user = url.user().map(str::to_owned);
        config.password = url.password().map(str::to_owned);
        if let Some(namespace) = &url.reserved().namespace {
            config.namespace.clone_from(namespace);
        }
        let params = url.params();
        config.database = match params.take_u64("db")? {
            Some(number) if matches!(config.place, Place::Socket(_)) => database_number(&number.to_string())?,
            Some(_) => {
                return Err(invalid(
                    "`db` is for `redis+unix`: write the number of the database as the path",
                ));
            }
            None => database,
        };
        let wait = params.take_u64("wait")?.unwrap_or(0);
        config.wait = u8::try_from(wait).map_err(|_| invalid("`wait` is a number of replicas"))?;
        config.response_timeout =
            params.take_duration("response_timeout")?.unwrap_or(config.response_timeout);
        config.connect_timeout = params.take_duration("connect_timeout")?.unwrap_or(config.connect_timeout);
        config.tls = Tls::from_params(params, secure)?;
        let sentinel_password = params.take("sentinel_password_env");
        params.finish()?;
        config.sentinel_password = sentinel_password.map(|name| from_environment(&name)).transpose()?;
        config.checked()
    }

    /// Refuses what cannot work together.
    pub(crate) fn checked(self) -> Result<Self> {
        if self.response_timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(invalid("`response_timeout` and `connect_timeout` must be above zero"));
        }
        if matches!(self.place, Place::Cluster(_)) && self.database != 0 {
            return Err(invalid("a cluster has only the database 0"));
        }
        if matches!(self.place, Place::Socket(_)) && self.tls.is_some() {
            return Err(invalid("a socket of this machine needs no TLS"));
        }
        if self.sentinel_password.is_some() && !matches!(self.place, Place::Sentinel { .. }) {
            return Err(invalid("`sentinel_password_env` is for `redis+sentinel`"));
        }
        if self.user.is_some() && self.password.is_none() {
            return Err(invalid("a user needs a password: write `user:password@`, or name `password_env`"));
        }
        Ok(self)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            user,
            password: _,
            sentinel_password: _,
            database,
            namespace,
            tls,
            wait,
            response_timeout,
            connect_timeout,
            foreign,
        } = self;
        f.debug_struct("RedisConfig")
            .field("place", place)
            .field("user", user)
            .field("database", database)
            .field("namespace", namespace)
            .field("tls", tls)
            .field("wait", wait)
            .field("response_timeout", response_timeout)
            .field("connect_timeout", connect_timeout)
            .field("foreign", foreign)
            .finish_non_exhaustive()
    }
}

/// The place, the database's number, and whether the scheme asks for TLS.
fn place(url: &StoreUrl) -> Result<(Place, u16, bool)> {
    let scheme = url.scheme();
    let (family, kind) = scheme.split_once('+').map_or((scheme, ""), |(family, kind)| (family, kind));
    let secure = matches!(family, "rediss" | "valkeys");
    let (place, database) = match kind {
        "" => (one_server(url)?, database_of_path(url.path())?),
        "unix" => (socket(url)?, 0),
        "cluster" => (Place::Cluster(hosts(url, PORT)?), database_of_path(url.path())?),
        "sentinel" => sentinel(url)?,
        _ => return Err(invalid(format!("unknown scheme `{scheme}`"))),
    };
    Ok((place, database, secure))
}

fn one_server(url: &StoreUrl) -> Result<Place> {
    let mut hosts = hosts(url, PORT)?;
    match (hosts.pop(), hosts.is_empty()) {
        (Some((host, port)), true) => Ok(Place::Server { host, port }),
        _ => Err(invalid(
            "several hosts are a cluster (`redis+cluster://`) or sentinels (`redis+sentinel://`)",
        )),
    }
}

fn socket(url: &StoreUrl) -> Result<Place> {
    if !url.authority().is_empty() || !url.path().starts_with('/') {
        return Err(invalid("write `redis+unix:///path/to/redis.sock?db=0`"));
    }
    if url.path().split_once(':').is_some_and(|(_, behind)| behind.contains('@')) {
        // It would be shown wherever the path is.
        return Err(invalid(
            "a password stands before the path: write `redis+unix://user:password@/path/to/redis.sock`",
        ));
    }
    Ok(Place::Socket(PathBuf::from(url.path())))
}

fn sentinel(url: &StoreUrl) -> Result<(Place, u16)> {
    let path = url.path().trim_start_matches('/');
    let (service, database) = path.split_once('/').unwrap_or((path, ""));
    if service.is_empty() {
        return Err(invalid("write `redis+sentinel://host:26379,host:26379/service/0`"));
    }
    let place = Place::Sentinel { sentinels: hosts(url, SENTINEL_PORT)?, service: service.to_owned() };
    Ok((place, database_of_path(database)?))
}

fn hosts(url: &StoreUrl, port: u16) -> Result<Vec<(String, u16)>> {
    let hosts: Vec<_> = url.hosts().map(|(host, own)| (host.to_owned(), own.unwrap_or(port))).collect();
    if hosts.is_empty() || hosts.iter().any(|(host, _)| host.is_empty()) {
        return Err(invalid("no host: write for example `redis://localhost:6379/0`"));
    }
    Ok(hosts)
}

fn database_of_path(path: &str) -> Result<u16> {
    match path.trim_start_matches('/') {
        "" => Ok(0),
        number => database_number(number),
    }
}

fn database_number(text: &str) -> Result<u16> {
    text.parse().map_err(|_| invalid("the database is a number, 0 if it is left out"))
}

fn from_environment(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| invalid("the variable that `sentinel_password_env` names is not set"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{ErrorKind, StoreUrl};

    use super::{Place, RedisConfig};

    fn read(url: &str) -> kv_core::Result<RedisConfig> {
        RedisConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    fn server(host: &str, port: u16) -> Place {
        Place::Server { host: host.to_owned(), port }
    }

    #[test]
    fn one_server_in_all_spellings() {
        let config =
            read("redis://ann:p%40ss@db.example:6380/3?namespace=app&wait=1&response_timeout=5s").unwrap();
        assert_eq!((&config.place, config.database), (&server("db.example", 6380), 3));
        assert_eq!((config.user.as_deref(), config.password.as_deref()), (Some("ann"), Some("p@ss")));
        assert_eq!((config.namespace.as_str(), config.wait, config.tls), ("app", 1, None));
        assert_eq!(config.response_timeout, Duration::from_secs(5));
        for url in ["redis://h", "valkey://h/", "redis://h:6379/0"] {
            assert_eq!(
                (read(url).unwrap().place, read(url).unwrap().database),
                (server("h", 6379), 0),
                "{url}"
            );
        }
        assert_eq!(read("redis://[::1]:7000").unwrap().place, server("::1", 7000));
        assert_eq!(read("redis://:pw@h").unwrap().password.as_deref(), Some("pw"));
    }

    #[test]
    fn tls_by_scheme_or_parameter() {
        for url in [
            "rediss://h",
            "valkeys://h",
            "redis://h?tls=true",
            "redis+cluster://h?tls=true",
            "rediss+cluster://h",
        ] {
            assert!(read(url).unwrap().tls.is_some(), "{url}");
        }
        let tls = read("rediss://h?tls_ca=/ca.pem&tls_cert=/c.pem&tls_key=/k.pem").unwrap().tls.unwrap();
        assert_eq!(tls.ca_file.as_deref(), Some(std::path::Path::new("/ca.pem")));
        assert!(tls.identity.is_some());
    }

    #[test]
    fn sockets_clusters_and_sentinels() {
        let config = read("redis+unix:///run/redis.sock?db=2").unwrap();
        assert_eq!((config.place, config.database), (Place::Socket("/run/redis.sock".into()), 2));
        let nodes = vec![("a".to_owned(), 7000), ("b".to_owned(), 6379)];
        assert_eq!(read("redis+cluster://a:7000,b").unwrap().place, Place::Cluster(nodes.clone()));
        assert_eq!(read("valkey+cluster://a:7000,b/0").unwrap().place, Place::Cluster(nodes));
        let config = read("redis+sentinel://:pw@a,b:5000/main/4").unwrap();
        let sentinels = vec![("a".to_owned(), 26379), ("b".to_owned(), 5000)];
        assert_eq!(config.place, Place::Sentinel { sentinels, service: "main".to_owned() });
        assert_eq!((config.database, config.password.as_deref()), (4, Some("pw")));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in [
            "redis://",
            "redis://a,b",
            "redis://h/x",
            "redis://h/70000",
            "redis://h?wait=x",
            "redis://h?wait=1000",
            "redis://h?db=1",
            "redis://h?pool=3",
            "redis://h?response_timeout=0",
            "redis://h?tls=false&tls_ca=/x",
            "redis://h?tls_ca=/x",
            "rediss://h?tls=false",
            "rediss://h?tls_cert=/x",
            "redis://ann@h",
            "redis+unix://h/p",
            "redis+unix:rel",
            "redis+unix:///:hunter2@/run/redis.sock",
            "redis+cluster://a/1",
            "redis+sentinel://a",
            "redis+sentinel://a/s/x",
            "redis+foo://a",
            "redis+unix:///s?tls=true",
            "redis://h?sentinel_password_env=HOME",
        ] {
            assert_eq!(read(url).unwrap_err().kind(), ErrorKind::Invalid, "{url}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let config = read("redis://ann:hunter2@h").unwrap();
        assert!(!format!("{config:?} {config:#?}").contains("hunter2"));
    }
}
