//! The command line. What is wrong with it is told without the secrets of URLs, which end up in the logs of others.

use std::ffi::OsString;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use kv_core::RedactedUrl;

use crate::Cli;

/// What the arguments ask for; the first one is the name of the program.
///
/// # Errors
/// What is wrong with them, or the help that was asked for; `exit` prints either.
pub fn parsed(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Error> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    Cli::try_parse_from(&arguments).map_err(|error| with_the_way_to_a_value(discreet(error), &arguments))
}

/// What `kv put` is told where it takes a value for a flag.
const HYPHENS: &str =
    "`--` goes before a value that begins with a hyphen: `larder kv put URL COLLECTION ID -- VALUE`";

/// The same error, which says of `kv put` how a value is told from a flag. One that begins as `-h` does is no wish for help: it was
/// to be written, and nothing is.
fn with_the_way_to_a_value(mut error: Error, arguments: &[OsString]) -> Error {
    let puts = matches!(arguments, [_, kv, put, ..] if kv == "kv" && put == "put");
    match error.kind() {
        ErrorKind::UnknownArgument if puts => {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![HYPHENS.into()]));
            error
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            if puts && arguments.iter().any(is_more_than_a_flag) =>
        {
            Error::raw(ErrorKind::UnknownArgument, format!("{HYPHENS}\n"))
        }
        _ => error,
    }
}

fn is_more_than_a_flag(argument: &OsString) -> bool {
    let text = argument.as_encoded_bytes();
    text.len() > 2 && (text.starts_with(b"-h") || text.starts_with(b"-V"))
}

/// The same error, in which no URL shows its password.
fn discreet(mut error: Error) -> Error {
    let shown: Vec<_> =
        error.context().filter_map(|(kind, value)| Some((kind, without_secrets(value)?))).collect();
    for (kind, value) in shown {
        error.insert(kind, value);
    }
    error
}

/// `None` where nothing was typed that may be a URL.
fn without_secrets(value: &ContextValue) -> Option<ContextValue> {
    let hidden = |text: &String| {
        if text.contains(':') { RedactedUrl::new(text).to_string() } else { text.clone() }
    };
    match value {
        ContextValue::String(text) => Some(ContextValue::String(hidden(text))),
        ContextValue::Strings(texts) => Some(ContextValue::Strings(texts.iter().map(hidden).collect())),
        // Advice that repeats what was typed, in words around it.
        ContextValue::StyledStrs(tips) if tips.iter().any(|tip| tip.to_string().contains("://")) => {
            Some(ContextValue::StyledStrs(Vec::new()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parsed;

    fn error(arguments: &[&str]) -> String {
        let arguments = ["larder"].iter().chain(arguments).map(Into::into);
        parsed(arguments).expect_err("it is wrong").to_string()
    }

    #[test]
    fn no_password_is_told_however_the_line_is_wrong() {
        const URL: &str = "redis://ann:s3cret@host/0";
        for line in [
            &["doctor", "memory://", URL][..],
            &["kv", URL],
            &[URL],
            &["kv", "copy", "memory://", "disk:a", URL],
            &["kv", "get", "memory://", "c", "a", URL],
            &["bench", "memory://", "--tasks", URL],
            &["doctor", "--unknown", URL],
            &["doctor", "--unknown=redis://ann:s3cret@host/0"],
            &["doctor", "memory://", "@redis://ann:s3cret@host/0"],
            &["doctor", "--unknown=$redis://ann:s3cret@host/0"],
            &["doctor", "--redis://ann:s3cret@host/0"],
            &["kv", "get", "--redis://ann:s3cret@host/0"],
            &["serve", "--http", URL],
            &["serve", "--log-level", URL],
        ] {
            let told = error(line);
            assert!(!told.contains("s3cret"), "{line:?}: {told}");
            assert!(told.contains("--help") || told.contains("Usage"), "{told}");
        }
        assert!(error(&["doctor", "memory://", URL]).contains("redis://ann:***@host/0"));
    }

    #[test]
    fn a_value_that_looks_like_a_flag_is_none_and_the_way_to_it_is_told() {
        let put = |last: &'static [&str]| [&["kv", "put", "memory://", "c", "id"], last].concat();
        for flags in
            [&["--tll=10m"][..], &["--x"], &["-x"], &["-1x"], &["-h3llo"], &["-Vx"], &["v", "--tll=10m"]]
        {
            let told = error(&put(flags));
            assert!(told.contains("`--` goes before a value that begins with a hyphen"), "{flags:?}: {told}");
        }
        assert!(error(&put(&["--tll=10m"])).contains("'--ttl'"));
        assert!(!error(&put(&["-h"])).contains("goes before a value that begins with a hyphen: `"));
        assert!(!error(&["doctor", "--unknown"]).contains("kv put"));
        for value in [&["-"][..], &["-1"], &["-1.5e3"], &["--", "--x"], &["--", "-h3llo"], &[]] {
            let line = [&["larder"][..], &put(value)].concat();
            assert!(parsed(line.into_iter().map(Into::into)).is_ok(), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_url_is_told_as_it_was_typed() {
        assert!(error(&["kv", "lst"]).contains("'lst'"));
        assert!(error(&["doctor", "memory://", "disk"]).contains("'disk'"));
    }
}
