//! A connection that is ready for use: connected, encrypted, logged in, and the server's limits known.

use bytes::BytesMut;
use kv_core::{Error, ErrorKind, Outcome, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::MemcachedConfig;
use crate::error;
use crate::wire;

/// A stream that commands are sent over, encrypted or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for T {}

/// Servers of before 1.6 had this limit too.
const DEFAULT_ITEM_SIZE: usize = 1 << 20;

const OLDEST: (u32, u32, u32) = (1, 6, 10);

/// A connection that is ready for use.
pub(crate) struct Ready {
    pub(crate) wire: Box<dyn Wire>,
    /// The largest item that the server takes, its own bookkeeping included.
    pub(crate) item_size: usize,
}

/// How servers are to be connected to.
#[derive(Debug)]
pub(crate) struct Dialer {
    config: MemcachedConfig,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Connector>,
}

impl Dialer {
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unnecessary_wraps, reason = "with TLS there are certificates to be read")
    )]
    pub(crate) fn new(config: MemcachedConfig) -> Result<Self> {
        #[cfg(feature = "tls")]
        let tls = config.tls.as_ref().map(crate::tls::Connector::new).transpose()?;
        Ok(Self {
            config,
            #[cfg(feature = "tls")]
            tls,
        })
    }

    pub(crate) fn config(&self) -> &MemcachedConfig {
        &self.config
    }

    /// Connects to a server, within the time that is set for it. Its name is looked up anew each time.
    pub(crate) async fn dial(&self, server: &(String, u16)) -> Result<Ready> {
        let dialled = async {
            let mut talk = self.connect(server).await?;
            check_version(&talk.ask(b"version\r\n").await?)?;
            let settings = talk.stats("stats settings").await?;
            check_conditions(&settings)?;
            let item_size = match number(&settings, "item_size_max") {
                Some(size) => usize::try_from(size).map_err(|_| error::unexpected())?,
                None => DEFAULT_ITEM_SIZE,
            };
            Ok(Ready { wire: talk.wire, item_size })
        };
        self.in_time(server, dialled).await
    }

    /// What a server tells of itself, over a connection of its own.
    pub(crate) async fn inspect(&self, server: &(String, u16)) -> Result<Vec<(String, String)>> {
        self.in_time(server, async { self.connect(server).await?.stats("stats").await }).await
    }

    async fn in_time<T>(&self, server: &(String, u16), work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.config.connect_timeout, work).await {
            Ok(done) => done.map_err(|e| e.with_outcome(Outcome::NotDone)),
            Err(_) => Err(error::no_connection_in_time(&identity(server))),
        }
    }

    async fn connect(&self, server: &(String, u16)) -> Result<Talk> {
        let (host, port) = server;
        let unreachable = |e: std::io::Error| error::unreachable(&identity(server)).because(e);
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        // Closed, it discards what was not sent yet: the system would send that later, after what goes over the next connection.
        stream.set_zero_linger().map_err(unreachable)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let stream = tls.connect(host, stream).await?;
            return self.greet(Box::new(stream)).await;
        }
        self.greet(Box::new(stream)).await
    }

    async fn greet(&self, wire: Box<dyn Wire>) -> Result<Talk> {
        let mut talk = Talk { wire, read: BytesMut::with_capacity(4 << 10) };
        self.log_in(&mut talk).await?;
        Ok(talk)
    }

    /// A server without a login file would store the password as an item: it is asked first whether it wants one.
    async fn log_in(&self, talk: &mut Talk) -> Result<()> {
        let mut ping = Vec::new();
        wire::ping(&mut ping);
        let answer = talk.ask(&ping).await?;
        match (&self.config.login, answer.as_ref()) {
            (None, b"MN") => Ok(()),
            (Some(_), b"MN") => Err(Error::new(
                ErrorKind::Denied,
                "the server lets everybody in: start it with a login file, or leave out user and password",
            )),
            (Some((user, password)), b"CLIENT_ERROR unauthenticated") => {
                let login = format!("{user} {password}");
                let set = format!("set login 0 0 {}\r\n{login}\r\n", login.len());
                match talk.ask(set.as_bytes()).await?.as_ref() {
                    b"STORED" => Ok(()),
                    refused if refused.starts_with(b"CLIENT_ERROR") => {
                        Err(Error::new(ErrorKind::Denied, "the server refuses this user and password"))
                    }
                    other => Err(wire::refused(other)),
                }
            }
            (_, other) => Err(wire::refused(other)),
        }
    }
}

/// Refuses a server of before 1.6.10: its `ms` takes the length elsewhere, and would read a value as commands. Who hides the
/// version, as a proxy may, is believed to be newer.
fn check_version(told: &[u8]) -> Result<()> {
    let told = std::str::from_utf8(told).unwrap_or_default();
    let mut numbers = told.strip_prefix("VERSION ").unwrap_or_default().split(['.', '-', '_', ' ', '+']);
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    match (next(), next(), next()) {
        (Some(major), Some(minor), Some(patch)) if (major, minor, patch) < OLDEST => Err(Error::new(
            ErrorKind::Unsupported,
            format!("the server is Memcached {major}.{minor}.{patch}: it must be 1.6.10 or later"),
        )),
        _ => Ok(()),
    }
}

/// Refuses a server that decides no condition.
fn check_conditions(settings: &[(String, String)]) -> Result<()> {
    if settings.iter().any(|(name, value)| name == "cas_enabled" && value == "no") {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the server takes every condition for met: start it without `-C`",
        ));
    }
    Ok(())
}

/// The name by which messages call a server and by which keys are spread.
pub(crate) fn identity((host, port): &(String, u16)) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A connection that is spoken to in lines.
struct Talk {
    wire: Box<dyn Wire>,
    read: BytesMut,
}

impl Talk {
    async fn ask(&mut self, request: &[u8]) -> Result<bytes::Bytes> {
        self.wire.write_all(request).await.map_err(error::cut)?;
        self.wire.flush().await.map_err(error::cut)?;
        self.line().await
    }

    async fn line(&mut self) -> Result<bytes::Bytes> {
        loop {
            if let Some(line) = wire::take_line(&mut self.read)? {
                return Ok(line);
            }
            if self.wire.read_buf(&mut self.read).await.map_err(error::cut)? == 0 {
                return Err(error::cut(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    async fn stats(&mut self, command: &str) -> Result<Vec<(String, String)>> {
        let mut stats = Vec::new();
        let mut line = self.ask(format!("{command}\r\n").as_bytes()).await?;
        while line.as_ref() != b"END" {
            let words = line.strip_prefix(b"STAT ").ok_or_else(|| wire::refused(&line))?;
            if let Some((name, value)) = String::from_utf8_lossy(words).split_once(' ') {
                stats.push((name.to_owned(), value.to_owned()));
            }
            line = self.line().await?;
        }
        Ok(stats)
    }
}

/// One of the numbers that a server told.
pub(crate) fn number(stats: &[(String, String)], name: &str) -> Option<u64> {
    let (_, value) = stats.iter().find(|(known, _)| known == name)?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::check_version;

    #[test]
    fn a_server_that_reads_values_as_commands_is_refused() {
        for told in ["VERSION 1.6.9", "VERSION 1.5.22", "VERSION 1.6.0-rc1", "VERSION 1.4.39_x"] {
            assert_eq!(check_version(told.as_bytes()).unwrap_err().kind(), ErrorKind::Unsupported, "{told}");
        }
        for told in
            ["VERSION 1.6.10", "VERSION 1.6.18", "VERSION 1.7.0", "VERSION 2.0.1", "VERSION unknown", "ERROR"]
        {
            check_version(told.as_bytes()).unwrap();
        }
    }
}
