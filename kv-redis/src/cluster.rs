//! A cluster: which node owns which slot, and what to do when that changes.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kv_core::{ErrorKind, Outcome, Result};
use redis::{Cmd, Pipeline, ServerError, Value};

use crate::error::{self, Fault};
use crate::link::{Address, AnyOf, Dial, Link, Target};
use crate::names::Names;
use crate::news::News;
use crate::node::{Node, Wait};
use crate::server;

mod map;

pub(crate) use map::Map;
use map::{Owner, slot_of};

/// How often a command follows a key that moves.
const FOLLOWS: usize = 5;
/// A map that is younger is not asked for again because of a node that is down.
const FRESH: Duration = Duration::from_millis(100);

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
    /// One at a time asks for the map; when it last came.
    asking: tokio::sync::Mutex<Option<Instant>>,
    closed: Mutex<bool>,
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
    ) -> Result<Self> {
        let any = Arc::new(AnyOf::default());
        any.set(seeds.clone());
        let cluster = Self {
            map: RwLock::default(),
            any,
            seeds,
            dial,
            names,
            wait,
            asking: tokio::sync::Mutex::new(None),
            closed: Mutex::new(false),
        };
        cluster.refresh(None).await?;
        Ok(cluster)
    }

    pub(crate) fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The owner of a key, as far as is known.
    pub(crate) fn owner(&self, key: &[u8]) -> Option<Arc<Node>> {
        self.map().owner(slot_of(key)).cloned()
    }

    /// Sends a command of one key to its owner, wherever that is by now.
    pub(crate) async fn send(&self, key: &[u8], cmd: &Cmd, way: Way) -> Result<Value, Fault> {
        let mut next = None;
        for _ in 0..FOLLOWS {
            let map = self.map();
            let Some(node) = next.take().or_else(|| map.owner(slot_of(key)).cloned()) else {
                self.refresh(Some(&map)).await.map_err(Fault::Unsent)?;
                continue;
            };
            let fault = match run(&node, cmd, way).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            match fault {
                Fault::Said(refusal) if refusal.code() == "MOVED" => {
                    self.refresh(Some(&map)).await.map_err(Fault::Unsent)?;
                    next = self.named(&refusal);
                }
                Fault::Said(refusal) if refusal.code() == "ASK" => return self.ask(&refusal, cmd, way).await,
                // Neither was executed: perhaps another node owns the key since.
                fault @ (Fault::Unsent(_) | Fault::Said(_)) if is_homeless(&fault) => {
                    self.refresh(Some(&map)).await.map_err(Fault::Unsent)?;
                    if self.owner(key).is_none_or(|owner| Arc::ptr_eq(&owner, &node)) {
                        return Err(fault);
                    }
                }
                fault => return Err(fault),
            }
        }
        Err(Fault::Unsent(error::not_done(ErrorKind::Unavailable, "the key moves within the cluster")))
    }

    /// Reads the map anew, unless somebody did since `seen`.
    pub(crate) async fn refresh(&self, seen: Option<&Arc<Map>>) -> Result<()> {
        let mut last = self.asking.lock().await;
        let is_old = seen.is_some_and(|seen| !Arc::ptr_eq(seen, &self.map()));
        if is_old || last.is_some_and(|last| last.elapsed() < FRESH) {
            return Ok(());
        }
        let owners = self.ask_anybody().await?;
        let map = self.map().renewed(owners, |id, address| self.node(id, address));
        self.any.set(map.nodes.iter().filter_map(|node| node.address.clone()).collect());
        *last = Some(Instant::now());
        let map = Arc::new(map);
        if *self.closed.lock().unwrap_or_else(PoisonError::into_inner) {
            map.nodes.iter().for_each(|node| node.close());
        }
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = map;
        Ok(())
    }

    pub(crate) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.map().nodes.iter().for_each(|node| node.close());
    }

    fn node(&self, id: String, address: &Address) -> Arc<Node> {
        let news = Arc::new(News::new(self.names.clone()));
        let target = || Target::Node(address.clone());
        let link = Link::new(target(), Arc::clone(&self.dial), news, true);
        let (dial, names) = (&self.dial, &self.names);
        Arc::new(Node::new(id, Some(address.clone()), link, self.wait, target, dial, names))
    }

    /// A link for one question.
    fn passing(&self, address: &Address) -> Link {
        let news = Arc::new(News::new(self.names.clone()));
        Link::new(Target::Node(address.clone()), Arc::clone(&self.dial), news, false)
    }

    /// The owners of all slots, as the first node that answers knows them.
    async fn ask_anybody(&self) -> Result<Vec<Owner>> {
        let map = self.map();
        let mut last = error::not_done(ErrorKind::Unavailable, "no node of the cluster is known");
        let known = map.nodes.iter().map(|node| node.link.clone());
        let seeds = self.seeds.iter().map(|seed| self.passing(seed)); // made only once nobody known answers
        for link in known.chain(seeds) {
            match owners(&link).await {
                Ok(owners) if owners.is_empty() => {
                    last = error::not_done(ErrorKind::Unavailable, "the cluster owns no slots yet");
                }
                Ok(owners) => return Ok(owners),
                Err(error) => last = error.with_outcome(Outcome::NotDone),
            }
        }
        Err(last)
    }

    /// The node that a redirection names, if it is known.
    fn named(&self, refusal: &ServerError) -> Option<Arc<Node>> {
        let address = map::redirected(refusal)?;
        self.map().nodes.iter().find(|node| node.address.as_ref() == Some(&address)).cloned()
    }

    /// Sends a command to the node that is about to own its key.
    async fn ask(&self, refusal: &ServerError, cmd: &Cmd, way: Way) -> Result<Value, Fault> {
        let node = match (self.named(refusal), map::redirected(refusal)) {
            (Some(node), _) => node,
            (None, Some(address)) => self.node(String::new(), &address),
            (None, None) => return Err(Fault::Said(refusal.clone())),
        };
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.cmd("ASKING").add_command(cmd.clone());
        let answers = match way {
            Way::Read => node.read_all(&pipeline).await?,
            Way::Write => node.write_all(&mut pipeline).await?,
        };
        match answers.into_iter().nth(1) {
            Some(Value::ServerError(refusal)) => Err(Fault::Said(refusal)),
            Some(answer) => Ok(answer),
            None => Err(Fault::Unsent(error::nonsense())),
        }
    }
}

/// Whether the fault may come from a node that does not own the key any more.
fn is_homeless(fault: &Fault) -> bool {
    match fault {
        Fault::Unsent(error) => error.kind() == ErrorKind::Unavailable,
        Fault::Said(refusal) => matches!(refusal.code(), "READONLY" | "CLUSTERDOWN" | "MASTERDOWN"),
        Fault::Lost(_) | Fault::Unconfirmed => false,
    }
}

async fn run(node: &Node, cmd: &Cmd, way: Way) -> Result<Value, Fault> {
    match way {
        Way::Read => node.read(cmd).await,
        Way::Write => node.write(cmd).await,
    }
}

async fn owners(link: &Link) -> Result<Vec<Owner>> {
    let live = link.live().await?;
    let answer = link.send_on(live, &server::slots()).await?;
    map::read(&answer, link.host()).ok_or_else(error::nonsense)
}
