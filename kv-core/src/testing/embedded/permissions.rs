//! Who may read the files of a store, and what links do.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::fill;
use super::kind::{Kind, Opening, opened};
use crate::testing::skip_always;
use crate::{ErrorKind, Outcome, Store as _};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
}

fn all_below(dir: &Path, check: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).expect("a listing") {
        let path = entry.expect("an entry").path();
        check(&path);
        if path.is_dir() {
            all_below(&path, check);
        }
    }
}

/// Directories that we make are 0700, and files 0600.
pub async fn are_for_the_owner_alone<K: Kind>(kind: K, dir: &Path) {
    let root = dir.join("a/b");
    let store = opened(kind, &root).await;
    fill(&store, 0..100).await;
    assert!(K::warnings(&store).is_empty());
    for made in [dir.join("a"), root.clone()] {
        assert_eq!(mode(&made), 0o700, "{}", made.display());
    }
    all_below(&root, &mut |path| {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(path), wanted, "{}", path.display());
    });
}

/// Files of the engine that others could read are closed to them at open.
pub async fn are_closed_at_open<K: Kind>(kind: K, dir: &Path) {
    opened(kind, dir).await.close().await.expect("it closes");
    all_below(dir, &mut |path| set_mode(path, if path.is_dir() { 0o755 } else { 0o644 }));
    opened(kind, dir).await.close().await.expect("it closes");
    all_below(&dir.join("data"), &mut |path| {
        assert_eq!(mode(path) & 0o077, 0, "{}", path.display());
    });
}

/// What links lead to is neither written nor given other rights.
pub async fn do_not_follow_links<K: Kind>(kind: K, dir: &Path) {
    let (root, outside) = (dir.join("store"), dir.join("outside"));
    for made in [&root, &outside] {
        fs::create_dir(made).expect("a directory");
    }
    let victim = outside.join("victim");
    fs::write(&victim, "precious").expect("a file");
    set_mode(&victim, 0o644);
    symlink(&victim, root.join("LOCK")).expect("a link");
    let error = kind.open(&root, Opening::default()).await.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(fs::read_to_string(&victim).expect("the file"), "precious");

    fs::remove_file(root.join("LOCK")).expect("it goes");
    opened(kind, &root).await.close().await.expect("it closes");
    symlink(&victim, root.join("data/file")).expect("a link");
    symlink(&outside, root.join("data/folder")).expect("a link");
    opened(kind, &root).await.close().await.expect("it closes");
    assert_eq!(mode(&victim), 0o644);
}

/// A directory that others can use is used, with one warning of what they can do.
pub async fn of_others_are_warned_of<K: Kind>(kind: K, dir: &Path) {
    let modes =
        [(0o755, "can be read by"), (0o777, "read and written to by"), (0o702, "can be written to by")];
    for (others, done) in modes {
        let root = dir.join(format!("{others:o}"));
        fs::create_dir(&root).expect("a directory");
        set_mode(&root, others);
        let store = opened(kind, &root).await;
        let [warning] = K::warnings(&store) else { panic!("{:?}", K::warnings(&store)) };
        assert!(warning.contains(done) && warning.contains("chmod 700"), "{others:o}: {warning}");
        assert_eq!(mode(&root), others, "it is not ours to change");
    }
}

/// A link to nothing is refused as what it is.
pub async fn refuse_a_link_to_nothing<K: Kind>(kind: K, dir: &Path) {
    let (link, gone) = (dir.join("link"), dir.join("gone"));
    symlink(&gone, &link).expect("a link");
    for root in [link.clone(), link.join("below")] {
        let error = kind.open(&root, Opening::default()).await.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.message().contains("link that leads to nothing"), "{error}");
    }
    fs::create_dir(gone).expect("a directory");
    opened(kind, &link).await.close().await.expect("it closes");
}

/// Where nothing may be made, and where what is there may not be looked at, it is `Denied`.
pub async fn are_lacking<K: Kind>(kind: K, dir: &Path) {
    if cfg!(target_os = "linux") {
        // Where even root may make nothing.
        let error =
            kind.open(Path::new("/sys/larder/store"), Opening::default()).await.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
    let root = dir.join("store");
    opened(kind, &root).await.close().await.expect("it closes");
    for closed in [root.clone(), root.join("data")] {
        set_mode(&closed, 0o000);
        if fs::read_dir(&closed).is_ok() {
            skip_always("root may look at everything, so nobody saw a store refused that is another user's");
        } else {
            let error = kind.open(&root, Opening::default()).await.expect_err("it is refused");
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            assert_eq!(error.outcome(), Outcome::NotDone, "{error}");
        }
        set_mode(&closed, 0o700);
    }
    opened(kind, &root).await.close().await.expect("it closes");
}
