//! Passwords that stand elsewhere than in the URL.

use std::path::Path;

use kv_core::{Error, ErrorKind, Result, StoreUrl};

use crate::platform::Platform;

/// Gives `url` the password that `password_env` or `password_file` names, if it has one of them.
pub(crate) async fn set(platform: &impl Platform, url: &mut StoreUrl) -> Result<()> {
    let reserved = url.reserved();
    let password = match (reserved.password_env.clone(), reserved.password_file.clone()) {
        (None, None) => return Ok(()),
        _ if url.password().is_some() => {
            return Err(invalid("the URL holds a password: leave out `password_env` and `password_file`"));
        }
        (Some(name), _) => from_variable(platform, &name)?,
        (None, Some(path)) => {
            let read = tokio::task::spawn_blocking(move || from_file(&path)).await;
            read.map_err(|error| {
                Error::new(ErrorKind::Unexpected, "reading the password was interrupted").because(error)
            })??
        }
    };
    url.set_password(password);
    Ok(())
}

fn from_variable(platform: &impl Platform, name: &str) -> Result<String> {
    // A password that stands there by mistake is not repeated: it seldom looks like the name of a variable.
    let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let shown = if is_name { name } else { "***" };
    let wrong = |what: &str| invalid(format!("`password_env` names `{shown}`, a variable that {what}"));
    let value = platform.var(name).ok_or_else(|| wrong("is not set"))?;
    value.into_string().map_err(|_| wrong("is not UTF-8"))
}

/// The file's text without the end of its line, as editors and secret stores write it.
fn from_file(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        invalid(format!("`password_file` {} cannot be read", path.display())).because(cause)
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use kv_core::{Error, StoreUrl};

    use super::set;
    use crate::platform::{Os, Platform};

    /// A platform whose one variable is `PW`.
    struct Fake;

    impl Platform for Fake {
        fn os(&self) -> Os {
            Os::Linux
        }

        fn var(&self, name: &str) -> Option<OsString> {
            (name == "PW").then(|| "s3cret/?#@%".into())
        }

        fn home(&self) -> Option<PathBuf> {
            None
        }

        fn tell(&self, _: &str) {}
    }

    async fn password(url: &str) -> Result<Option<String>, Error> {
        let mut url = StoreUrl::parse(url).unwrap();
        set(&Fake, &mut url).await?;
        Ok(url.password().map(ToOwned::to_owned))
    }

    #[tokio::test]
    async fn a_password_comes_from_the_url_a_variable_or_a_file_as_it_stands_there() {
        assert_eq!(password("redis://h").await.unwrap(), None);
        assert_eq!(password("redis://:in%2Furl@h").await.unwrap().as_deref(), Some("in/url"));
        assert_eq!(password("redis://user@h?password_env=PW").await.unwrap().as_deref(), Some("s3cret/?#@%"));
        let file = tempfile::NamedTempFile::new().unwrap();
        for end in ["", "\n", "\r\n"] {
            std::fs::write(file.path(), format!(" s3cret\n%{end}")).unwrap();
            let url = format!("redis://h?password_file={}", file.path().display());
            assert_eq!(password(&url).await.unwrap().as_deref(), Some(" s3cret\n%"), "one end of line goes");
        }
    }

    #[tokio::test]
    async fn a_password_that_is_not_where_the_url_says_is_an_error_that_names_the_place() {
        for (url, place) in [
            ("redis://h?password_env=NOT_SET", "`NOT_SET`"),
            ("redis://h?password_file=/no/such/file", "/no/such/file"),
            ("redis://:pw@h?password_env=PW", "leave out"),
        ] {
            let error = password(url).await.unwrap_err();
            assert!(error.message().contains(place), "{error}");
        }
    }
}
