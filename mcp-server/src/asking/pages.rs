//! The tickets with which people come to pages: each is opened once, by whom it was made for.

use std::fmt;
use std::time::Duration;

use kv_core::{AnyStore, Collection, StoreExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::left::Left;
use super::page::unkept;
use super::{AskError, random};
use crate::hub::Hub;
use crate::replica::Replica;
use crate::session::hex;
use crate::{Error, Principal, Result};

/// How long a ticket may wait to be used.
const EXPIRY: Duration = Duration::from_secs(3600);

/// The pages that people were sent to by [`Context::elicit_page`](crate::Context::elicit_page), for whoever serves these
/// pages: any process with the same store. Cheap to clone. From [`Service::pages`](crate::Service::pages).
#[derive(Clone)]
pub struct Pages {
    /// By principal and ticket, so that a ticket is there for one principal alone.
    tickets: Collection<Kept>,
    hub: Hub,
    replica: Replica,
    left: Left,
}

/// A page that was opened by the person who was sent there.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened<T> {
    /// What was given by [`Page::holding`](crate::Page::holding).
    pub holds: T,
    /// What to tell [`Pages::complete`] when all is done.
    pub elicitation: Elicitation,
}

/// A question that sent somebody to a page. It can be kept until all is done there, such as while the person logs in
/// elsewhere: on the server, not in a URL.
#[derive(Clone, Serialize, Deserialize)]
pub struct Elicitation {
    id: String,
    /// What the session that asked is known by in the store, where it can be told.
    session: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    elicitation: Elicitation,
    holds: Value,
}

/// A ticket, and the question that it belongs to.
#[derive(Serialize, Deserialize)]
pub(super) struct Issued {
    pub(super) ticket: String,
    pub(super) elicitation: Elicitation,
}

impl Pages {
    pub(crate) fn new(store: &AnyStore, hub: Hub, replica: Replica, left: Left) -> Self {
        Self { tickets: store.clone().collection("asking/pages").ttl(EXPIRY), hub, replica, left }
    }

    /// What the page of this `ticket` was given, for the person who was sent there: `None` where another one opens it, where
    /// the ticket was used before or is older than an hour, and for what is no ticket. All of these look the same.
    ///
    /// `opened_by` is who the page itself found out to be there, by its own login or the like, never by the URL. Only
    /// where it is the principal of the MCP request does the ticket open, once; others who try use nothing up.
    ///
    /// # Errors
    /// The store failed, or what the page holds is no `T`.
    pub async fn open<T: DeserializeOwned>(
        &self,
        ticket: &str,
        opened_by: &Principal,
    ) -> Result<Option<Opened<T>>> {
        let Some(Kept { elicitation, holds }) = self.tickets.take(&key(opened_by, ticket)).await? else {
            return Ok(None);
        };
        let holds = serde_json::from_value(holds)
            .map_err(|error| Error::new("a page holds something else than was asked for").because(error))?;
        Ok(Some(Opened { holds, elicitation }))
    }

    /// Tells the client that all is done on the page (`notifications/elicitation/complete` of 2025-11-25), so that it goes
    /// on by itself. Only the session that asked is told, on its open stream. On a store that is shared that stream may be
    /// another process's: it is told soon, and not at all where the store fails meanwhile. Other revisions have nothing of
    /// the kind; then nothing is told.
    pub fn complete(&self, elicitation: &Elicitation) {
        if let Some(session) = &elicitation.session
            && !self.hub.completed(session, &elicitation.id)
        {
            self.replica.completed(session, &elicitation.id);
        }
    }

    /// A ticket for `principal`.
    ///
    /// # Errors
    /// That one has left too much in the store already; the store failed.
    pub(super) async fn issue(
        &self,
        principal: &Principal,
        holds: Value,
        session: Option<String>,
    ) -> Result<Issued, AskError> {
        self.left.entry(principal, holds.to_string().len()).map_err(AskError::left_too_much)?;
        let (ticket, elicitation) = (random(), Elicitation { id: random(), session });
        let kept = Kept { elicitation: elicitation.clone(), holds };
        match self.tickets.create(&key(principal, &ticket), &kept).await {
            Ok(_) => Ok(Issued { ticket, elicitation }),
            Err(error) => {
                tracing::error!(%error, "the ticket to a page could not be kept");
                Err(unkept())
            }
        }
    }
}

impl Elicitation {
    /// The query parameter that holds the ticket.
    pub const PARAMETER: &'static str = "ticket";

    /// The id under which the client knows the question on 2025-11-25 (`elicitationId`).
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The ticket itself is not in the store: who reads that can open nothing.
fn key(principal: &Principal, ticket: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"larder page ticket");
    hash.update(principal.key());
    hash.update(ticket.as_bytes());
    hex(&hash.finalize())
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl fmt::Debug for Elicitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, session: _ } = self; // the session is somebody's
        f.debug_struct("Elicitation").field("id", id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use kv_core::AnyStore;
    use kv_memory::MemoryStore;
    use serde_json::json;

    use super::Pages;
    use crate::Principal;
    use crate::asking::{LEFT, Left};
    use crate::hub::Hub;
    use crate::replica::Replica;

    fn in_memory() -> Pages {
        let store = AnyStore::new(MemoryStore::new());
        Pages::new(&store, Hub::default(), Replica::new(&store), Left::new(LEFT))
    }

    #[tokio::test]
    async fn a_ticket_opens_once_and_for_whom_it_was_made_alone() {
        let pages = in_memory();
        let (ada, eve) = (Principal::user("i", "ada"), Principal::user("i", "eve"));
        let issued = pages.issue(&ada, json!({ "room": "Oak" }), None).await.unwrap();
        for (ticket, who) in
            [(&*issued.ticket, &eve), (&*issued.ticket, &Principal::local()), ("other", &ada), ("", &ada)]
        {
            assert!(pages.open::<serde_json::Value>(ticket, who).await.unwrap().is_none(), "{ticket}");
        }
        let opened = pages.open::<serde_json::Value>(&issued.ticket, &ada).await.unwrap().unwrap();
        assert_eq!(opened.holds, json!({ "room": "Oak" }));
        assert_eq!(opened.elicitation.id(), issued.elicitation.id());
        assert!(pages.open::<serde_json::Value>(&issued.ticket, &ada).await.unwrap().is_none(), "twice");
    }

    #[tokio::test]
    async fn what_a_page_holds_in_another_shape_is_told_without_it() {
        let pages = in_memory();
        let ada = Principal::user("i", "ada");
        let issued = pages.issue(&ada, json!("s3cret"), None).await.unwrap();
        let error = pages.open::<Vec<u8>>(&issued.ticket, &ada).await.unwrap_err();
        assert!(!error.to_string().contains("s3cret"));
    }
}
