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
    let wrong = |what: &str| invalid(format!("`password_env` names `{}`, which {what}", name.escape_debug()));
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
