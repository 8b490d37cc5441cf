//! URLs: no text makes parsing, reading its parameters or redacting panic, what was escaped comes back, and no secret is
//! shown by anything that came of it.
//!
//! An input is a URL, taken as it is and as the backends with the most particular URLs read it; the same bytes then
//! choose the parts of a URL that is written properly, and of one that is not.
#![no_main]

use std::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use kv_core::{ErrorKind, RedactedUrl, Result, StoreUrl, parse_bytes, parse_duration};
use kv_memory::MemoryConfig;
use kv_redis::RedisConfig;
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[derive(Arbitrary, Debug)]
struct Chosen<'a> {
    scheme: u8,
    secret: [u8; 12],
    number: u64,
    user: &'a str,
    around: (&'a str, &'a str),
    path: &'a str,
    value: &'a str,
    rest: &'a str,
}

const SCHEMES: [&str; 10] = [
    "memory",
    "disk",
    "redis",
    "rediss",
    "redis+unix",
    "redis+cluster",
    "redis+sentinel",
    "mongodb",
    "dynamodb",
    "elasticsearch",
];

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        read(text);
        quantities(text);
    }
    if let Ok(chosen) = Chosen::arbitrary_take_rest(Unstructured::new(data)) {
        let Chosen { number, .. } = chosen;
        assert_eq!(parse_bytes(&format!("{number}KiB")).ok(), number.checked_mul(1 << 10));
        let duration = parse_duration(&format!("{number}ms")).expect("a u64 of milliseconds");
        assert_eq!(duration.as_millis(), u128::from(number));
        well_written(&chosen);
        badly_written(&chosen);
    }
});

/// What comes of a text: the URL and the configurations, or errors that say which part is wrong.
fn outcomes(text: &str) -> Vec<Box<dyn Debug>> {
    let url = match StoreUrl::parse(text) {
        Ok(url) => url,
        Err(error) => return vec![invalid(error)],
    };
    let mut all: Vec<Box<dyn Debug>> = vec![Box::new(url.redacted().to_string())];
    let mut add = |outcome: Result<Box<dyn Debug>>| all.push(outcome.unwrap_or_else(invalid));
    add(url.directory().map(|path| Box::new(path.as_os_str().is_empty()) as _));
    add(MemoryConfig::from_url(&mut url.clone()).map(|config| Box::new(config) as _));
    if url.scheme().starts_with("redis") {
        add(RedisConfig::from_url(&mut url.clone()).map(|config| Box::new(config) as _));
    }
    all.push(Box::new(url));
    all
}

fn invalid(error: kv_core::Error) -> Box<dyn Debug> {
    assert_eq!(error.kind(), ErrorKind::Invalid);
    Box::new(format!("{error} {error:?}"))
}

fn read(text: &str) {
    let shown = RedactedUrl::new(text).to_string();
    assert!(!shown.contains(char::is_control), "{shown:?} would move the cursor of a terminal");
    drop(outcomes(text));
    let Ok(url) = StoreUrl::parse(text) else { return };
    assert_eq!(url.redacted().to_string(), shown);
    assert!(shown == "***" || shown.to_ascii_lowercase().starts_with(url.scheme()));
    let hosts = url.authority().split(',').filter(|host| !host.is_empty()).count();
    assert_eq!(url.hosts().count(), hosts, "a host that is none is refused");
}

fn quantities(text: &str) {
    if let Ok(bytes) = parse_bytes(text) {
        assert_eq!(parse_bytes(&bytes.to_string()).expect("a plain number"), bytes);
    }
    if let Ok(duration) = parse_duration(text) {
        let again = format!("{}ms", duration.as_millis());
        assert_eq!(parse_duration(&again).expect("a plain number"), duration);
    }
}

/// Letters that stand nowhere else, and in no escape: found in what is shown, they come from the secret.
fn secret(chosen: &Chosen<'_>) -> Option<String> {
    let secret: String = chosen.secret.iter().map(|byte| char::from(b'G' + byte % 20)).collect();
    let Chosen { user, around, path, value, rest, .. } = chosen;
    let elsewhere = [user, around.0, around.1, path, value, rest].map(|part| part.contains(&secret));
    (!elsewhere.contains(&true)).then_some(secret)
}

fn scheme(chosen: &Chosen<'_>) -> &'static str {
    SCHEMES[usize::from(chosen.scheme) % SCHEMES.len()]
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// With escapes where they belong any text can be a part, comes back as it was, and the password is hidden.
fn well_written(chosen: &Chosen<'_>) {
    let Some(secret) = secret(chosen) else { return };
    let (scheme, user, path, value) = (scheme(chosen), chosen.user, chosen.path, chosen.value);
    let password = format!("{}{secret}{}", chosen.around.0, chosen.around.1);
    let text = format!(
        "{scheme}://{}:{}@host:1/{}?value={}&password={}",
        escaped(user),
        escaped(&password),
        escaped(path),
        escaped(value),
        escaped(&password),
    );
    let mut url = StoreUrl::parse(&text).expect("it is well written");
    assert_eq!(url.user(), Some(user).filter(|user| !user.is_empty()));
    assert_eq!(url.password(), Some(&*password));
    assert_eq!(url.path().strip_prefix('/'), Some(path));
    assert!(url.hosts().eq([("host", Some(1))]));
    hides(&text, &secret);
    let params = url.params();
    assert!(params.finish().is_err(), "nobody has asked for them");
    assert_eq!(params.take("value").as_deref(), Some(value));
    assert_eq!(params.take("password").as_deref(), Some(&*password));
    params.finish().expect("nothing is left");
}

/// Without them it may be refused or misread; the secret stays hidden.
fn badly_written(chosen: &Chosen<'_>) {
    let Some(secret) = secret(chosen) else { return };
    let (scheme, Chosen { user, around, rest, .. }) = (scheme(chosen), chosen);
    if !user.split_once('?').is_some_and(|(_, behind)| behind.contains('=')) {
        hides(&format!("{scheme}://{user}:{secret}@host{rest}"), &secret); // else it is a parameter like another
    }
    hides(&format!("{scheme}://host/?password={secret}&{rest}"), &secret);
    let (before, behind) = around;
    if !before.contains(['@', '&', '#']) && !behind.contains(['@', '&', '#']) {
        hides(&format!("{scheme}://host/?token={before}{secret}{behind}"), &secret);
    }
}

fn hides(text: &str, secret: &str) {
    let shown = RedactedUrl::new(text).to_string();
    assert!(!shown.contains(secret), "{shown:?}");
    for outcome in outcomes(text) {
        let said = format!("{outcome:?}");
        assert!(!said.contains(secret), "{said}");
    }
}
