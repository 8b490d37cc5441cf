//! Answers that may be used again, kept in the server's store.

mod kept;
mod key;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kv_cache::{Cache, Filled, Hit, Lookup, Miss, SingleFlight, Statistics};
use kv_core::AnyStore;

use self::kept::{Kept, KeptEncoding};
use self::key::key;
use crate::dispatch::Dispatcher;
use crate::protocol::{Hints, WireForm, rendered};
use crate::running::{Abandoned, Running};
use crate::server::LONGEST;
use crate::{
    Answer, CachePolicy, Components, Error, Middleware, Next, Operation, Rendered, Reply, Request, Result,
};

/// Answers calls of tools, reads of resources and prompts from the server's store, where that was allowed.
///
/// Nothing is cached unless a lifetime is declared for it: by `#[tool(cache = "60s")]`, by `.cache(..)` of a component,
/// or here by name. Answers belong to the principal that asked (to its session where nobody is authenticated; without a session,
/// as on 2026-07-28, nothing of such callers is kept or shared), unless declared public; to the definition of the component, so
/// that a deploy never answers from the old code; and to the exact arguments, whatever the order of their keys. Errors, failed calls and questions are never kept, and rights are checked before any kept answer is
/// used. Callers that ask for the same at once share one run; log and progress of it go to the first of them.
///
/// A store that fails makes every call run, and costs no answer.
pub struct ResponseCache(Arc<Inner>);

struct Inner {
    policies: HashMap<Cached, HashMap<String, CachePolicy>>,
    only: HashMap<Cached, HashSet<String>>,
    never: HashMap<Cached, HashSet<String>>,
    max_item_bytes: usize,
    caches: Arc<OnceLock<Caches>>,
    flights: SingleFlight<String, Answer>,
}

/// What can be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cached {
    /// Calls of tools, by the tool's name.
    Tools,
    /// Reads of resources, by the URI that is read.
    Resources,
    /// Prompts, by the prompt's name.
    Prompts,
}

struct Caches {
    tools: KeptCache,
    resources: KeptCache,
    prompts: KeptCache,
}

type KeptCache = Cache<Kept, KeptEncoding>;

/// What a response cache has done since it was made, by method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Of `tools/call`.
    pub tools: Statistics,
    /// Of `resources/read`.
    pub resources: Statistics,
    /// Of `prompts/get`.
    pub prompts: Statistics,
}

/// Reads the statistics of a response cache that was given to a server. Cheap to clone.
#[derive(Clone)]
pub struct StatisticsReader(Arc<OnceLock<Caches>>);

impl ResponseCache {
    /// A cache of what components declare, of items up to 1 MiB.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            policies: HashMap::new(),
            only: HashMap::new(),
            never: HashMap::new(),
            max_item_bytes: 1 << 20,
            caches: Arc::default(),
            flights: SingleFlight::new(),
        }))
    }

    /// Declares a lifetime for a component by name, in place of what it declares itself.
    #[must_use]
    pub fn declare(mut self, kind: Cached, name: impl Into<String>, policy: CachePolicy) -> Self {
        self.change(|inner| inner.policies.entry(kind).or_default().insert(name.into(), policy).is_some());
        self
    }

    /// Caches of this kind only what is named, of what has a lifetime. No names at all is no limit.
    #[must_use]
    pub fn only<N: Into<String>>(mut self, kind: Cached, names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.change(|inner| inner.only.entry(kind).or_default().extend(names));
        self
    }

    /// Never caches what is named, also where it is named by [`ResponseCache::only`].
    #[must_use]
    pub fn never<N: Into<String>>(mut self, kind: Cached, names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.change(|inner| inner.never.entry(kind).or_default().extend(names));
        self
    }

    /// The largest answer that is kept, in bytes; a larger one is sent and runs again next time. The default is 1 MiB.
    #[must_use]
    pub fn max_item_bytes(mut self, bytes: usize) -> Self {
        self.change(|inner| inner.max_item_bytes = bytes);
        self
    }

    /// Reads what the cache has done, also once it was given to a server.
    pub fn statistics(&self) -> StatisticsReader {
        StatisticsReader(Arc::clone(&self.0.caches))
    }

    /// Settings change only while the cache is built and nobody shares it.
    fn change<T>(&mut self, change: impl FnOnce(&mut Inner) -> T) {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
    }
}

impl Default for ResponseCache {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for ResponseCache {
    fn check(&self, components: &Components<'_>) -> Result<()> {
        let declared = self.0.policies.iter();
        let declared =
            declared.flat_map(|(kind, named)| named.iter().map(move |(name, policy)| (kind, name, policy)));
        for (kind, name, policy) in declared {
            if policy.ttl.is_zero() || policy.ttl > LONGEST {
                return Err(Error::new(format!(
                    "the lifetime declared for {kind:?} {name:?} must be more than zero and at most 100 years"
                )));
            }
        }
        let unknown = self.0.named().find(|(kind, name)| !kind.has(components, name));
        unknown.map_or(Ok(()), |(kind, name)| {
            Err(Error::new(format!(
                "the response cache names {name:?}, which is none of this server's {kind:?}: correct or remove it"
            )))
        })
    }

    fn handle(&self, request: Request, next: Next) -> impl Future<Output = Answer> + Send {
        let plan = self.0.plan(&request, next.dispatcher());
        let request = Box::new(request); // a hit only looks at it
        async move {
            match plan {
                Some(plan) => self.answer(plan, request, next).await,
                None => next.run(*request).await,
            }
        }
    }
}

/// How one request is cached.
struct Plan {
    kind: Cached,
    policy: CachePolicy,
    key: String,
}

impl Plan {
    fn hints(&self, next: &Next) -> Option<Hints> {
        matches!(self.kind, Cached::Resources)
            .then(|| Hints::new(millis(self.policy.ttl), next.dispatcher().scope(self.policy.public)))
    }
}

impl ResponseCache {
    async fn answer(&self, plan: Plan, request: Box<Request>, next: Next) -> Answer {
        let cache = self.0.cache(plan.kind, next.dispatcher().cache());
        match cache.look(&plan.key).await {
            Ok(hit) => kept(hit, request.revision.form(), plan.hints(&next)),
            Err(miss) => {
                let (cache, key) = (cache.clone(), plan.key.clone());
                self.0.flights.join(key, move || missed(cache, plan, miss, request, next)).await
            }
        }
    }
}

/// An answer from the store.
fn kept(hit: Hit<Kept>, form: WireForm, hints: Option<Hints>) -> Answer {
    let left = hit.ttl.map_or(0, millis);
    Rendered::new(form, hit.value.0, hints.map(|hints| Hints::new(left, hints.scope))).into()
}

/// Runs the component and keeps what it answers.
async fn missed(
    cache: KeptCache,
    plan: Plan,
    miss: Miss<Kept>,
    mut request: Box<Request>,
    next: Next,
) -> Answer {
    let (form, hints) = (request.revision.form(), plan.hints(&next));
    let lease = match cache.claim(&plan.key, miss).await {
        Lookup::Hit(hit) => return kept(hit, form, hints),
        Lookup::Miss(lease) => lease,
    };
    request.public = plan.policy.public;
    // Shared: whoever began it may leave while others wait.
    request.exchange = request.exchange.shared();
    let exchange = request.exchange.clone();
    let answer = Running::new(Box::pin(next.run(*request)), exchange.clone(), Abandoned::Cancelled).await;
    if !may_be_kept(&answer) || exchange.has_asked() {
        lease.abandon().await;
        return answer;
    }
    let Answer::Done(reply) = answer else { return answer };
    let rendered = rendered(&reply, form);
    let filled = lease.fill_for(&Kept(rendered.bytes().clone()), Some(plan.policy.ttl)).await;
    let hints = if filled == Filled::Stored { hints } else { hints.map(|hints| Hints::new(0, hints.scope)) };
    rendered.with_hints(hints).into()
}

fn may_be_kept(answer: &Answer) -> bool {
    match answer {
        Answer::Done(Reply::Tool(result)) => !result.is_error,
        Answer::Done(Reply::Resource(_) | Reply::Prompt(_)) => true,
        _ => false,
    }
}

impl Cached {
    fn has(self, components: &Components<'_>, name: &str) -> bool {
        match self {
            Self::Tools => components.has_tool(name),
            Self::Resources => components.has_resource(name),
            Self::Prompts => components.has_prompt(name),
        }
    }
}

impl Inner {
    /// Every component that the settings name.
    fn named(&self) -> impl Iterator<Item = (Cached, &str)> {
        let listed = self.only.iter().chain(&self.never);
        let listed = listed.flat_map(|(kind, names)| names.iter().map(|name| (*kind, name.as_str())));
        let declared = self.policies.iter();
        let declared = declared.flat_map(|(kind, named)| named.keys().map(|name| (*kind, name.as_str())));
        declared.chain(listed)
    }

    /// How this request is cached; `None` is not at all.
    fn plan(&self, request: &Request, dispatcher: &Dispatcher) -> Option<Plan> {
        let kind = match &request.operation {
            Operation::CallTool { .. } => Cached::Tools,
            Operation::ReadResource { .. } => Cached::Resources,
            Operation::GetPrompt { .. } => Cached::Prompts,
            _ => return None,
        };
        if request.resumed.is_some() {
            return None; // answers to questions belong to one flow
        }
        let name = request.operation.target()?;
        let facts = dispatcher.registry_of(request).facts(&request.operation)?;
        let declared = self.policies.get(&kind).and_then(|named| named.get(name)).copied().or(facts.cache);
        let policy = declared.filter(|policy| !policy.ttl.is_zero() && self.admits(kind, name))?;
        let key = key(dispatcher.name(), &facts.fingerprint, policy.public, request)?;
        Some(Plan { kind, policy, key })
    }

    /// Exclusion goes before inclusion; an empty inclusion is none.
    fn admits(&self, kind: Cached, name: &str) -> bool {
        let never = self.never.get(&kind).is_some_and(|names| names.contains(name));
        let only = self.only.get(&kind).filter(|names| !names.is_empty());
        !never && only.is_none_or(|names| names.contains(name))
    }

    fn cache(&self, kind: Cached, store: &AnyStore) -> &KeptCache {
        let caches = self.caches.get_or_init(|| {
            let cache = |name: &str| {
                Cache::with_encoding(store.clone(), name, KeptEncoding).max_item_bytes(self.max_item_bytes)
            };
            Caches {
                tools: cache("cache/tools"),
                resources: cache("cache/resources"),
                prompts: cache("cache/prompts"),
            }
        });
        match kind {
            Cached::Tools => &caches.tools,
            Cached::Resources => &caches.resources,
            Cached::Prompts => &caches.prompts,
        }
    }
}

impl StatisticsReader {
    /// What the cache has done; all zero before the first request.
    pub fn read(&self) -> CacheStatistics {
        self.0.get().map_or_else(CacheStatistics::default, |caches| CacheStatistics {
            tools: caches.tools.statistics(),
            resources: caches.resources.statistics(),
            prompts: caches.prompts.statistics(),
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCache")
            .field("max_item_bytes", &self.0.max_item_bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StatisticsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}
