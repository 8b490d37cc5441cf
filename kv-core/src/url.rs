//! The URL that names a store.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::params::invalid;
use crate::{Params, RedactedUrl, Reserved, Result};

/// A parsed store URL: `scheme://user:password@host:port,host/path?name=value`, or `scheme:relative/path`.
///
/// User, password, path and parameters are percent-decoded (`+` stays `+`), the hosts stand as written. The
/// reserved parameters are cut out. `Debug` and `Display` hide every secret.
#[derive(Clone)]
pub struct StoreUrl {
    text: String,
    scheme: String,
    user: Option<String>,
    password: Option<String>,
    hosts: String,
    path: String,
    params: Params,
    reserved: Reserved,
}

/// The pieces of a URL as they were written, nothing decoded.
pub(crate) struct Pieces<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

impl StoreUrl {
    /// Parses `text`.
    ///
    /// # Errors
    /// `Invalid`, saying what to write and never repeating the text: it may hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let pieces = Pieces::split(text)?;
        if pieces.authority.is_some() && pieces.path.contains('@') {
            // It is a password that holds a `/`, and must not be shown as a path.
            return Err(invalid(
                "an `@` stands after a `/`: percent-encode a `/` in user or password (`%2F`), or an `@` in the path (`%40`)",
            ));
        }
        let (user, password, hosts) = authority(pieces.authority.unwrap_or(""))?;
        let mut params = Params::of(pairs(pieces.query)?)?;
        let reserved = Reserved::cut_from(&mut params)?;
        Ok(Self {
            text: text.to_owned(),
            scheme: pieces.scheme.to_ascii_lowercase(),
            user,
            password,
            hosts,
            path: decoded(pieces.path, "path")?,
            params,
            reserved,
        })
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The user, decoded; `None` if absent or empty.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, decoded; `None` if absent, `Some("")` if empty.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Sets the password: what `password_env` or `password_file` named.
    pub fn set_password(&mut self, password: String) {
        self.password = Some(password);
    }

    /// What stands between user and path, as written: a name, `host:port`, or several with commas; may be empty.
    pub fn authority(&self) -> &str {
        &self.hosts
    }

    /// The hosts of the authority, each with its port if it has one; IPv6 addresses without brackets.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, Option<u16>)> {
        self.hosts.split(',').filter(|host| !host.is_empty()).filter_map(host_and_port)
    }

    /// The path, decoded: `/abs/dir`, `rel/dir`, `/0` or empty.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The directory that an embedded store lives in: `scheme:///abs/dir`, `scheme:rel/dir` or `scheme:///C:/dir`.
    ///
    /// # Errors
    /// `Invalid`, saying what to write, when there is none, when it stands where a host belongs, or when it
    /// holds a NUL.
    pub fn directory(&self) -> Result<PathBuf> {
        let scheme = &self.scheme;
        let advice = format!(
            "write `{scheme}:///absolute/directory`, `{scheme}:relative/directory` or `{scheme}:///C:/directory`"
        );
        if !self.hosts.is_empty() || self.user.is_some() || self.password.is_some() {
            return Err(invalid(format!("a directory has no host: {advice}")));
        }
        if self.path.is_empty() || self.path.contains('\0') {
            return Err(invalid(format!("no directory: {advice}")));
        }
        Ok(PathBuf::from(local_path(&self.path, cfg!(windows))))
    }

    /// The backend's own parameters, to be taken one by one and finished.
    pub fn params(&mut self) -> &mut Params {
        &mut self.params
    }

    /// The parameters that mean the same everywhere.
    pub fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// The URL without its secrets, for messages.
    pub fn redacted(&self) -> RedactedUrl<'_> {
        RedactedUrl::new(&self.text)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.redacted().fmt(f)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({})", self.redacted())
    }
}

impl<'a> Pieces<'a> {
    /// RFC 3986 §3, without fragments: the authority is optional and may name several hosts.
    pub(crate) fn split(text: &'a str) -> Result<Self> {
        let (scheme, rest) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).ok_or_else(|| {
            invalid("a store URL begins with a scheme: write for example `memory://` or `disk:///var/lib/app`")
        })?;
        if scheme.len() == 1 {
            return Err(invalid("a drive letter is not a scheme: write `disk:///C:/directory`"));
        }
        if rest.contains('#') {
            return Err(invalid("a store URL has no `#`: write `%23` for one in a password or path"));
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        Ok(Self { scheme, authority: (!authority.is_empty()).then_some(authority), path, query })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// User, password and hosts.
pub(crate) fn authority(text: &str) -> Result<(Option<String>, Option<String>, String)> {
    let (userinfo, hosts) = text.rsplit_once('@').map_or((None, text), |(info, hosts)| (Some(info), hosts));
    if hosts.split(',').any(|host| !host.is_empty() && host_and_port(host).is_none()) {
        return Err(invalid(
            "a host must be `name`, `name:port` or `[ipv6]:port`; \
             percent-encode `/`, `?`, `#`, `@` and `%` in a password",
        ));
    }
    let (user, password) = match userinfo.map(|info| info.split_once(':').ok_or(info)) {
        None => (None, None),
        Some(Ok((user, password))) => (Some(user), Some(decoded(password, "password")?)),
        Some(Err(user)) => (Some(user), None),
    };
    let user = user.filter(|user| !user.is_empty()).map(|user| decoded(user, "user")).transpose()?;
    Ok((user, password, hosts.to_owned()))
}

/// `name`, `name:port`, `[::1]` or `[::1]:port`.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((address, Some(port.parse().ok()?))),
            None => after.is_empty().then_some((address, None)),
        };
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((text, None)),
    }
}

/// The pairs of a query, decoded.
pub(crate) fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>> {
    let pieces = query.unwrap_or("").split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').ok_or_else(|| {
                invalid("a parameter has a name and a value: write `?name=value&name=value`")
            })?;
            let (name, value) = (decoded(name, "parameter")?, decoded(value, "parameter")?);
            if name.contains('@') {
                // It is a password that holds a `?`, and must not be shown.
                return Err(invalid("an `@` stands after a `?`: write `%3F` for a `?` in user or password"));
            }
            Ok((name, value))
        })
        .collect()
}

fn decoded(text: &str, part: &str) -> Result<String> {
    let mut escapes = text.split('%').skip(1);
    let broken =
        |escape: &str| !escape.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if escapes.any(broken) {
        return Err(invalid(format!(
            "a `%` in the {part} begins no escape: write `%25` for the character itself"
        )));
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(invalid(format!("the {part} is not UTF-8 once its escapes are decoded"))),
    }
}

/// `/C:/dir` is `C:/dir` on Windows and a strange but legal directory elsewhere.
fn local_path(path: &str, windows: bool) -> &str {
    match path.as_bytes() {
        [b'/', drive, b':', b'/', ..] | [b'/', drive, b':'] if windows && drive.is_ascii_alphabetic() => {
            path.strip_prefix('/').unwrap_or(path)
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{StoreUrl, local_path};
    use crate::{Codec, Compression, Encryption, Written};

    fn parse(text: &str) -> StoreUrl {
        StoreUrl::parse(text).unwrap()
    }

    #[test]
    fn the_forms_of_embedded_stores_are_read() {
        for text in ["memory://", "memory:"] {
            let url = parse(text);
            assert_eq!((url.scheme(), url.authority(), url.path()), ("memory", "", ""));
        }
        assert_eq!(parse("disk:///var/lib/app").directory().unwrap(), Path::new("/var/lib/app"));
        assert_eq!(parse("disk:rel/dir").directory().unwrap(), Path::new("rel/dir"));
        assert_eq!(parse("disk:///with%20space/%C3%A4@b").directory().unwrap(), Path::new("/with space/ä@b"));
        assert_eq!(local_path("/C:/dir", true), "C:/dir");
        assert_eq!(local_path("/C:/dir", false), "/C:/dir");
        assert_eq!(local_path("/dir", true), "/dir");
        for text in ["disk://rel/dir", "disk://", "disk:", "disk:///a%00b", "disk://u@/dir"] {
            assert!(
                parse(text).directory().unwrap_err().to_string().contains("disk:relative/directory"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_forms_of_servers_are_read() {
        let url = parse("REDIS://us%40er:p%2Fw%3F%25@db.example:6380/0?wait=1");
        assert_eq!((url.scheme(), url.user(), url.password()), ("redis", Some("us@er"), Some("p/w?%")));
        assert_eq!(url.hosts().collect::<Vec<_>>(), [("db.example", Some(6380))]);
        assert_eq!(url.path(), "/0");
        let cluster = parse("redis+cluster://:pw@a:1,[::1]:2,c");
        assert_eq!(cluster.hosts().collect::<Vec<_>>(), [("a", Some(1)), ("::1", Some(2)), ("c", None)]);
        assert_eq!((cluster.user(), cluster.password()), (None, Some("pw")));
        assert_eq!(parse("dynamodb://MyTable?region=eu").authority(), "MyTable");
        assert_eq!(parse("redis://a@h").password(), None);
    }

    #[test]
    fn reserved_parameters_are_cut_out_first() {
        let mut url = parse(
            "memory://?max_entries=3&namespace=a%2Fb&prefix=p&encrypt=fernet&key_file=/k&compress=zstd&codec=cbor\
             &ttl=10m&timeout=0&retry=0&password_env=PW",
        );
        let reserved = url.reserved().clone();
        assert_eq!(reserved.namespace.as_deref(), Some("a/b"));
        assert_eq!(reserved.prefix.as_deref(), Some("p"));
        assert_eq!(reserved.encrypt, Some(Encryption::Fernet));
        assert_eq!(reserved.key_file.as_deref(), Some(Path::new("/k")));
        assert_eq!(reserved.compress, Some(Compression::Zstd));
        assert_eq!(reserved.codec, Some(Written::As(Codec::Cbor)));
        assert_eq!(reserved.ttl, Some(Duration::from_secs(600)));
        assert_eq!(reserved.timeout, Some(Duration::ZERO));
        assert_eq!(reserved.retry, Some(0));
        assert_eq!(reserved.password_env.as_deref(), Some("PW"));
        assert_eq!(url.params().take_u64("max_entries").unwrap(), Some(3));
        url.params().finish().unwrap();
    }

    #[test]
    fn what_is_wrong_is_refused_with_advice_and_without_the_text() {
        for (text, advice) in [
            ("", "`memory://`"),
            ("no url s3cret", "`memory://`"),
            ("C:\\s3cret", "disk:///C:/"),
            ("redis://user:s3cret", "percent-encode"),
            ("redis://:s3/cret@host", "percent-encode"),
            ("redis://:s3#cret@host", "`%23`"),
            ("redis://:s3cret%@host", "`%25`"),
            ("redis://:s3cret%zz@host", "`%25`"),
            ("redis://:s3cret%FF@host", "not UTF-8"),
            ("memory://?s3cret", "`?name=value"),
            ("memory://?=s3cret", "without a name"),
            ("memory://?ttl=s3cret", "`10m`"),
            ("memory://?ttl=0", "between 1ms and 100 years"),
            ("memory://?encrypt=s3cret", "`aead` or `fernet`"),
            ("memory://?ttl=1s&ttl=1s", "given twice"),
            ("redis://h?password_env=A&password_file=B", "not both"),
        ] {
            let error = StoreUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(advice), "{text}: {error}");
            assert!(!error.contains("cret"), "{text}: {error}");
        }
    }

    #[test]
    fn debug_and_display_hide_the_password() {
        let url = parse("redis://user:s3cret@host/0?token=s3cret");
        for shown in [format!("{url:?}"), url.to_string()] {
            assert!(
                !shown.contains("s3cret") && shown.contains("user") && shown.contains("host/0"),
                "{shown}"
            );
        }
    }
}
