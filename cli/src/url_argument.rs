//! URLs on the command line, which everybody on the machine can read.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use kv_core::RedactedUrl;

use crate::Failure;

/// A URL as it was given: itself, `@file` that holds it, or `$NAME` of the variable that does.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UrlArgument(String);

impl UrlArgument {
    /// As it was given.
    pub(crate) fn as_given(&self) -> &str {
        &self.0
    }

    /// Whether what was given may be shown: it names where the URL is, or holds no secret.
    pub(crate) fn is_showable(&self) -> bool {
        self.points().is_some() || RedactedUrl::new(&self.0).to_string() == self.0
    }

    /// The file that holds the URL.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.0.strip_prefix('@').map(Path::new)
    }

    /// The variable that holds the URL.
    pub(crate) fn variable(&self) -> Option<&str> {
        self.0.strip_prefix('$')
    }

    /// What has to be changed where the URL is wrong: the flag or argument `what`, or where that leads to.
    pub(crate) fn place(&self, what: &str) -> String {
        match self.points() {
            None => what.to_owned(),
            Some(Points::File(path)) => format!("the file {path}, which {what} names"),
            Some(Points::Variable(name)) => format!("the variable {name}, which {what} names"),
        }
    }

    /// The URL itself; `what` names the flag or argument in errors.
    ///
    /// # Errors
    /// The file cannot be read, the variable is not set, or there is nothing in it.
    pub(crate) fn resolve(&self, what: &str) -> Result<String, Failure> {
        let text = match self.points() {
            None => self.0.clone(),
            Some(Points::File(path)) => std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("{what}: the file {path} cannot be read")).because(error)
            })?,
            Some(Points::Variable(name)) => std::env::var(name).map_err(|_| {
                Failure::usage(format!("{what}: the variable {name} is not set, or is no text"))
            })?,
        };
        match text.trim() {
            "" => {
                let place = self.place(what);
                let comma = if self.points().is_some() { "," } else { "" };
                Err(Failure::usage(format!(
                    "{place}{comma} is empty: give a URL such as disk:///var/lib/larder"
                )))
            }
            url => Ok(url.to_owned()),
        }
    }

    fn points(&self) -> Option<Points<'_>> {
        let file = self.0.strip_prefix('@').map(Points::File);
        file.or_else(|| self.0.strip_prefix('$').map(Points::Variable))
    }
}

enum Points<'a> {
    File(&'a str),
    Variable(&'a str),
}

impl FromStr for UrlArgument {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for UrlArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.points() {
            Some(_) => f.write_str(&self.0),
            None => write!(f, "{}", RedactedUrl::new(&self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UrlArgument;

    fn argument(text: &str) -> UrlArgument {
        UrlArgument(text.to_owned())
    }

    #[test]
    fn a_url_is_itself_or_stands_in_a_file() {
        assert_eq!(argument("memory://").resolve("URL").unwrap(), "memory://");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "disk:///a\n").unwrap();
        assert_eq!(argument(&format!("@{}", file.path().display())).resolve("URL").unwrap(), "disk:///a");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = argument("$LARDER_NO_SUCH_VARIABLE").resolve("--store").unwrap_err();
        assert!(
            error.to_string().contains("--store") && error.to_string().contains("LARDER_NO_SUCH_VARIABLE")
        );
        assert!(argument("@/no/such/file").resolve("URL").unwrap_err().to_string().contains("/no/such/file"));
        assert!(argument(" ").resolve("--store").unwrap_err().to_string().contains("--store"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = argument(&format!("@{}", file.path().display())).resolve("SRC").unwrap_err().to_string();
        assert!(error.contains("SRC") && error.contains(&*file.path().to_string_lossy()), "{error}");
        assert_eq!(argument("$NAME").place("DST"), "the variable NAME, which DST names");
        assert_eq!(argument("memory://").place("DST"), "DST");
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = argument("redis://:s3cret@host/0");
        assert!(!url.is_showable() && !format!("{url:?}").contains("s3cret"));
        assert!(argument("$NAME").is_showable() && argument("disk:///a?encrypt=aead").is_showable());
    }
}
