//! Where the owner of a directory listens, and who may come.
//!
//! The socket is `larder.sock` in the store's directory. A path of a socket has at most 107 bytes (104 on macOS): for
//! a longer one it lies in `$XDG_RUNTIME_DIR`, else in a directory of the user's own (0700) among the temporary files,
//! under a name made of the directory's path.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, fmt::Write as _};

use sha2::{Digest as _, Sha256};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Safe on every Unix.
const MAX_PATH: usize = 100;
/// Clients that may wait to be let in.
const BACKLOG: u32 = 64;

/// A connection to whoever owns `dir`; `None` if nobody opens the door.
pub(super) async fn connect(dir: &Path) -> Option<UnixStream> {
    let dir = dir.canonicalize().ok()?;
    let owner = fs::metadata(&dir).ok()?.uid();
    let path = path(&dir, owner).ok()?;
    let stream = UnixStream::connect(path).await.ok()?;
    is_trusted(&stream, owner).then_some(stream)
}

/// Listens for those who want to join the owner of `dir`, who alone may call this: what lies there is left from an
/// owner that was killed.
pub(super) fn listen(dir: &Path) -> io::Result<Listening> {
    let dir = dir.canonicalize()?;
    let path = path(&dir, fs::metadata(&dir)?.uid())?;
    remove(&path);
    let socket = UnixSocket::new_stream()?;
    socket.bind(&path)?;
    // Before anybody can connect: until it listens, a connection is refused.
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    let owner = fs::metadata(&path)?.uid();
    Ok(Listening { listener: socket.listen(BACKLOG)?, path, owner })
}

/// A socket that is open.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: UnixListener,
    pub(super) path: PathBuf,
    /// The user who runs this process.
    pub(super) owner: u32,
}

/// Removes a socket, and nothing else that lies in its place.
pub(super) fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        drop(fs::remove_file(path)); // a socket that stays refuses connections, as nobody listens
    }
}

/// Whether the process at the other end is run by `owner`, or by root.
pub(super) fn is_trusted(stream: &UnixStream, owner: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0)
}

fn path(dir: &Path, owner: u32) -> io::Result<PathBuf> {
    let inside = dir.join("larder.sock");
    if inside.as_os_str().len() <= MAX_PATH {
        return Ok(inside);
    }
    Ok(elsewhere(owner)?.join(name(dir)))
}

fn name(dir: &Path) -> String {
    let digest = Sha256::digest(dir.as_os_str().as_bytes());
    let mut name = "larder-".to_owned();
    for byte in digest.iter().take(8) {
        let _ = write!(name, "{byte:02x}"); // writing to a string does not fail
    }
    name + ".sock"
}

/// A short directory that nobody but `owner` can write to.
fn elsewhere(owner: u32) -> io::Result<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let Some(runtime) =
        runtime.filter(|dir| dir.as_os_str().len() <= MAX_PATH - 40 && is_private(dir, owner))
    {
        return Ok(runtime);
    }
    let dir = env::temp_dir().join(format!("larder-{owner}"));
    match DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ if is_private(&dir, owner) => Ok(dir),
        _ => Err(io::Error::other(format!(
            "{} belongs to another user, or others can write to it",
            dir.display()
        ))),
    }
}

fn is_private(dir: &Path, owner: u32) -> bool {
    fs::symlink_metadata(dir)
        .is_ok_and(|found| found.is_dir() && found.uid() == owner && found.mode().trailing_zeros() >= 6)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Listening, MAX_PATH, connect, listen, path};

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let Listening { listener: first, path, .. } = listen(dir.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(first);
        assert!(path.exists() && connect(dir.path()).await.is_none(), "nobody listens");
        let Listening { listener: _second, path, .. } = listen(dir.path()).unwrap();
        assert!(connect(dir.path()).await.is_some());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(listen(dir.path()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_long_path_is_joined_through_a_short_one() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(120));
        fs::create_dir(&long).unwrap();
        let Listening { listener: _listener, path, .. } = listen(&long).unwrap();
        assert!(path.as_os_str().len() <= MAX_PATH + 8 && !path.starts_with(&long));
        assert!(connect(&long).await.is_some());
        super::remove(&path);
    }

    #[test]
    fn two_directories_have_two_sockets() {
        let long = |last: &str| std::path::PathBuf::from(format!("/{}/{last}", "x".repeat(120)));
        let name = |last: &str| super::name(&long(last));
        assert_ne!(name("a"), name("b"));
        assert!(path(std::path::Path::new("/short"), 0).unwrap().ends_with("larder.sock"));
    }
}
