//! Which table, where, as whom.

use std::fmt;
use std::time::Duration;

use kv_core::{Clock, Error, ErrorKind, Result, StoreUrl};

/// Which table the store is, where it is, and as whom it is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DynamoConfig {
    /// The table's name: 3 to 255 letters, digits, `_`, `-` and `.`, case kept.
    pub table: String,
    /// Sets apart several users of one table. Default `larder`.
    pub namespace: String,
    /// The AWS region. `None`: as the AWS tools find it (`AWS_REGION`, the profile, the instance); with `endpoint`
    /// it then is `us-east-1`.
    pub region: Option<String>,
    /// The address of the service, such as `http://127.0.0.1:8000`. `None`: Amazon's own for the region.
    pub endpoint: Option<String>,
    /// The access key. `None`: as the AWS tools find it (environment, profile, web identity, container, instance).
    pub credentials: Option<DynamoCredentials>,
    /// Whether a missing table is made, billed per request, with time to live turned on. Default false.
    pub create: bool,
    /// How long one request may take. Default 10 s.
    pub timeout: Duration,
    /// Whose wall clock decides that an entry has expired. All who share the table should agree on the time.
    pub clock: Clock,
}

/// An access key that was given, not found in the environment. `Debug` shows the id only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DynamoCredentials {
    /// The id of the access key, as in `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// The secret, as in `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// The token of a temporary key, as in `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

impl DynamoCredentials {
    /// A key that does not expire.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        }
    }
}

impl fmt::Debug for DynamoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_key_id, secret_access_key: _, session_token: _ } = self;
        f.debug_struct("DynamoCredentials").field("access_key_id", access_key_id).finish_non_exhaustive()
    }
}

impl DynamoConfig {
    /// The table `table` with all defaults: region and access key as the AWS tools find them.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            namespace: "larder".to_owned(),
            region: None,
            endpoint: None,
            credentials: None,
            create: false,
            timeout: Duration::from_secs(10),
            clock: Clock::system(),
        }
    }

    /// What `dynamodb://Table` or `dynamodb://KEYID:SECRET@Table` asks for, with `region=`, `endpoint=http://..`,
    /// `create=true`, and the reserved `namespace`.
    ///
    /// # Errors
    /// `Invalid`, naming the part and what to write.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        if !matches!(url.path(), "" | "/") {
            return Err(invalid("a table has no path: write `dynamodb://Table?region=eu-central-1`"));
        }
        let mut config = Self::new(url.authority());
        config.credentials = credentials(url)?;
        if let Some(namespace) = &url.reserved().namespace {
            config.namespace.clone_from(namespace);
        }
        let params = url.params();
        config.region = params.take("region");
        config.endpoint = params.take("endpoint");
        config.create = params.take_bool("create")?.unwrap_or(false);
        params.finish()?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what no server would take, before any is asked.
    pub(crate) fn check(&self) -> Result<()> {
        let named = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if !(3..=255).contains(&self.table.len()) || !self.table.chars().all(named) {
            return Err(invalid(
                "a table's name has 3 to 255 letters, digits, `_`, `-` and `.`: write `dynamodb://Table`",
            ));
        }
        let region = |name: &String| {
            !name.is_empty()
                && name.len() <= 40
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if !self.region.as_ref().is_none_or(region) {
            return Err(invalid("the parameter `region` must be a region's name, such as `eu-central-1`"));
        }
        if !self.endpoint.as_deref().is_none_or(is_endpoint) {
            return Err(invalid(
                "the parameter `endpoint` must be an address such as `http://127.0.0.1:8000`, without user, password \
                 and path",
            ));
        }
        if self.timeout.is_zero() {
            return Err(invalid("a request needs some time: the timeout is zero"));
        }
        Ok(())
    }
}

/// The access key that a URL gives, both halves or none.
fn credentials(url: &StoreUrl) -> Result<Option<DynamoCredentials>> {
    match (url.user(), url.password().filter(|password| !password.is_empty())) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => Ok(Some(DynamoCredentials::new(id, secret))),
        _ => Err(invalid(
            "an access key has an id and a secret: write `dynamodb://KEYID:SECRET@Table`, give the secret by \
             `password_env` or `password_file`, or leave both out for the AWS credentials of this machine",
        )),
    }
}

/// `http://host`, `https://host:port`, with a slash behind it or not.
fn is_endpoint(text: &str) -> bool {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = host.map(|host| host.strip_suffix('/').unwrap_or(host));
    host.is_some_and(|host| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c))
    })
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use kv_core::{ErrorKind, StoreUrl};

    use super::{DynamoConfig, DynamoCredentials};

    fn read(url: &str) -> kv_core::Result<DynamoConfig> {
        DynamoConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    #[test]
    fn a_url_without_parameters_means_the_defaults() {
        let config = read("dynamodb://My.Table-1").unwrap();
        assert_eq!((config.table.as_str(), config.namespace.as_str()), ("My.Table-1", "larder"));
        assert_eq!((config.region, config.endpoint, config.credentials), (None, None, None));
        assert!(!config.create);
    }

    #[test]
    fn every_parameter_is_read() {
        let url = "dynamodb://AKIA1:s%2Fcret@Tab?region=eu-central-1&endpoint=http://127.0.0.1:8000&create=true\
                   &namespace=n";
        let config = read(url).unwrap();
        assert_eq!(config.region.as_deref(), Some("eu-central-1"));
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:8000"));
        assert_eq!(config.credentials, Some(DynamoCredentials::new("AKIA1", "s/cret")));
        assert_eq!((config.create, config.namespace.as_str()), (true, "n"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in [
            "dynamodb://",
            "dynamodb://ab",
            "dynamodb://a,b",
            "dynamodb://table/path",
            "dynamodb://table:8000",
            "dynamodb://AKIA1@table",
            "dynamodb://:s3cret@table",
            "dynamodb://table?regionn=eu",
            "dynamodb://table?region=",
            "dynamodb://table?region=eu/1",
            "dynamodb://table?create=1",
            "dynamodb://table?endpoint=127.0.0.1:8000",
            "dynamodb://table?endpoint=http://u:s3cret%40host",
            "dynamodb://table?endpoint=http://host/path",
        ] {
            let error = read(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = read("dynamodb://AKIA1:s3cret@table").unwrap();
        let text = format!("{config:?} {config:#?}");
        assert!(!text.contains("s3cret") && text.contains("AKIA1"), "{text}");
    }
}
