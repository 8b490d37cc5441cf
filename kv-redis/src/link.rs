//! One connection for all callers, which comes back by itself.
//!
//! A request takes the connection that stands. If there is none, one attempt for all who wait makes one; who finds none in
//! the end has sent nothing, and the error says so. A new connection is handed out only once it tracks and subscribes
//! what the old one did, so that no read slips through untracked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use kv_core::{ErrorKind, Result};
use redis::{Cmd, Pipeline, PushInfo, PushKind, Value};
use tokio::runtime::{self, Handle};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::{self, Fault};
use crate::news::News;
use crate::running::Running;
use crate::wire::Command;
use stock::Stock;

mod clock;
mod dial;
mod gather;
mod keeper;
mod live;
mod patience;
mod stock;
mod target;

pub(crate) use clock::ServerClock;
pub(crate) use dial::{Address, Dial};
pub(crate) use live::Live;
pub(crate) use target::{AnyOf, Sentinels, Target};

/// How long to wait before the second and the third try to connect.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(100)];

/// A replica is not left sooner than this: where nothing else takes its place, its reads should go on.
const SETTLED: Duration = Duration::from_secs(1);

/// A connection that comes back. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Target,
    dial: Arc<Dial>,
    slot: Mutex<Slot>,
    /// How many attempts to connect there were.
    attempts: AtomicU64,
    /// Handles of the connection that stands: nearly all who send something find one there.
    stock: Stock,
    clock: Arc<ServerClock>,
    /// Whether a master was ever there.
    led_to_master: AtomicBool,
    news: Arc<News>,
    tended: bool,
    keeper: Running,
    /// Asks whether the connection still lives where the keeper may stand still.
    prover: Running,
    /// Wakes who tends the link: something died, did not answer, or is to be tidied.
    wake: Arc<Notify>,
}

/// An attempt to connect, for all who wait for it.
#[derive(Clone, Debug)]
struct Attempt {
    number: u64,
    outcome: Shared<BoxFuture<'static, Result<Live>>>,
    /// Where it runs, and since when.
    home: runtime::Id,
    began: Instant,
}

impl Attempt {
    /// How long who asks here may wait for it: another executor may stand still, and this with it. `None` is to its end.
    fn left(&self, longest: Duration) -> Option<Duration> {
        let here = Handle::current().id() == self.home;
        (!here).then(|| longest.saturating_sub(self.began.elapsed()))
    }
}

#[derive(Debug)]
enum Slot {
    Down,
    Connecting(Attempt),
    Up(Live),
    Closed,
}

impl Link {
    /// A link that is not connected yet. With `tended`, a task keeps its clock and notices when it dies unused.
    pub(crate) fn new(target: Target, dial: Arc<Dial>, news: Arc<News>, tended: bool) -> Self {
        let link = Self(Arc::new(Inner::new(target, dial, news, tended)));
        link.tend();
        link
    }

    /// Another link to the same server, by the same clock, whichever of them reads it anew: what is written over one is told
    /// of over the other. Its trouble has the first one looked after, and nobody tends it else.
    pub(crate) fn beside(&self, target: Target, news: Arc<News>) -> Self {
        let mut inner = Inner::new(target, Arc::clone(&self.0.dial), news, false);
        inner.clock = Arc::clone(&self.0.clock);
        inner.wake = Arc::clone(&self.0.wake);
        Self(Arc::new(inner))
    }

    /// The connection that stands, or a new one.
    pub(crate) async fn live(&self) -> Result<Live> {
        let longest = self.0.dial.longest();
        loop {
            let attempt = {
                let mut slot = self.0.slot();
                match &*slot {
                    Slot::Up(live) if live.is_alive() => return Ok(live.clone()),
                    Slot::Closed => return Err(error::closed()),
                    Slot::Connecting(attempt) if attempt.left(longest) != Some(Duration::ZERO) => {
                        attempt.clone()
                    }
                    Slot::Connecting(_) | Slot::Up(_) | Slot::Down => {
                        let attempt = self.attempt();
                        *slot = Slot::Connecting(attempt.clone());
                        attempt
                    }
                }
            };
            let Some(left) = attempt.left(longest) else { return attempt.outcome.await };
            if let Ok(outcome) = tokio::time::timeout(left, attempt.outcome).await {
                return outcome;
            }
        }
    }

    /// The connection if one stands.
    pub(crate) fn standing(&self) -> Option<Live> {
        match &*self.0.slot() {
            Slot::Up(live) if live.is_alive() => Some(live.clone()),
            _ => None,
        }
    }

    /// How many attempts to connect there were: as long as they are as many, no other connection has come.
    pub(crate) fn attempts(&self) -> u64 {
        self.0.attempts.load(Ordering::Relaxed)
    }

    /// The host that the link always leads to, if it has a name.
    pub(crate) fn host(&self) -> Option<&str> {
        match &self.0.target {
            Target::At(Address::Tcp(host, _)) | Target::Node(Address::Tcp(host, _)) => Some(host),
            _ => None,
        }
    }

    /// The server's clock, as far as it is known.
    pub(crate) fn clock(&self) -> &ServerClock {
        &self.0.clock
    }

    /// What is told over this link unasked.
    pub(crate) fn news(&self) -> &News {
        &self.0.news
    }

    /// Sends one command.
    pub(crate) async fn send(&self, command: &impl Command) -> Result<Value, Fault> {
        let live = self.ready().await?;
        let cmd = command.at(&self.0.clock).map_err(Fault::Unsent)?;
        self.send_on(live, &cmd).await
    }

    /// Sends one command on this very connection.
    pub(crate) async fn send_on(&self, mut live: Live, cmd: &Cmd) -> Result<Value, Fault> {
        let awaited = self.awaited();
        let answer = live.send(cmd).await;
        awaited.judge(live, answer)
    }

    /// As [`Self::standing`], for one request: who judges its answer puts the handle back.
    pub(crate) fn lent(&self) -> Option<Live> {
        self.0.stock.take().or_else(|| self.standing())
    }

    /// The connection that stands; waiting for a new one is rare, and stays out of everybody's future.
    pub(crate) async fn ready(&self) -> Result<Live, Fault> {
        match self.lent() {
            Some(live) => Ok(live),
            None => Box::pin(self.live()).await.map_err(Fault::Unsent),
        }
    }

    /// An answer is awaited from now on.
    pub(crate) const fn awaited(&self) -> Awaited<'_> {
        Awaited { link: self, came: false }
    }

    /// Sends several commands; each has its own answer, which may be an error.
    pub(crate) async fn send_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        let live = self.ready().await?;
        self.send_all_on(live, pipeline).await
    }

    /// Sends several commands that are made once it is known who gets them.
    pub(crate) async fn send_made(
        &self,
        make: impl FnOnce(&ServerClock) -> Result<Pipeline>,
    ) -> Result<Vec<Value>, Fault> {
        let live = self.ready().await?;
        let pipeline = make(&self.0.clock).map_err(Fault::Unsent)?;
        self.send_all_on(live, &pipeline).await
    }

    async fn send_all_on(&self, mut live: Live, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        let mut awaited = self.awaited();
        let answers = live.send_all(pipeline).await;
        awaited.came = true;
        let answers = match answers {
            Ok(answers) => {
                for answer in &answers {
                    if let Value::ServerError(refusal) = answer {
                        self.0.heed(&live, error::code(refusal));
                    }
                }
                Ok(answers)
            }
            Err(error) => Err(self.lost(&live, error)),
        };
        self.0.stock.put(live);
        answers
    }

    /// Ends the connection that stands; the next request makes another one.
    pub(crate) fn cut(&self) {
        if let Some(live) = self.standing() {
            live.kill();
        }
    }

    /// What it means for the connection that no answer came, or none that could be read.
    fn lost(&self, live: &Live, error: redis::RedisError) -> Fault {
        // After a timeout the keeper asks whether the connection still lives. Where there is none, silence is its end.
        if !self.0.tended || !error.is_timeout() {
            self.0.end(live);
        }
        keeper::look(self);
        self.0.dial.trouble.notify_one();
        Fault::Lost(error)
    }

    /// Lets the connection go, for good, and ends what it told.
    pub(crate) fn close(&self) {
        let mut slot = self.0.slot();
        *slot = Slot::Closed;
        self.0.stock.close();
        drop(slot);
        self.0.news.end();
        self.0.wake.notify_one();
    }

    /// Sees to it that the link is tended, if it is to be.
    fn tend(&self) {
        if self.0.tended
            && let Some(run) = self.0.keeper.begin()
        {
            keeper::start(&self.0, run);
        }
    }

    fn attempt(&self) -> Attempt {
        self.tend();
        let number = self.0.attempts.fetch_add(1, Ordering::Relaxed);
        let (link, weak) = (self.clone(), Arc::downgrade(&self.0));
        let task = tokio::spawn(async move {
            let outcome = link.connect().await;
            link.settle(number, outcome)
        });
        let outcome = task.map(move |ended| {
            ended.unwrap_or_else(|cause| {
                // Its executor ended with it; the next who asks begins anew, on theirs.
                let outcome = Err(error::unreachable(cause));
                let link = weak.upgrade().map(Self);
                link.map_or_else(|| Err(error::closed()), |link| link.settle(number, outcome))
            })
        });
        let (home, began) = (Handle::current().id(), Instant::now());
        Attempt { number, outcome: outcome.boxed().shared(), home, began }
    }

    async fn connect(&self) -> Result<Live> {
        for pause in PAUSES {
            match self.connect_once().await {
                Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
        }
        self.connect_once().await
    }

    async fn connect_once(&self) -> Result<Live> {
        let Inner { target, dial, clock, news, .. } = &*self.0;
        let address = target.address().await?;
        let (inner, sink) = (Arc::downgrade(&self.0), Arc::clone(news));
        let live = dial
            .open(&address, move |push: PushInfo| {
                if push.kind == PushKind::Disconnection
                    && let Some(inner) = inner.upgrade()
                {
                    inner.wake.notify_one();
                }
                sink.push(push);
            })
            .await?;
        target.check(live.facts())?;
        self.0.note_role(live.facts().is_replica);
        clock.read(live.clone()).await?;
        news.restore(&live).await?;
        Ok(live)
    }

    /// Hands the new connection out, unless the link was closed meanwhile, or the attempt given up for another.
    fn settle(&self, number: u64, outcome: Result<Live>) -> Result<Live> {
        let mut slot = self.0.slot();
        match &*slot {
            Slot::Closed => return Err(error::closed()),
            Slot::Connecting(attempt) if attempt.number == number => {}
            Slot::Up(live) if live.is_alive() => return Ok(live.clone()),
            _ => {
                return outcome.and_then(|_| Err(error::unreachable("the connection took too long to make")));
            }
        }
        *slot = match &outcome {
            Ok(live) => Slot::Up(live.clone()),
            Err(_) => Slot::Down,
        };
        self.0.stock.clear();
        drop(slot);
        if outcome.is_ok() {
            self.0.news.resumed(); // what changed while nobody listened is known to nobody
        }
        outcome
    }
}

/// A request whose answer is awaited. A caller that goes away before has the link looked after, as it might be silent.
pub(crate) struct Awaited<'a> {
    link: &'a Link,
    came: bool,
}

impl Awaited<'_> {
    /// What an answer, or that none came, means for the request and for the connection.
    pub(crate) fn judge(mut self, live: Live, answer: redis::RedisResult<Value>) -> Result<Value, Fault> {
        self.came = true;
        let answer = match answer {
            Ok(Value::ServerError(refusal)) => {
                self.link.0.heed(&live, error::code(&refusal));
                Err(Fault::Said(refusal))
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.link.lost(&live, error)),
        };
        self.link.0.stock.put(live);
        answer
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if !self.came {
            keeper::look(self.link);
        }
    }
}

impl Inner {
    fn new(target: Target, dial: Arc<Dial>, news: Arc<News>, tended: bool) -> Self {
        let wake = news.wake();
        Self {
            target,
            dial,
            slot: Mutex::new(Slot::Down),
            attempts: AtomicU64::new(0),
            stock: Stock::default(),
            clock: Arc::new(ServerClock::unread()),
            led_to_master: AtomicBool::new(false),
            news,
            tended,
            keeper: Running::default(),
            prover: Running::default(),
            wake,
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends this connection for all who have it, and says so to who listens.
    fn end(&self, live: &Live) {
        live.kill();
        self.news.lost();
    }

    /// What a refusal says about the connection: a master that became a replica is not the one to talk to. The name or the
    /// sentinels lead to another one, at the latest after a while.
    fn heed(&self, live: &Live, code: &str) {
        if code == "READONLY" && self.target.may_move() && live.age() > SETTLED {
            self.end(live);
            self.wake.notify_one();
        }
    }

    /// Takes note of what the server says it is; whether it is a replica where a master was. Where none ever was, a replica
    /// is what was asked for.
    fn note_role(&self, is_replica: bool) -> bool {
        if !is_replica {
            self.led_to_master.store(true, Ordering::Relaxed);
        }
        is_replica && self.led_to_master.load(Ordering::Relaxed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}
