//! Which servers, which collection, and how to talk to them.

use std::fmt;
use std::time::Duration;

use kv_core::{Clock, Error, ErrorKind, Result, StoreUrl};
use mongodb::options::{Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern};

use crate::address::Address;

const DEFAULT_NAME: &str = "larder";

/// How long a write waits for a majority to have it, unless `wtimeoutMS` says otherwise.
const MAJORITY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long opening may take, but for the index, unless the URL allows a try more.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Which servers, which collection, and how to talk to them.
#[derive(Clone)]
#[non_exhaustive]
pub struct MongoConfig {
    address: Address,
    /// The database. Default `larder`.
    pub database: String,
    /// The collection, made on demand. All entries are in this one. Default `larder`.
    pub collection: String,
    /// Whether a missing collection is made, with its index. Default true.
    pub create: bool,
    /// Sets apart several users of one collection. Default `larder`.
    pub namespace: String,
    /// How long an operation waits for a server that takes it, unless the URL says `serverSelectionTimeoutMS`.
    /// Default 1.5 s.
    pub patience: Duration,
    /// How long opening may take, but for the index: to make a missing one takes its own time, 30 s and `wtimeoutMS` at most.
    /// Default 10 s, or the URL's `timeout` if that is longer.
    pub open_timeout: Duration,
    /// The wall clock that decides that an entry has expired. `None` is the server's, unless it cannot be asked.
    pub clock: Option<Clock>,
}

impl MongoConfig {
    /// The servers of `url`, with all defaults beside what it says: see [`MongoConfig::from_url`].
    ///
    /// # Errors
    /// As [`MongoConfig::from_url`].
    pub fn new(url: &str) -> Result<Self> {
        Self::from_url(&mut StoreUrl::parse(url)?)
    }

    /// What `mongodb://user:password@a:27017,b:27017/database` or `mongodb+srv://host/database` asks for: `collection`,
    /// the reserved `namespace`, and the driver's own parameters, which are handed on.
    ///
    /// # Errors
    /// `Invalid`, saying what to write. What only the driver can judge is judged at open.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        if url.authority().is_empty() {
            return Err(invalid("no server: write `mongodb://host:27017/database`"));
        }
        let database = match url.path().strip_prefix('/') {
            None | Some("") => DEFAULT_NAME.to_owned(),
            Some(name) => checked(name, "database")?,
        };
        let collection = match url.params().take("collection") {
            None => DEFAULT_NAME.to_owned(),
            Some(name) => checked(&name, "collection")?,
        };
        let namespace = url.reserved().namespace.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
        Ok(Self {
            address: Address::rest_of(url),
            database,
            collection,
            create: true,
            namespace,
            patience: Duration::from_millis(1_500),
            open_timeout: OPEN_TIMEOUT.max(url.reserved().timeout.unwrap_or_default()),
            clock: None,
        })
    }

    /// What the driver needs to know. A name of an `mongodb+srv` URL is looked up.
    pub(crate) async fn options(&self) -> Result<ClientOptions> {
        let mut options = self.address.options().await?;
        check(&options)?;
        options.app_name.get_or_insert_with(|| DEFAULT_NAME.to_owned());
        options.server_selection_timeout.get_or_insert(self.patience);
        options.connect_timeout.get_or_insert(Duration::from_secs(2));
        options.max_pool_size.get_or_insert(32);
        options.write_concern = Some(write_concern(options.write_concern.as_ref()));
        Ok(options)
    }
}

/// Refuses what would break the contract: reads of old data, and writes that are acknowledged too early.
fn check(options: &ClientOptions) -> Result<()> {
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    if options.selection_criteria.as_ref().is_some_and(|criteria| *criteria != primary) {
        return Err(invalid("the store reads from the primary: leave out `readPreference`"));
    }
    if options.read_concern.is_some() {
        return Err(invalid("the store chooses the read concern itself: leave out `readConcernLevel`"));
    }
    let concern = options.write_concern.as_ref();
    let is_weak = |concern: &WriteConcern| {
        concern.journal == Some(false) || concern.w.as_ref().is_some_and(|w| *w != Acknowledgment::Majority)
    };
    if concern.is_some_and(is_weak) {
        return Err(invalid("the store waits until a majority has a write: leave out `w` and `journal`"));
    }
    Ok(())
}

fn write_concern(given: Option<&WriteConcern>) -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern.w_timeout = given.and_then(|given| given.w_timeout).or(Some(MAJORITY_TIMEOUT));
    concern
}

/// MongoDB's own limits for names of databases and collections, the stricter of both.
fn checked(name: &str, what: &str) -> Result<String> {
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || "/\\\"$*<>:|?".contains(c);
    if name.is_empty() || name.len() > 63 || name.contains(is_bad) || name.starts_with("system.") {
        let message = format!(
            "the {what} must be 1 to 63 bytes, none of them a space, `/`, `\\`, `\"`, `$`, `*`, `<`, `>`, `:`, `|` or `?`"
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(name.to_owned())
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, database, collection, create, namespace, patience, open_timeout, clock } = self;
        f.debug_struct("MongoConfig")
            .field("address", address)
            .field("database", database)
            .field("collection", collection)
            .field("create", create)
            .field("namespace", namespace)
            .field("patience", patience)
            .field("open_timeout", open_timeout)
            .field("clock", clock)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{ErrorKind, StoreUrl};
    use mongodb::options::Acknowledgment;

    use super::MongoConfig;

    fn read(url: &str) -> kv_core::Result<MongoConfig> {
        MongoConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    #[tokio::test]
    async fn a_url_without_parameters_means_the_defaults() {
        let config = read("mongodb://localhost").unwrap();
        let names = [&config.database, &config.collection, &config.namespace];
        assert_eq!(names, ["larder"; 3]);
        let options = config.options().await.unwrap();
        assert_eq!(options.server_selection_timeout, Some(Duration::from_millis(1_500)));
        assert_eq!(config.open_timeout, Duration::from_secs(10));
        assert_eq!(read("mongodb://h/?timeout=60s").unwrap().open_timeout, Duration::from_secs(60));
        let concern = options.write_concern.unwrap();
        assert_eq!((concern.w, concern.journal), (Some(Acknowledgment::Majority), Some(true)));
    }

    #[tokio::test]
    async fn ours_are_cut_out_and_the_rest_is_handed_on() {
        let config = read(
            "mongodb://u%40x:p%2F%3A@a:1,[::1]:2/db?collection=c&namespace=n&prefix=p&ttl=1s&authSource=admin\
             &replicaSet=rs&serverSelectionTimeoutMS=7&wtimeoutMS=9&w=majority&retryWrites=true",
        )
        .unwrap();
        assert_eq!((&*config.database, &*config.collection, &*config.namespace), ("db", "c", "n"));
        let options = config.options().await.unwrap();
        let hosts: Vec<_> = options.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["a:1", "::1:2"]);
        let credential = options.credential.unwrap();
        assert_eq!(
            (credential.username.as_deref(), credential.password.as_deref()),
            (Some("u@x"), Some("p/:"))
        );
        assert_eq!(
            (credential.source.as_deref(), options.repl_set_name.as_deref()),
            (Some("admin"), Some("rs"))
        );
        assert_eq!(options.server_selection_timeout, Some(Duration::from_millis(7)));
        assert_eq!(options.write_concern.unwrap().w_timeout, Some(Duration::from_millis(9)));
    }

    #[tokio::test]
    async fn what_is_not_understood_or_would_break_the_contract_is_refused() {
        for url in ["mongodb:///db", "mongodb://h/a%20b", "mongodb://h/?collection=a$b", "mongodb://h/a/b"] {
            assert_eq!(read(url).unwrap_err().kind(), ErrorKind::Invalid, "{url}");
        }
        for (parameter, advice) in [
            ("collections=c", "unknown parameter"),
            ("readPreference=secondary", "`readPreference`"),
            ("readConcernLevel=local", "`readConcernLevel`"),
            ("w=1", "`w`"),
            ("journal=false", "`journal`"),
        ] {
            let error = read(&format!("mongodb://h/?{parameter}")).unwrap().options().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(advice), "{error}");
        }
    }

    #[tokio::test]
    async fn a_password_is_shown_nowhere() {
        let mut url = StoreUrl::parse("mongodb://u@h/db?collection=c").unwrap();
        url.set_password("s3cret/".to_owned());
        let config = MongoConfig::from_url(&mut url).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
        let credential = config.options().await.unwrap().credential.unwrap();
        assert_eq!(credential.password.as_deref(), Some("s3cret/"));
    }
}
