//! All servers of a store: single commands to one of them, batches to each its part.

use std::sync::Arc;

use futures_util::future::join_all;
use kv_core::Result;

use crate::config::MemcachedConfig;
use crate::dial::Dialer;
use crate::error;
use crate::link::{Answers, Connection, Link};
use crate::wire::Reply;

/// What one round trip of a batch carries at most: so many commands, about so many bytes.
pub(crate) const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 8 << 20;

/// One command of a batch.
pub(crate) struct Command {
    /// The place of its server.
    pub(crate) server: usize,
    pub(crate) bytes: Vec<u8>,
}

/// The links to all servers.
pub(crate) struct Servers(Vec<Link>);

/// The part of a batch that goes to one server in one round trip.
struct Part {
    commands: Vec<u8>,
    places: Vec<usize>,
}

impl Part {
    fn takes(&self, command: &[u8]) -> bool {
        self.places.len() < BATCH && self.commands.len() + command.len() <= BATCH_BYTES
    }
}

impl Servers {
    pub(crate) fn new(config: MemcachedConfig) -> Result<Self> {
        let servers = config.servers.clone();
        let dialer = Arc::new(Dialer::new(config)?);
        Ok(Self(servers.into_iter().map(|server| Link::new(Arc::clone(&dialer), server)).collect()))
    }

    /// Connects to each.
    pub(crate) async fn connect(&self) -> Result<()> {
        join_all(self.0.iter().map(Link::connect)).await.into_iter().collect()
    }

    /// What each tells of itself.
    pub(crate) async fn inspect(&self) -> Vec<(String, Result<Vec<(String, String)>>)> {
        join_all(self.0.iter().map(Link::inspect)).await
    }

    /// The largest item that every server takes, its own bookkeeping included.
    pub(crate) fn item_size(&self) -> usize {
        self.0.iter().map(Link::item_size).min().unwrap_or_default()
    }

    /// The largest item that one server takes.
    pub(crate) fn item_size_of(&self, server: usize) -> usize {
        self.0.get(server).map_or(0, Link::item_size)
    }

    /// One command to one server.
    pub(crate) async fn ask(&self, server: usize, command: Vec<u8>) -> Result<Reply> {
        self.ask_somebody(server, command).await.map(|(reply, _)| reply)
    }

    /// As `ask`, with the connection that the answer came over.
    pub(crate) async fn ask_somebody(&self, server: usize, command: Vec<u8>) -> Result<(Reply, Connection)> {
        let link = self.0.get(server).ok_or_else(error::unexpected)?;
        let (answers, connection) = link.ask_somebody(command, 1).await?;
        Ok((only(answers)?, connection))
    }

    /// A batch: to each server its commands in order, the servers at the same time. One answer for each, in order.
    pub(crate) async fn ask_all(&self, commands: Vec<Command>) -> Vec<Result<Reply>> {
        let mut answers: Vec<Result<Reply>> = commands.iter().map(|_| Err(error::unexpected())).collect();
        let parts = self.spread(commands);
        let asked = self.0.iter().zip(parts).map(|(link, parts)| ask_parts(link, parts));
        for (places, given) in join_all(asked).await.into_iter().flatten() {
            let Answers { replies, error } = given;
            let rest = error.unwrap_or_else(error::unexpected);
            let replies = replies.into_iter().map(Ok).chain(std::iter::repeat(Err(rest)));
            for (place, reply) in places.into_iter().zip(replies) {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = reply;
                }
            }
        }
        answers
    }

    fn spread(&self, commands: Vec<Command>) -> Vec<Vec<Part>> {
        let mut parts: Vec<Vec<Part>> = self.0.iter().map(|_| Vec::new()).collect();
        for (place, Command { server, bytes }) in commands.into_iter().enumerate() {
            let Some(parts) = parts.get_mut(server) else { continue };
            match parts.last_mut().filter(|part| part.takes(&bytes)) {
                Some(part) => {
                    part.commands.extend_from_slice(&bytes);
                    part.places.push(place);
                }
                None => parts.push(Part { commands: bytes, places: vec![place] }),
            }
        }
        parts
    }

    /// Ends all connections once what was asked has been answered.
    pub(crate) fn end(&self) {
        self.0.iter().for_each(Link::end);
    }
}

/// The answer to a single command.
pub(crate) fn only(Answers { mut replies, error }: Answers) -> Result<Reply> {
    match (replies.pop(), error) {
        (Some(reply), _) => Ok(reply),
        (None, error) => Err(error.unwrap_or_else(error::unexpected)),
    }
}

async fn ask_parts(link: &Link, parts: Vec<Part>) -> Vec<(Vec<usize>, Answers)> {
    let mut answers = Vec::with_capacity(parts.len());
    for Part { commands, places } in parts {
        let given = link.ask(commands, places.len()).await;
        answers.push((places, given));
    }
    answers
}
