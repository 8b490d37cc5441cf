//! HTTP over a Unix socket: a door that the rights of a file guard.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::Endpoint;
use super::doorway::CameIn;
use super::listener::{Door, serve_door};
use crate::transport::stdio::stopped;
use crate::{Error, Result};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;
/// How often a folder is looked at that another process has locked, and how long is waited in between: a second in all.
const LOCK_TRIES: usize = 100;
const LOCK_AGAIN: Duration = Duration::from_millis(10);

/// Serves until the process is told to stop; the socket's file is gone then.
pub(crate) async fn serve_unix(endpoint: Endpoint, path: &Path) -> Result<()> {
    let stopped = stopped(); // heard from before the first connection is taken
    let door = UnixDoor::open(path).await?;
    tracing::info!(path = %path.display(), "serving MCP over HTTP on a Unix socket, at /mcp");
    serve_door(endpoint, door, stopped).await;
    Ok(())
}

/// A socket that is listened on. Dropping it removes its file, if that is still its own.
#[derive(Debug)]
struct UnixDoor {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of its file.
    file: (u64, u64),
}

impl UnixDoor {
    async fn open(path: &Path) -> Result<Self> {
        let _alone = alone(path).await;
        make_room(path).await?;
        Self::bind(path).map_err(|error| {
            Error::new(format!(
                "{} cannot be listened on: give a path of at most 107 bytes, in a directory that this user may write to",
                path.display()
            ))
            .because(error)
        })
    }

    fn bind(path: &Path) -> io::Result<Self> {
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Before anybody can connect: until it listens, a connection is refused.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let file = identity(&fs::symlink_metadata(path)?);
        Ok(Self { listener: socket.listen(BACKLOG)?, path: path.to_owned(), file })
    }
}

impl Door for UnixDoor {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Option<CameIn>)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, Some(CameIn::UnixSocket)))
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| identity(&found) == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "the socket could not be removed");
        }
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// A lock on the folder, held from the look at what is there until the new socket is listened on: of two processes that
/// start at once one would else remove the other's. `None` where the folder cannot be locked, or another locks it.
async fn alone(path: &Path) -> Option<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder).ok()?; // binding says what is wrong with it
    for _ in 0..LOCK_TRIES {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_AGAIN).await,
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Removes the socket of a process that lives no more; nothing else is ever removed.
async fn make_room(path: &Path) -> Result<()> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(_) => return Ok(()), // nothing is there, or binding says why nobody can look
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::new(format!("{shown} is no socket: remove it, or give another path")));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| {
                Error::new(format!("{shown} is left from a process that has ended, and cannot be removed"))
                    .because(error)
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()), // its process has just ended
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::new(format!("{shown} is the socket of another user: give another path"))
                .because(error))
        }
        // It listens, even if it is too busy to accept.
        Ok(_) | Err(_) => {
            Err(Error::new(format!("another process serves on {shown}: stop it, or give another path")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::UnixDoor;

    /// A folder that is gone after the test, with a path in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> (Self, PathBuf) {
            let folder = std::env::temp_dir().join(format!("larder-{:016x}", rand::random::<u64>()));
            fs::create_dir(&folder).unwrap();
            let path = folder.join("mcp.sock");
            (Self(folder), path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[tokio::test]
    async fn the_socket_belongs_to_its_owner_alone_and_is_gone_at_the_end() {
        let (_folder, path) = Folder::new();
        let door = UnixDoor::open(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(door);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
        let (_folder, path) = Folder::new();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        let door = UnixDoor::open(&path).await.unwrap();
        let refused = UnixDoor::open(&path).await.unwrap_err().to_string();
        assert!(refused.contains("another process serves") && refused.contains("mcp.sock"), "{refused}");
        assert!(path.exists());
        drop(door);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_those_who_open_at_once_one_listens_and_the_others_are_told() {
        for left_behind in [true, false].repeat(50) {
            let (_folder, path) = Folder::new();
            if left_behind {
                drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            }
            let opening = (0..8).map(|_| {
                let path = path.clone();
                tokio::spawn(async move { UnixDoor::open(&path).await })
            });
            let opened = futures_util::future::join_all(opening).await;
            let doors: Vec<_> = opened.into_iter().filter_map(|opened| opened.unwrap().ok()).collect();
            assert_eq!(doors.len(), 1);
            assert!(
                std::os::unix::net::UnixStream::connect(&path).is_ok(),
                "the one that listens is the one found"
            );
        }
    }

    #[tokio::test]
    async fn nothing_but_a_socket_is_removed() {
        let (_folder, path) = Folder::new();
        fs::write(&path, "precious").unwrap();
        let refused = UnixDoor::open(&path).await.unwrap_err().to_string();
        assert!(refused.contains("no socket"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_socket_that_took_its_place_is_left_alone() {
        let (_folder, path) = Folder::new();
        let door = UnixDoor::open(&path).await.unwrap();
        let aside = path.with_extension("aside"); // else its inode may be given to the next file
        fs::rename(&path, &aside).unwrap();
        let other = UnixDoor::open(&path).await.unwrap();
        drop(door);
        assert!(path.exists());
        drop(other);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_or_in_no_folder_says_what_to_give() {
        let (_folder, path) = Folder::new();
        for bad in [path.with_file_name("x".repeat(200)), path.join("below")] {
            let refused = UnixDoor::open(&bad).await.unwrap_err().to_string();
            assert!(refused.contains("107 bytes"), "{refused}");
        }
    }
}
