//! The URL as the driver reads it, and what is told when it does not like it.

use std::fmt;

use kv_core::{Error, ErrorKind, Outcome, RedactedUrl, Result, StoreUrl};
use mongodb::error::{Error as DriverError, ErrorKind as DriverKind};
use mongodb::options::{ClientOptions, ConnectionString};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const ADVICE: &str = "known are `collection`, the reserved ones, and the driver's";
/// The longest name of a parameter that is shown; the driver's have 30 characters at most.
const LONGEST_NAME: usize = 40;

/// A `mongodb://` or `mongodb+srv://` URL without what is ours, which may hold a password. `Debug` hides it.
#[derive(Clone)]
pub(crate) struct Address {
    /// All that stands before the parameters.
    head: String,
    /// The driver's parameters, decoded.
    parameters: Vec<(String, String)>,
}

impl Address {
    /// What is left of `url`, written anew, since a password may have come from elsewhere.
    pub(crate) fn rest_of(url: &mut StoreUrl) -> Self {
        let login = match (url.user(), url.password()) {
            (None, None) => String::new(),
            (user, None) => format!("{}@", encoded(user.unwrap_or(""))),
            (user, Some(password)) => format!("{}:{}@", encoded(user.unwrap_or("")), encoded(password)),
        };
        let path = url.path().strip_prefix('/').map(encoded).unwrap_or_default();
        let head = format!("{}://{login}{}/{path}", url.scheme(), url.authority());
        Self { head, parameters: url.params().take_rest() }
    }

    /// The driver's options. The host of an `mongodb+srv` URL is looked up.
    ///
    /// # Errors
    /// `Invalid`, naming the parameters that the driver refuses; `Unavailable` when the host cannot be looked up. Never with
    /// the driver's own words: they quote what it refuses, which may be a secret.
    pub(crate) async fn options(&self) -> Result<ClientOptions> {
        match ClientOptions::parse(self.text()).await {
            Ok(options) => Ok(options),
            Err(refused) => Err(self.explain(&refused).await.with_outcome(Outcome::NotDone)),
        }
    }

    async fn explain(&self, refused: &DriverError) -> Error {
        if matches!(&*refused.kind, DriverKind::DnsResolve { .. }) {
            let message = "the servers cannot be looked up: does the host have SRV records (`_mongodb._tcp.` before its \
                           name), and does the DNS answer?";
            return Error::new(ErrorKind::Unavailable, message);
        }
        let message = match self.refused().await {
            Some(names) if names.is_empty() => {
                "the driver refuses the URL before its parameters: write `mongodb://user:password@host:27017/database`, \
                 user and password percent-encoded"
                    .to_owned()
            }
            Some(names) => format!("unknown parameter, or a wrong value: {}; {ADVICE}", names.join(" with ")),
            None => format!("parameters that do not go together, or a wrong value; {ADVICE}"),
        };
        Error::new(ErrorKind::Invalid, message)
    }

    /// The parameters that the driver refuses, as they are shown: of these none can be left out, but all others can. `None`
    /// where only a look-up would tell.
    async fn refused(&self) -> Option<Vec<String>> {
        let mut least = self.clone();
        if least.is_fine().await {
            return None;
        }
        for parameter in &self.parameters {
            let mut less = least.clone();
            less.parameters.retain(|other| other.0 != parameter.0);
            if !less.is_fine().await {
                least = less;
            }
        }
        // As in `Params`: what stands before an `@` may be a password with a `?`, and so may any name.
        let may_tell = self.parameters.iter().any(|(_, value)| value.contains('@'));
        Some(least.parameters.iter().map(|(name, _)| shown(name, may_tell)).collect())
    }

    /// Whether the driver takes it, as far as can be told without looking anything up.
    async fn is_fine(&self) -> bool {
        if self.head.starts_with("mongodb+srv:") {
            return ConnectionString::parse(self.text()).is_ok();
        }
        ClientOptions::parse(self.text()).await.is_ok()
    }

    fn text(&self) -> String {
        let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        let pairs: Vec<_> = self.parameters.iter().map(pair).collect();
        if pairs.is_empty() { self.head.clone() } else { format!("{}?{}", self.head, pairs.join("&")) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&RedactedUrl::new(&self.text()), f)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A name as an error may show it: only what looks like one.
fn shown(name: &str, may_tell: bool) -> String {
    let is_plain = name.len() <= LONGEST_NAME && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain && !may_tell { format!("`{name}`") } else { "one whose name is not shown".to_owned() }
}

#[cfg(test)]
mod tests {
    use kv_core::{Error, ErrorKind, Outcome, StoreUrl};

    use super::Address;

    const SECRET: &str = "s3cret";

    async fn refused(url: &str) -> Error {
        let mut url = StoreUrl::parse(url).unwrap();
        let error = Address::rest_of(&mut url).options().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Invalid, Outcome::NotDone), "{url:?}");
        error
    }

    /// What an error and all its causes say.
    fn said(error: &Error) -> String {
        let mut text = format!("{error} {error:?}");
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text = format!("{text} {error} {error:?}");
            cause = error.source();
        }
        text
    }

    #[tokio::test]
    async fn what_the_driver_refuses_is_told_by_name_and_without_a_secret() {
        for (url, told) in [
            ("mongodb://h/db?authMechanismProperties=AWS_SESSION_TOKEN=s3cret", "`authMechanismProperties`;"),
            (
                "mongodb://h/db?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN=s3cret",
                "`authMechanismProperties`;",
            ),
            ("mongodb://u:p@h/?authMechanism=s3cret&tls=true", "`authMechanism`;"),
            ("mongodb+srv://u:p@h.a.b/?authMechanismProperties=A:b,s3cret", "`authMechanismProperties`;"),
            ("mongodb://h/?readPreference=s3cret", "`readPreference`;"),
            ("mongodb://h/?readPreference=nearest&readPreferenceTags=s3cret", "`readPreferenceTags`;"),
            ("mongodb://h/?uuidRepresentation=s3cret&w=majority", "`uuidRepresentation`;"),
            ("mongodb://h/?serverMonitoringMode=s3cret", "`serverMonitoringMode`;"),
            ("mongodb://h/?proxyPassword=s3cret&proxyPort=s3cret", "`proxyPort`;"),
            ("mongodb://h/?collections=s3cret", "`collections`;"),
            ("mongodb://h/?s3cret%20with%20spaces=c", "one whose name is not shown;"),
            ("mongodb://u:1?s3cret=2@h/", "one whose name is not shown;"),
            ("mongodb://h/?s3cret=2@h", "one whose name is not shown;"),
            ("mongodb://:s3cret@h/?tls=true", "before its parameters"),
            ("mongodb+srv://u:s3cret@h.a.b:1/?tls=true", "before its parameters"),
        ] {
            let error = refused(url).await;
            assert!(error.message().contains(told), "{url}: {error}");
            assert!(!said(&error).contains(SECRET), "{url}: {}", said(&error));
        }
    }

    #[tokio::test]
    async fn parameters_that_are_refused_together_are_named_together() {
        let error = refused("mongodb://h/?directConnection=true&loadBalanced=true&tls=true").await;
        assert!(error.message().contains("`directConnection` with `loadBalanced`;"), "{error}");
        let error = refused("mongodb://a,b/?replicaSet=rs&directConnection=true").await;
        assert!(error.message().contains("`directConnection`;"), "{error}");
    }

    #[tokio::test]
    async fn a_host_that_is_not_found_is_told_without_the_drivers_words() {
        let mut url = StoreUrl::parse("mongodb+srv://s3cret.example.invalid/db").unwrap();
        let error = Address::rest_of(&mut url).options().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
        assert!(!said(&error).contains(SECRET), "{}", said(&error));
    }
}
