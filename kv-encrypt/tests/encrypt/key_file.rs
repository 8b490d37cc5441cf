//! Key files are private, whole and never replaced.

use std::fs;

use kv_core::ErrorKind;
use kv_encrypt::{KeyRing, SecretKey};

#[test]
fn a_made_file_holds_one_key_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/key");
    let made = KeyRing::create_file(&path).unwrap();
    assert_eq!(KeyRing::from_file(&path).unwrap().active(), made.active());
    assert_eq!(fs::read_to_string(&path).unwrap().trim_end().len(), 44);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn an_existing_file_is_never_replaced_even_by_racing_makers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let made: Vec<_> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| KeyRing::create_file(&path))).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|error| error.unwrap_err().kind() == ErrorKind::AlreadyExists));
    let winner = won.into_iter().next().unwrap().unwrap();
    assert_eq!(KeyRing::from_file(&path).unwrap().active(), winner.active());
}

#[test]
fn a_file_may_hold_a_ring() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    KeyRing::create_file(&path).unwrap();
    let old = fs::read_to_string(&path).unwrap();
    let new = SecretKey::generate().unwrap();
    fs::write(&path, format!("{}\n{old}", new.to_text().as_str())).unwrap();
    let ring = KeyRing::from_file(&path).unwrap();
    assert_eq!(ring.ids().count(), 2);
    assert_eq!(ring.active(), KeyRing::new([new]).unwrap().active());
}

#[test]
fn a_missing_or_empty_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let error = KeyRing::from_file(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains(&*path.to_string_lossy()));
    KeyRing::create_file(&path).unwrap();
    for unusable in ["\n", "no key"] {
        fs::write(&path, unusable).unwrap();
        let error = KeyRing::from_file(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(&*path.to_string_lossy()), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_refused_and_a_made_one_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/key");
    KeyRing::create_file(&path).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    for open in [0o640, 0o604, 0o660, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let error = KeyRing::from_file(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.message().contains("chmod 600"));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    KeyRing::from_file(&path).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_where_nothing_can_be_made_is_refused_for_good() {
    // Where even root may make nothing.
    let error = KeyRing::create_file("/proc/larder/key").unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
}
