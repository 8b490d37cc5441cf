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
        let name = || identity(server);
        let dialled = tokio::time::timeout(self.config.connect_timeout, self.connect(server)).await;
        match dialled {
            Ok(ready) => ready.map_err(|e| e.with_outcome(Outcome::NotDone)),
            Err(_) => Err(error::no_connection_in_time(&name())),
        }
    }

    async fn connect(&self, server: &(String, u16)) -> Result<Ready> {
        let (host, port) = server;
        let unreachable = |e: std::io::Error| error::unreachable(&identity(server)).because(e);
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return self.greet(tls.connect(host, stream).await?).await;
        }
        self.greet(stream).await
    }

    async fn greet(&self, wire: impl Wire) -> Result<Ready> {
        let mut talk = Talk { wire, read: BytesMut::with_capacity(4 << 10) };
        self.log_in(&mut talk).await?;
        let item_size = talk.item_size().await?;
        Ok(Ready { wire: Box::new(talk.wire), item_size })
    }

    /// A server without a login file would store the password as an item: it is asked first whether it wants one.
    async fn log_in(&self, talk: &mut Talk<impl Wire>) -> Result<()> {
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

/// The name by which messages call a server and by which keys are spread.
pub(crate) fn identity((host, port): &(String, u16)) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A connection that is spoken to in lines.
struct Talk<W> {
    wire: W,
    read: BytesMut,
}

impl<W: Wire> Talk<W> {
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

    async fn item_size(&mut self) -> Result<usize> {
        let mut found = DEFAULT_ITEM_SIZE;
        let mut line = self.ask(b"stats settings\r\n").await?;
        while line.as_ref() != b"END" {
            let words = line.strip_prefix(b"STAT ").ok_or_else(|| wire::refused(&line))?;
            if let Some(size) = words.strip_prefix(b"item_size_max ") {
                let size = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok());
                found = size.ok_or_else(error::unexpected)?;
            }
            line = self.line().await?;
        }
        Ok(found)
    }
}
