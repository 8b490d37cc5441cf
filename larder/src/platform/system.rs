//! The platform that this program runs on.

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use super::{Os, Platform};

/// The platform that this program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Platform for System {
    fn os(&self) -> Os {
        if cfg!(windows) {
            Os::Windows
        } else if cfg!(target_os = "macos") {
            Os::MacOs
        } else {
            Os::Linux
        }
    }

    fn var(&self, name: &str) -> Option<OsString> {
        env::var_os(name)
    }

    fn home(&self) -> Option<PathBuf> {
        env::home_dir()
    }

    fn tell(&self, line: &str) {
        drop(writeln!(std::io::stderr().lock(), "{line}")); // a closed stderr hears nothing
    }
}
