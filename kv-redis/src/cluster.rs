//! A cluster: which node owns which slot, and what to do when that changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use kv_core::{ErrorKind, Outcome, Result};
use redis::{ServerError, Value};

use crate::error::{self, Fault};
use crate::link::{Address, AnyOf, Dial, Link, Target};
use crate::names::Names;
use crate::news::News;
use crate::node::{Node, Wait};
use crate::running::Running;
use crate::server;
use crate::wire::Command;

mod map;

pub(crate) use map::Map;
use map::Owner;

/// How often a command follows a key that moves.
pub(crate) const FOLLOWS: usize = 5;
/// A map that is younger is not asked for again because of a node that is down.
const FRESH: Duration = Duration::from_millis(100);
/// While no node answers, the map is asked for at least so often when one is in trouble.
const RARELY: Duration = Duration::from_secs(5);
/// The map is asked for so often in any case: what only listens meets no sign that it is old.
const OFTEN: Duration = Duration::from_secs(60);
/// How long those that were asked for the map may be silent before more of them are asked.
const STAGGER: Duration = Duration::from_millis(50);

/// The nodes of a cluster. A command goes to the owner of its key's slot, over that node's one connection.
#[derive(Debug)]
pub(crate) struct Cluster {
    map: RwLock<Arc<Map>>,
    /// Any node, for signals, which reach all nodes.
    pub(crate) any: Arc<AnyOf>,
    seeds: Vec<Address>,
    dial: Arc<Dial>,
    names: Names,
    wait: Option<Wait>,
    asking: Mutex<Asking>,
    watch: Running,
    closed: AtomicBool,
}

/// One task at a time asks for the map, for all who wait for it.
#[derive(Debug, Default)]
struct Asking {
    question: Option<Shared<BoxFuture<'static, Result<()>>>>,
    /// When the map last came.
    came: Option<Instant>,
}

/// Whether a command writes, which decides how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Read,
    Write,
}

impl Cluster {
    /// A cluster that can be reached by `seeds`; its map is read before this returns.
    pub(crate) async fn open(
        seeds: Vec<Address>,
        dial: Arc<Dial>,
        names: Names,
        wait: Option<Wait>,
    ) -> Result<Arc<Self>> {
        let any = Arc::new(AnyOf::default());
        any.set(seeds.clone());
        let cluster = Arc::new(Self {
            map: RwLock::default(),
            any,
            seeds,
            dial,
            names,
            wait,
            asking: Mutex::default(),
            watch: Running::default(),
            closed: AtomicBool::new(false),
        });
        cluster.refresh(None).await?;
        cluster.watch();
        Ok(cluster)
    }

    pub(crate) fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The owner of a key, as far as is known.
    pub(crate) fn owner(&self, key: &[u8]) -> Option<Arc<Node>> {
        self.map().owner_of(key).cloned()
    }

    /// Sends a command of one key to its owner, wherever that is by now.
    pub(crate) async fn send(
        self: &Arc<Self>,
        key: &[u8],
        command: &impl Command,
        way: Way,
    ) -> Result<Value, Fault> {
        self.watch();
        let mut next = None;
        for _ in 0..FOLLOWS {
            let map = self.map();
            let Some(node) = next.take().or_else(|| map.owner_of(key).cloned()) else {
                self.refresh(Some(&map)).await.map_err(Fault::Unsent)?;
                continue;
            };
            let fault = match run(&node, command, way).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            match fault {
                Fault::Said(refusal) if refusal.code() == "MOVED" => {
                    self.refresh(Some(&map)).await.map_err(Fault::Unsent)?;
                    next = self.pointed(&refusal, &node);
                }
                Fault::Said(refusal) if refusal.code() == "ASK" => {
                    let Some(address) = map::redirected(&refusal, node.link.host()) else {
                        return Err(Fault::Said(refusal));
                    };
                    return self.ask(&address, command, way).await;
                }
                // Neither was executed: perhaps another node owns the key since.
                fault @ (Fault::Unsent(_) | Fault::Said(_)) if fault.is_homeless() => {
                    self.refresh(Some(&map)).await.map_err(Fault::Unsent)?;
                    if self.owner(key).is_none_or(|owner| Arc::ptr_eq(&owner, &node)) {
                        return Err(fault);
                    }
                }
                fault => return Err(fault),
            }
        }
        Err(Fault::Unsent(moving()))
    }

    /// Reads the map anew, unless somebody did since `seen`. It is read to the end also if who asked goes away.
    pub(crate) async fn refresh(self: &Arc<Self>, seen: Option<&Arc<Map>>) -> Result<()> {
        let question = {
            let mut asking = self.asking();
            let is_old = seen.is_some_and(|seen| !Arc::ptr_eq(seen, &self.map()));
            if is_old || asking.came.is_some_and(|came| came.elapsed() < FRESH) {
                return Ok(());
            }
            asking.question.get_or_insert_with(|| self.question()).clone()
        };
        question.await
    }

    fn question(self: &Arc<Self>) -> Shared<BoxFuture<'static, Result<()>>> {
        let (cluster, weak) = (Arc::clone(self), Arc::downgrade(self));
        let task = tokio::spawn(async move {
            let learnt = cluster.learn().await;
            let mut asking = cluster.asking();
            asking.question = None;
            if learnt.is_ok() {
                asking.came = Some(Instant::now());
            }
            learnt
        });
        let outcome = task.map(move |ended| {
            ended.unwrap_or_else(|cause| {
                // Its executor ended with it; the next who asks begins anew, on theirs.
                if let Some(cluster) = weak.upgrade() {
                    cluster.asking().question = None;
                }
                Err(error::unreachable(cause))
            })
        });
        outcome.boxed().shared()
    }

    async fn learn(&self) -> Result<()> {
        let owners = self.ask_anybody().await?;
        let map = Arc::new(self.map().renewed(owners, |id, address| self.node(id, address)));
        self.any.set(map.nodes.iter().filter_map(|node| node.address.clone()).collect());
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = map;
        if self.closed.load(Ordering::SeqCst) {
            self.close();
        }
        Ok(())
    }

    /// Sees to it that the map is read anew whenever a connection is in trouble, since those whose requests met it may have
    /// gone away, and once in a while.
    fn watch(self: &Arc<Self>) {
        let Some(run) = self.watch.begin() else { return };
        let (weak, dial) = (Arc::downgrade(self), Arc::clone(&self.dial));
        tokio::spawn(async move {
            let _run = run;
            let mut pause = FRESH;
            loop {
                if tokio::time::timeout(OFTEN, dial.trouble.notified()).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
                let Some(cluster) = weak.upgrade() else { return };
                if cluster.closed.load(Ordering::SeqCst) {
                    return;
                }
                pause = match cluster.refresh(None).await {
                    Ok(()) => FRESH,
                    Err(_) => (pause * 2).min(RARELY),
                };
            }
        });
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.map().nodes.iter().for_each(|node| node.close());
        self.dial.trouble.notify_one();
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, id: String, address: &Address) -> Arc<Node> {
        let news = Arc::new(News::new(self.names.clone()));
        let target = || Target::Node(address.clone());
        let link = Link::new(target(), Arc::clone(&self.dial), news, true);
        Arc::new(Node::new(id, Some(address.clone()), link, self.wait, target, &self.names))
    }

    /// A link for one question.
    fn passing(&self, address: &Address) -> Link {
        let news = Arc::new(News::new(self.names.clone()));
        Link::new(Target::Node(address.clone()), Arc::clone(&self.dial), news, false)
    }

    /// The owners of all slots, as the first node that answers knows them. A silent one holds nobody up. One that calls the
    /// cluster down may have been cut off from it, with a map of its own: it is believed where no other says more.
    async fn ask_anybody(&self) -> Result<Vec<Owner>> {
        let mut last = error::not_done(ErrorKind::Unavailable, "no node of the cluster is known");
        let mut spare: Option<Told> = None;
        let mut known: Vec<_> = self.map().nodes.iter().map(|node| node.link.clone()).collect();
        known.sort_by_key(|link| link.standing().is_none());
        let seeds = self.seeds.iter().map(|seed| self.passing(seed)); // made only once nobody known answers
        let mut links = known.into_iter().chain(seeds);
        let mut asked = FuturesUnordered::new();
        loop {
            let before = asked.len();
            asked.extend(links.by_ref().take(before.max(1)).map(owners));
            let are_all_asked = asked.len() == before;
            let answer = match tokio::time::timeout(STAGGER, asked.next()).await {
                // Those who are silent know no better.
                Err(_) if spare.is_some() && are_all_asked => break,
                Err(_) => continue,
                Ok(None) => break,
                Ok(Some(answer)) => answer,
            };
            match answer {
                Ok(told) if told.is_up => return Ok(told.owners),
                Ok(told) if spare.as_ref().is_none_or(|spare| spare.epoch < told.epoch) => spare = Some(told),
                Ok(_) => {}
                Err(error) => last = error.with_outcome(Outcome::NotDone),
            }
        }
        spare.map(|told| told.owners).ok_or(last)
    }

    /// The node that this one points to, if it does and that is known.
    pub(crate) fn pointed(&self, refusal: &ServerError, node: &Node) -> Option<Arc<Node>> {
        self.at(&map::redirected(refusal, node.link.host())?)
    }

    /// The node at this address, if it is known.
    fn at(&self, address: &Address) -> Option<Arc<Node>> {
        self.map().nodes.iter().find(|node| node.address.as_ref() == Some(address)).cloned()
    }

    /// Sends a command to the node that is about to own its key.
    async fn ask(&self, address: &Address, command: &impl Command, way: Way) -> Result<Value, Fault> {
        let node = self.at(address).unwrap_or_else(|| self.node(String::new(), address));
        node.ask(command, way).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.dial.trouble.notify_one(); // who watches ends
    }
}

/// A key was followed as often as it is.
pub(crate) fn moving() -> kv_core::Error {
    error::not_done(ErrorKind::Unavailable, "the key moves within the cluster")
}

async fn run(node: &Node, command: &impl Command, way: Way) -> Result<Value, Fault> {
    match way {
        Way::Read => node.read(command).await,
        Way::Write => node.write(command).await,
    }
}

/// What a node tells of its cluster.
struct Told {
    owners: Vec<Owner>,
    /// Whether it takes requests there.
    is_up: bool,
    /// Of what it knows; more is newer.
    epoch: u64,
}

async fn owners(link: Link) -> Result<Told> {
    let live = link.live().await?;
    let answer = link.send_on(live.clone(), &server::slots()).await?;
    let owners = map::read(&answer, link.host()).ok_or_else(error::nonsense)?;
    if owners.is_empty() {
        return Err(error::not_done(ErrorKind::Unavailable, "the cluster owns no slots yet"));
    }
    let (is_up, epoch) = match link.send_on(live, &server::cluster_info()).await {
        Ok(info) => server::state_of_cluster(&info),
        Err(_) => (true, 0), // it may be asked for its map alone
    };
    Ok(Told { owners, is_up, epoch })
}
