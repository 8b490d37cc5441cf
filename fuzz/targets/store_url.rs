//! URLs: no text makes parsing or redacting panic, and no password is ever shown.
#![no_main]

use arbitrary::Arbitrary;
use kv_core::{RedactedUrl, StoreUrl, parse_bytes, parse_duration};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    text: &'a str,
    scheme: u8,
    user: &'a str,
    secret: [u8; 12],
    rest: &'a str,
}

const SCHEMES: [&str; 8] =
    ["memory", "disk", "redis", "rediss", "redis+cluster", "mongodb", "dynamodb", "elasticsearch"];

fuzz_target!(|input: Input<'_>| {
    read(input.text);
    drop(parse_bytes(input.text));
    drop(parse_duration(input.text));
    with_a_password(&input);
});

fn read(text: &str) {
    let shown = RedactedUrl::new(text).to_string();
    let Ok(mut url) = StoreUrl::parse(text) else { return };
    assert_eq!(url.redacted().to_string(), shown);
    drop(url.directory());
    drop(url.hosts().count());
    let params = url.params();
    drop(params.take_bytes("max_bytes"));
    drop(params.take_duration("lock_wait"));
    drop(params.take_bool("create"));
    drop(params.finish());
}

/// A secret of letters that stand nowhere else: found in what is shown, it comes from the password.
fn with_a_password(input: &Input<'_>) {
    let secret: String = input.secret.iter().map(|byte| char::from(b'A' + byte % 26)).collect();
    let scheme = SCHEMES[usize::from(input.scheme) % SCHEMES.len()];
    if input.user.contains(&secret) || input.rest.contains(&secret) {
        return;
    }
    for text in [
        format!("{scheme}://{}:{secret}@host{}", input.user, input.rest),
        format!("{scheme}://host/?password={secret}&{}", input.rest),
    ] {
        let shown = RedactedUrl::new(&text).to_string();
        assert!(!shown.contains(&secret), "{shown:?}");
        match StoreUrl::parse(&text) {
            Ok(url) => assert!(!format!("{url:?}").contains(&secret)),
            Err(error) => assert!(!format!("{error:?} {error}").contains(&secret)),
        }
    }
}
