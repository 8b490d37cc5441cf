//! A small HTTP proxy before several replicas, which sends each request to the next of them.
//!
//! It holds no opinion of the protocol: it looks into a request only to note what it was, for tests that ask where it went.
//! `POST /-/cut` cuts the answer of every tool's call that is under way, as a network would.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::passing::{Cut, Passing};
use super::seen::{Outcome, Seen, What};

/// The proxy. It ends, with all its connections, when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where clients find the server.
    pub(crate) url: String,
    /// The same, for whoever speaks to it directly.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// What every connection is given.
#[derive(Debug)]
pub(super) struct Shared {
    replicas: Vec<SocketAddr>,
    next: AtomicUsize,
    /// Which replica gets requests of a kind, where it is not the next.
    pinned: Mutex<HashMap<&'static str, usize>>,
    /// Who carried the stream of a session that broke last.
    broken: Mutex<HashMap<String, usize>>,
    seen: Mutex<Vec<Seen>>,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    /// Listens on a free port of the loopback.
    pub(crate) async fn before(replicas: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            replicas,
            next: AtomicUsize::new(0),
            pinned: Mutex::default(),
            broken: Mutex::default(),
            seen: Mutex::default(),
            cuts: watch::Sender::new(0),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { url: format!("http://{address}/mcp"), address, shared, serving }
    }

    /// From now on requests of this method, or calls of this tool, go to one replica, as long as it lives; `GET` is the stream
    /// of a session.
    pub(crate) fn pin(&self, what: &'static str, replica: usize) {
        lock(&self.shared.pinned).insert(what, replica);
    }

    /// From now on these go to the next, as others do.
    pub(crate) fn unpin(&self, what: &'static str) {
        lock(&self.shared.pinned).remove(what);
    }

    /// Every request so far, in the order in which they came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Cuts the answer of every tool's call that is under way.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    /// Notes a request that goes to `replica`; its number.
    fn begin(&self, what: What, replica: usize) -> usize {
        let mut seen = lock(&self.seen);
        let began = Instant::now();
        seen.push(Seen { what, replica, began, ended: None, pieces: 0, outcome: Outcome::Open });
        seen.len() - 1
    }

    /// Notes that the connection was refused, so nothing was sent: the request is the next replica's.
    fn moved(&self, number: usize, replica: usize) {
        if let Some(seen) = lock(&self.seen).get_mut(number) {
            seen.replica = replica;
        }
    }

    /// Notes that a piece of the answer has passed.
    pub(super) fn passed(&self, number: usize) {
        if let Some(seen) = lock(&self.seen).get_mut(number) {
            seen.pieces += 1;
        }
    }

    /// Ends when this request is cut.
    fn cut_of(&self, number: usize) -> Cut {
        let concerned = lock(&self.seen).get(number).is_some_and(|seen| seen.what.method == "tools/call");
        let mut cuts = self.cuts.subscribe();
        Box::pin(async move {
            if !concerned || cuts.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// Notes how a request ended; only the first end counts.
    pub(super) fn end(&self, number: usize, outcome: Outcome) {
        let mut all = lock(&self.seen);
        let Some(seen) = all.get_mut(number).filter(|seen| seen.outcome == Outcome::Open) else { return };
        (seen.outcome, seen.ended) = (outcome, Some(Instant::now()));
        if let (Outcome::Cut | Outcome::Lost, Some(session)) = (outcome, &seen.what.session)
            && seen.what.method != "GET"
        {
            lock(&self.broken).insert(session.clone(), seen.replica);
        }
    }

    /// Who is asked first: whom the test chose, for a resumption not who had the stream before, else the next.
    fn choose(&self, what: &What) -> usize {
        let all = self.replicas.len();
        let pinned = lock(&self.pinned);
        if let Some(&replica) = pinned.get(what.method.as_str()).or_else(|| pinned.get(what.tool.as_str())) {
            return replica;
        }
        if what.method == "resume"
            && let Some(replica) =
                what.session.as_ref().and_then(|session| lock(&self.broken).get(session).copied())
        {
            return (replica + 1) % all;
        }
        self.next.fetch_add(1, Ordering::SeqCst) % all
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts until it is aborted, which ends the connections too.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { return };
        let _ = client.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let serving = service_fn(|request| answer(request, Arc::clone(&shared)));
            // A client that goes, or an answer that breaks: the connection is what tells of it.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(client), serving)
                .await;
        });
    }
}

/// The answer of a replica; an error cuts the connection.
async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Passing>, io::Error> {
    if request.uri().path() == "/-/cut" {
        shared.cuts.send_modify(|cuts| *cuts += 1);
        return Ok(status(StatusCode::NO_CONTENT));
    }
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let what = What::of(&parts, &body);
    let first = shared.choose(&what);
    let number = shared.begin(what, first);
    let mut cut = shared.cut_of(number);
    strip(&mut parts.headers);
    let request = Request::from_parts(parts, Full::new(body));
    tokio::select! {
        biased;
        () = &mut cut => {
            shared.end(number, Outcome::Cut);
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        }
        answered = ask(&shared, first, number, request) => {
            let Some(answer) = answered else {
                shared.end(number, Outcome::BadGateway);
                return Ok(status(StatusCode::BAD_GATEWAY));
            };
            let (mut parts, body) = answer.into_parts();
            strip_hops(&mut parts.headers);
            Ok(Response::from_parts(parts, Passing::new(body, cut, shared, number)))
        }
    }
}

/// Asks `first`, or whoever takes the connection in its place; `None` where no answer came.
async fn ask(
    shared: &Shared,
    first: usize,
    number: usize,
    request: Request<Full<Bytes>>,
) -> Option<Response<Incoming>> {
    let all = shared.replicas.len();
    for replica in (0..all).map(|step| (first + step) % all) {
        shared.moved(number, replica);
        let Ok(stream) = TcpStream::connect(shared.replicas.get(replica)?).await else { continue };
        return send(stream, request).await.ok();
    }
    None
}

/// Sends a request on a connection of its own, which ends with the answer.
pub(super) async fn send(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, hyper::Error> {
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// Takes away what concerns a connection, and the length, which the body brings itself.
fn strip(headers: &mut HeaderMap) {
    strip_hops(headers);
    headers.remove(CONTENT_LENGTH);
}

fn strip_hops(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}

fn status(status: StatusCode) -> Response<Passing> {
    let mut answer = Response::new(Passing::nothing());
    *answer.status_mut() = status;
    answer
}
