//! Pages that a person is sent to, asked for by a handler: each with a ticket by which the page finds out who sent them
//! (client/elicitation, "URL Mode" and "Phishing").

use serde::Serialize;
use serde_json::{Value, json};

use super::pages::{Elicitation, Issued};
use super::question::Question;
use super::{AskError, Asking, Elicited};
use crate::protocol::{Failure, Json, Revision, code};
use crate::{Context, Request};

/// A page of yours that a person is sent to: where they enter a secret, pay, or log in elsewhere.
///
/// The person comes there with a ticket in the query of the URL (`ticket`), by which the page finds out through
/// [`Pages::open`](crate::Pages::open) that it is the same person who was asked. The ticket alone lets nobody in: the page
/// finds out by itself who opens it, such as by a login.
#[derive(Clone)]
pub struct Page {
    url: String,
    holds: Value,
}

impl Page {
    /// The page at `url`, a whole `https://` URL, or `http://` on this machine. It must hold nothing about the person.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), holds: Value::Null }
    }

    /// What the page is told when it is opened, kept on the server: the client never sees it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn holding(mut self, data: &impl Serialize) -> serde_json::Result<Self> {
        self.holds = serde_json::to_value(data)?;
        Ok(self)
    }

    fn question(&self, message: &str, ticket: &str) -> Result<Question, AskError> {
        let url = with_ticket(&self.url, ticket);
        Question::url(message, &url).map_err(|wrong| AskError::misused(wrong.to_string()))
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, holds: _ } = self; // what it holds may be a secret
        f.debug_struct("Page").field("url", url).finish_non_exhaustive()
    }
}

impl Context {
    /// Asks the person to open a page of yours, which finds out that it is the same person.
    ///
    /// That they accepted says that they agreed to open it: what happened there is known to the page alone, so look whether
    /// it is done, and say so where it is not. On 2025-11-25 the page can tell the client that it is done
    /// ([`Pages::complete`](crate::Pages::complete)).
    ///
    /// # Errors
    /// As for [`Context::elicit`]; where the caller is anonymous, since nobody could be found to be the same; for what is
    /// no absolute URL; and where the store fails.
    pub async fn elicit_page(
        &self,
        message: impl AsRef<str> + Send,
        page: &Page,
    ) -> Result<Elicited<()>, AskError> {
        self.unnamed().elicit_page(message, page).await
    }

    /// As [`Context::elicit_page`], for what the request cannot do without: on 2025-11-25 it ends the request with the error
    /// -32042, and the client sends it again when the page is done. Other revisions know no such error.
    ///
    /// Look first whether it is done already, or no request ever gets past it:
    ///
    /// ```
    /// # use mcp_server::{AskError, Context, Page};
    /// # async fn key_of(_: &Context) -> Option<String> { None }
    /// async fn key(ctx: &Context) -> Result<Option<String>, AskError> {
    ///     if let Some(key) = key_of(ctx).await {
    ///         return Ok(Some(key));
    ///     }
    ///     let page = Page::new("https://mcp.example/connect");
    ///     ctx.require_page("Connect your account to go on.", &page).await?;
    ///     Ok(key_of(ctx).await) // `None`: they agreed, and are not done yet
    /// }
    /// ```
    ///
    /// # Errors
    /// As there, and that one ([`AskError::is_page_required`]), to be passed on.
    pub async fn require_page(
        &self,
        message: impl AsRef<str> + Send,
        page: &Page,
    ) -> Result<Elicited<()>, AskError> {
        let asking = self.unnamed();
        if self.revision() != Revision::V2025_11_25 {
            return asking.elicit_page(message, page).await;
        }
        asking.may_send_to(message.as_ref(), page)?;
        let issued = asking.issue(page).await?;
        let question = page.question(message.as_ref(), &issued.ticket)?;
        Err(required(&question.params_for(self.revision(), issued.elicitation.id())))
    }
}

impl Asking<'_> {
    /// As [`Context::elicit_page`].
    ///
    /// # Errors
    /// As there.
    pub async fn elicit_page(
        self,
        message: impl AsRef<str> + Send,
        page: &Page,
    ) -> Result<Elicited<()>, AskError> {
        let message = message.as_ref();
        self.may_send_to(message, page)?;
        if self.context().request().revision.is_stateless() {
            let key = self.round_key()?;
            let issued = self.issued_in_round(&key, page).await?;
            return self.in_rounds(key, page.question(message, &issued.ticket)?).await;
        }
        let issued = self.issue(page).await?;
        let id = issued.elicitation.id().to_owned();
        self.on_stream(page.question(message, &issued.ticket)?, id).await
    }

    fn may_send_to(&self, message: &str, page: &Page) -> Result<(), AskError> {
        const ANONYMOUS: &str = "an anonymous caller cannot be sent to a page: nobody could find out that the same person \
                                 opens it";
        self.allowed(&page.question(message, "")?)?;
        if self.context().request().principal.is_anonymous() {
            Err(AskError::misused(ANONYMOUS))
        } else {
            Ok(())
        }
    }

    /// One ticket for all rounds: the question is the same in each.
    async fn issued_in_round(&self, key: &str, page: &Page) -> Result<Issued, AskError> {
        if let Some(issued) = self.context().round().page(key) {
            return issued.to().map_err(|_| unkept());
        }
        let issued = self.issue(page).await?;
        self.context().round().keep_page(key, &Json::of(&issued).map_err(|_| unkept())?);
        Ok(issued)
    }

    async fn issue(&self, page: &Page) -> Result<Issued, AskError> {
        let request = self.context().request();
        self.context().pages().issue(&request.principal, page.holds.clone(), told_in(request)).await
    }
}

/// The session that can be told that a page is done: 2025-11-25 alone has a notification for it.
fn told_in(request: &Request) -> Option<String> {
    let session = request.session.as_ref().filter(|_| request.revision == Revision::V2025_11_25)?;
    Some(session.key(&request.principal))
}

pub(super) fn unkept() -> AskError {
    AskError::misused("internal error")
}

/// 2025-11-25, client/elicitation, "URL Elicitation Required Error".
fn required(elicitation: &Json) -> AskError {
    let data = json!({ "elicitations": [elicitation] });
    let failure =
        Failure::new(code::URL_ELICITATION_REQUIRED, "this needs something of the person on a page first");
    AskError::page_required(failure.with_data(data))
}

/// The URL with the ticket in its query, before its fragment.
fn with_ticket(url: &str, ticket: &str) -> String {
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let joint = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let mut whole = format!("{url}{joint}{}={ticket}", Elicitation::PARAMETER);
    if let Some(fragment) = fragment {
        whole.push('#');
        whole.push_str(fragment);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::{Page, with_ticket};

    #[test]
    fn the_ticket_stands_in_the_query_of_any_url() {
        for (url, expected) in [
            ("https://a.example", "https://a.example?ticket=t"),
            ("https://a.example/c?", "https://a.example/c?ticket=t"),
            ("https://a.example/c?x=1", "https://a.example/c?x=1&ticket=t"),
            ("https://a.example/c?x=1&", "https://a.example/c?x=1&ticket=t"),
            ("https://a.example/c#top?", "https://a.example/c?ticket=t#top?"),
        ] {
            assert_eq!(with_ticket(url, "t"), expected);
        }
    }

    #[test]
    fn what_a_page_holds_stands_in_no_debug_output() {
        let page = Page::new("https://a.example").holding(&"s3cret").unwrap();
        assert!(!format!("{page:?}").contains("s3cret"));
    }
}
