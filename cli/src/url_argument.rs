//! URLs on the command line, which everybody on the machine can read.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use kv_core::RedactedUrl;

use crate::{Failure, store};

/// A URL as it was given: itself, `@file` that holds it, or `$NAME` of the variable that does.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UrlArgument(String);

impl UrlArgument {
    /// As it was given.
    pub(crate) fn as_given(&self) -> &str {
        &self.0
    }

    /// Whether what was given may be shown: it names where the URL is, or holds no secret. One that a shell has put behind `@` or
    /// `$` is none of both.
    pub(crate) fn is_showable(&self) -> bool {
        match self.given() {
            Given::File(_) | Given::Variable(_) => true,
            Given::Expanded(..) => false,
            Given::Url => RedactedUrl::new(&self.0).to_string() == self.0,
        }
    }

    /// The file that holds the URL.
    pub(crate) fn file(&self) -> Option<&Path> {
        if let Given::File(path) = self.given() { Some(Path::new(path)) } else { None }
    }

    /// The variable that holds the URL.
    pub(crate) fn variable(&self) -> Option<&str> {
        if let Given::Variable(name) = self.given() { Some(name) } else { None }
    }

    /// What has to be changed where the URL is wrong: the flag or argument `what`, or where that leads to.
    pub(crate) fn place(&self, what: &str) -> String {
        match self.given() {
            Given::Url | Given::Expanded(..) => what.to_owned(),
            Given::File(path) => format!("the file {path}, which {what} names"),
            Given::Variable(name) => format!("the variable {name}, which {what} names"),
        }
    }

    /// The URL itself; `what` names the flag or argument in errors.
    ///
    /// # Errors
    /// The file cannot be read, the variable is not set, there is nothing in it, or a URL stands where its name belongs.
    pub(crate) fn resolve(&self, what: &str) -> Result<String, Failure> {
        let text = match self.given() {
            Given::Url => self.0.clone(),
            Given::Expanded(sign, url) => {
                let url = RedactedUrl::new(url);
                return Err(Failure::usage(format!(
                    "{what}: a URL stands behind the `{sign}` where its place belongs ({url}): leave out the `{sign}`"
                )));
            }
            Given::File(path) => std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("{what}: the file {path} cannot be read")).because(error)
            })?,
            Given::Variable(name) => std::env::var(name).map_err(|_| {
                Failure::usage(format!("{what}: the variable {name} is not set, or is no text"))
            })?,
        };
        match text.trim() {
            "" => {
                let place = self.place(what);
                let comma = if matches!(self.given(), Given::Url) { "" } else { "," };
                Err(Failure::usage(format!(
                    "{place}{comma} is empty: give a URL such as disk:///var/lib/larder"
                )))
            }
            url => Ok(url.to_owned()),
        }
    }

    fn given(&self) -> Given<'_> {
        match self.0.split_at_checked(1) {
            Some((sign @ ("@" | "$"), url)) if is_url(url) => Given::Expanded(sign, url),
            Some(("@", path)) => Given::File(path),
            Some(("$", name)) => Given::Variable(name),
            _ => Given::Url,
        }
    }
}

/// What stands in an argument.
enum Given<'a> {
    /// The URL itself.
    Url,
    /// The path of the file that holds it.
    File(&'a str),
    /// The name of the variable that holds it.
    Variable(&'a str),
    /// A sign, and the URL where a place belongs: a shell has seen a variable behind the sign, as in `@$REDIS_URL`.
    Expanded(&'a str, &'a str),
}

/// Whether it is a URL rather than a path or the name of a variable.
fn is_url(text: &str) -> bool {
    text.contains("://") || text.split_once(':').is_some_and(|(scheme, _)| store::is_scheme(scheme))
}

impl FromStr for UrlArgument {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for UrlArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.given() {
            Given::File(_) | Given::Variable(_) => f.write_str(&self.0),
            Given::Expanded(sign, url) => write!(f, "{sign}{}", RedactedUrl::new(url)),
            Given::Url => write!(f, "{}", RedactedUrl::new(&self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UrlArgument;
    use crate::Status;

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

    #[test]
    fn a_url_that_a_shell_has_put_where_its_place_belongs_is_refused_and_no_secret_of_it_is_shown() {
        for url in [
            "redis://:s3cret@host",
            "redis://user:s3cret@host/0?wait=1",
            "redis://:a#s3cret@host",
            "redis:user:s3cret@host",
            "nobodys://user:s3cret@host",
        ] {
            for sign in ['@', '$'] {
                let given = argument(&format!("{sign}{url}"));
                let error = given.resolve("URL").unwrap_err();
                assert_eq!(error.status(), Status::Usage);
                let told = format!("{} {given:?} {}", error.on_one_line(), given.place("URL"));
                assert!(
                    told.contains(&format!("leave out the `{sign}`")) && !told.contains("s3cret"),
                    "{told}"
                );
                assert!(!given.is_showable() && given.file().is_none() && given.variable().is_none());
            }
        }
        let told = argument("@redis://ann:s3cret@host").resolve("URL").unwrap_err().to_string();
        assert!(told.contains("redis://ann:***@host"), "{told}");
        assert_eq!(argument("@/etc/larder:1/url").file(), Some(std::path::Path::new("/etc/larder:1/url")));
    }
}
