//! One store, many `larder serve`: the first owns it, the others join it through a socket.
//!
//! Each MCP client starts a server of its own, and a directory has one owner. So the owner listens on `larder.sock`
//! and serves each connection as one more stdio client. Whoever joins copies lines, remembers how its client shook
//! hands, and when the owner ends takes the directory or joins the next owner, shaking hands again on its client's
//! behalf.

mod door;
mod greeting;
mod relay;
mod socket;
mod tracking;

use std::path::Path;
use std::time::Duration;

use kv_core::{AnyStore, Error, ErrorKind, Outcome, parse_duration};
use larder::platform;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use self::greeting::{Difference, Reception, Scope};
use self::relay::Relay;
use crate::serve::{Owner, ServeSettings};
use crate::store::Program;
use crate::{Failure, store};

pub(crate) use door::Door;

/// How long a directory may be held by somebody who does not open the door, such as one that is starting or ending.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection from within may take to end.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often both are tried meanwhile.
const AGAIN: Duration = Duration::from_millis(25);

/// Serves stdin and stdout, from a store of its own or through the process that owns it.
pub(crate) async fn stdio(settings: &ServeSettings) -> Result<(), Failure> {
    let url = settings.url()?;
    let Some(dir) = store::directory(&url) else {
        let store = store::open(&url, ServeSettings::STORE).await?;
        return serve_alone(settings, &url, store).await;
    };
    match way_in(&url, &dir).await? {
        WayIn::Own(store) => serve_alone(settings, &url, store).await,
        WayIn::Joined(stream) => serve_joined(settings, &url, &dir, stream).await,
    }
}

async fn serve_alone(settings: &ServeSettings, url: &str, store: AnyStore) -> Result<(), Failure> {
    let owner = Owner::new(settings, url, store).await?;
    let served = owner.service().serve_stdio().await;
    owner.end().await;
    Ok(served?)
}

/// Copies lines for as long as the client speaks, whoever owns the directory.
async fn serve_joined(
    settings: &ServeSettings,
    url: &str,
    dir: &Path,
    stream: UnixStream,
) -> Result<(), Failure> {
    let mut relay = Relay::new();
    let mut way = WayIn::Joined(stream);
    loop {
        let ended = match way {
            WayIn::Joined(stream) => {
                tracing::info!(dir = %dir.display(), "joined the server that has the store open");
                relay.through(stream).await
            }
            WayIn::Own(store) => {
                tracing::info!(dir = %dir.display(), "took over the store");
                let owner = Owner::new(settings, url, store).await?;
                let (connection, serving) = owner.connection();
                let ended = relay.through(connection).await;
                let _ = timeout(LAST_WORDS, serving).await; // it ends with the connection
                owner.end().await;
                ended
            }
        };
        if ended.map_err(|error| Failure::new("stdin or stdout failed").because(error))?.is_over() {
            return Ok(());
        }
        way = tokio::select! {
            way = way_in(url, dir) => way?,
            () = relay.stopped() => return Ok(()),
        };
    }
}

/// How a process gets at the store.
enum WayIn {
    Own(AnyStore),
    Joined(UnixStream),
}

/// Joins the owner, or becomes it. Both are tried in turn: one may be ending while another starts.
async fn way_in(url: &str, dir: &Path) -> Result<WayIn, Failure> {
    let (at_once, patience) = without_wait(url);
    let until = Instant::now() + patience;
    loop {
        if let Some(stream) = socket::connect(dir).await {
            // Whoever listens has made the store, and its key with it.
            let scope =
                Scope::of(url).await.map_err(|error| store::failure(url, ServeSettings::STORE, error))?;
            match greeting::introduce(stream, &scope).await {
                Reception::Welcome(stream) => return Ok(WayIn::Joined(stream)),
                Reception::OtherScope(differs) => return Err(other_scope(dir, differs)),
                Reception::Silence => {}
            }
        }
        match platform::open(&Program, &at_once).await {
            Ok(store) => return Ok(WayIn::Own(store)),
            Err(error) if is_held(&error) && Instant::now() < until => {
                sleep(AGAIN).await;
            }
            Err(error) => return Err(store::failure(url, ServeSettings::STORE, error)),
        }
    }
}

/// Whether somebody else has the directory. What else keeps it from being opened does not pass by waiting.
fn is_held(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
        && error.outcome() == Outcome::NotDone
        && error.operation() != Some(platform::FINDING_THE_KEY)
}

fn other_scope(dir: &Path, differs: Difference) -> Failure {
    let (what, same) = match differs {
        Difference::Names => ("with another namespace or prefix", ServeSettings::STORE),
        Difference::Form => {
            ("with other encryption or compression (`encrypt`, `compress`)", ServeSettings::STORE)
        }
        Difference::Key => ("with another key", "key (LARDER_KEY, or the key file)"),
    };
    Failure::usage(format!(
        "another larder serve has {} open {what}: give both the same {same}, or each a directory of its own",
        dir.display()
    ))
}

/// The URL that does not wait for a directory in use, and how long we wait instead, looking at the door meanwhile:
/// `lock_wait`, if that is given.
fn without_wait(url: &str) -> (String, Duration) {
    let (start, query) = url.split_once('?').unwrap_or((url, ""));
    let (waits, mut rest): (Vec<_>, Vec<_>) =
        query.split('&').partition(|pair| pair.starts_with("lock_wait="));
    let given = waits.first().and_then(|pair| pair.strip_prefix("lock_wait="));
    rest.retain(|pair| !pair.is_empty());
    rest.push("lock_wait=0");
    (
        format!("{start}?{}", rest.join("&")),
        given.and_then(|text| parse_duration(text).ok()).unwrap_or(PATIENCE),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{PATIENCE, without_wait};

    #[test]
    fn the_wait_for_a_directory_moves_from_the_url_to_us() {
        for (url, at_once, patience) in [
            ("disk:a", "disk:a?lock_wait=0", PATIENCE),
            ("disk:a?encrypt=aead&ttl=1h", "disk:a?encrypt=aead&ttl=1h&lock_wait=0", PATIENCE),
            ("disk:a?lock_wait=1s&ttl=1h", "disk:a?ttl=1h&lock_wait=0", Duration::from_secs(1)),
        ] {
            assert_eq!(without_wait(url), (at_once.to_owned(), patience));
        }
    }
}
