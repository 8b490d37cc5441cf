//! Making a connection: socket, TLS, login, and what the server says of itself.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kv_core::Result;
use redis::aio::{AsyncPushSender, MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::Live;
use super::gather::{Gather, Heard};
use super::live::Death;
use crate::config::RedisConfig;
use crate::error::{invalid, unconnected, unreachable, untrusted};

/// Requests that wait for the driver's task. What waits behind them waits in its own task.
const WAITING: usize = 512;
/// Once so many bytes of requests wait, they are written before more is taken in; the last may be of any length. With the
/// driver's own limit of 8 KiB each two values of 4 KiB were a call of the system.
const WRITTEN: usize = 256 << 10;
/// The kernel keeps back what is less than a segment, and so gathers by itself: with requests of 200 bytes a turn for the
/// others was measured to cost up to a third of the rate, with values of 4 KiB to bring a tenth.
const KEPT_BACK: usize = 4 << 10;
/// A peer that says nothing for so long is asked whether it is there.
const QUIET: Duration = Duration::from_secs(15);

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp(String, u16),
    Socket(PathBuf),
}

/// How to connect: as whom, how safe, how long to wait.
#[derive(Debug)]
pub(crate) struct Dial {
    login: RedisConnectionInfo,
    database: u16,
    tls: Option<Arc<ClientConfig>>,
    response_timeout: Duration,
    connect_timeout: Duration,
    /// Told when a connection could not be made, was lost, or did not answer in time.
    pub(crate) trouble: Notify,
}

impl Dial {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self> {
        Ok(Self {
            login: login(config.user.as_deref(), config.password.as_deref()),
            database: config.database,
            tls: config.tls.as_ref().map(crate::config::Tls::client).transpose()?,
            response_timeout: config.response_timeout,
            connect_timeout: config.connect_timeout,
            trouble: Notify::new(),
        })
    }

    /// The same way to another kind of server, with another login.
    pub(crate) fn with_password(&self, password: Option<&str>) -> Self {
        Self {
            login: login(None, password),
            database: 0,
            tls: self.tls.clone(),
            response_timeout: self.response_timeout,
            connect_timeout: self.connect_timeout,
            trouble: Notify::new(),
        }
    }

    /// An attempt to connect takes no longer: three tries, each with what sentinels and the server are asked before.
    pub(super) fn longest(&self) -> Duration {
        self.connect_timeout.saturating_add(self.response_timeout).saturating_mul(16)
    }

    /// A connection to `address` that tells `sink` what the server says unasked.
    pub(super) async fn open(
        &self,
        address: &Address,
        sink: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Live> {
        let opening = async {
            match address {
                Address::Tcp(host, port) => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                    let fewest = prepare(&stream).map_err(unreachable)?;
                    match &self.tls {
                        None => self.login_on(stream, fewest, sink).await,
                        Some(tls) => {
                            let name = ServerName::try_from(host.clone()).map_err(|cause| {
                                invalid("the host is no name that TLS can check").because(cause)
                            })?;
                            let connector = TlsConnector::from(Arc::clone(tls));
                            let stream = connector.connect(name, stream).await.map_err(untrusted)?;
                            self.login_on(stream, fewest, sink).await
                        }
                    }
                }
                Address::Socket(path) => self.socket(path, sink).await,
            }
        };
        let opened = tokio::time::timeout(self.connect_timeout, opening).await.map_err(unreachable);
        let introduced = match opened.and_then(|opened| opened) {
            Ok(live) => {
                let introduced = live.introduce(self.database);
                let limit = self.connect_timeout.saturating_add(self.response_timeout);
                tokio::time::timeout(limit, introduced).await.map_err(unreachable).flatten()
            }
            Err(error) => Err(error),
        };
        introduced.inspect_err(|_| self.trouble.notify_one())
    }

    #[cfg(unix)]
    async fn socket(
        &self,
        path: &std::path::Path,
        sink: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Live> {
        let stream = tokio::net::UnixStream::connect(path).await.map_err(unreachable)?;
        self.login_on(stream, 0, sink).await
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_async, reason = "the same signature everywhere")]
    async fn socket(
        &self,
        _: &std::path::Path,
        _: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Live> {
        Err(crate::error::not_done(kv_core::ErrorKind::Unsupported, "this system has no Unix sockets"))
    }

    async fn login_on(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        fewest: usize,
        sink: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Live> {
        let (death, heard, tell) = (Death::default(), Heard::default(), Arc::new(sink));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None) // the link looks whether anything comes at all
            .set_pipeline_buffer_size(WAITING)
            .set_write_backpressure_boundary(WRITTEN)
            .set_push_sender(Sink { death: death.clone(), tell: Arc::clone(&tell) });
        let (connection, driver) = MultiplexedConnection::new_with_config(
            &self.login,
            Gather::new(stream, fewest, heard.clone()),
            config,
        )
        .await
        .map_err(unconnected)?;
        let ends = Ends(Sink { death: death.clone(), tell });
        let driver = tokio::spawn(async move {
            let driver = pin!(driver);
            let _ends = ends; // is dropped before the driver, which is told of no more then
            driver.await;
        });
        Ok(Live::new(connection, driver.abort_handle(), death, self.response_timeout, heard))
    }
}

/// Tells the end of a connection whose driver has said nothing: its executor ended, or it could not write.
struct Ends<F: Fn(PushInfo) + Send + Sync + 'static>(Sink<F>);

impl<F: Fn(PushInfo) + Send + Sync + 'static> Drop for Ends<F> {
    fn drop(&mut self) {
        if !self.0.death.came() {
            let _told = self.0.send(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        }
    }
}

/// What the server says unasked; the end of the connection is noted first.
struct Sink<F> {
    death: Death,
    tell: Arc<F>,
}

impl<F: Fn(PushInfo) + Send + Sync + 'static> AsyncPushSender for Sink<F> {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        if push.kind == PushKind::Disconnection {
            self.death.note();
        }
        (self.tell)(push);
        Ok(())
    }
}

fn login(user: Option<&str>, password: Option<&str>) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("larder", env!("CARGO_PKG_VERSION"));
    if let Some(user) = user {
        login = login.set_username(user);
    }
    match password {
        Some(password) => login.set_password(password),
        None => login,
    }
}

/// Sets the connection up; from how many bytes on writes are to be gathered.
///
/// To a server on this machine the kernel gathers what is sent while an answer is on its way (RFC 896): a packet costs more
/// there than it waits. Over a network it is the other way round.
fn prepare(stream: &TcpStream) -> std::io::Result<usize> {
    let near = stream.peer_addr()?.ip().to_canonical().is_loopback();
    stream.set_nodelay(!near)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(QUIET).with_interval(QUIET / 3);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    Ok(if near { KEPT_BACK } else { 0 })
}
