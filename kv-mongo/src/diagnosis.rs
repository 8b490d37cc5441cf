//! What `larder doctor` is told.

use std::time::{SystemTime, UNIX_EPOCH};

use kv_core::{Diagnose, Finding, Judge, Store as _};
use mongodb::bson::{Document, doc};

use crate::MongoStore;

impl Diagnose for MongoStore {
    async fn diagnose(&self) -> Vec<Finding> {
        let hello = self.inner().database().run_command(doc! { "hello": 1 }).into_future();
        let mut findings = Vec::new();
        let asked = now_ms();
        match self.inner().in_time(hello).await {
            Ok(hello) => {
                findings.push(server(&hello));
                let judges = self.capabilities().judge == Judge::Caller;
                findings.extend(clock(&hello, asked.midpoint(now_ms()), judges));
            }
            Err(_) => findings.push(Finding::bad(
                "server",
                "it does not answer `hello`",
                "is it running, and may this machine reach it?",
            )),
        }
        for warning in &self.inner().link.warnings {
            findings.push(Finding::notice("collection", warning.clone(), "see docs/backends/mongodb.md"));
        }
        findings
    }
}

fn server(hello: &Document) -> Finding {
    let version = hello.get("maxWireVersion").map(ToString::to_string).unwrap_or_default();
    match hello.get_str("setName") {
        Ok(set) => Finding::good("server", format!("replica set {set}, wire version {version}")),
        Err(_) if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") => {
            Finding::good("server", format!("sharded, wire version {version}"))
        }
        Err(_) => Finding::notice(
            "server",
            format!("it stands alone, wire version {version}"),
            "a replica set keeps what was acknowledged when a server is lost; of one server alone a crash may cost the \
             last 100 ms",
        ),
    }
}

fn clock(hello: &Document, ours: i64, judges: bool) -> Option<Finding> {
    let server = hello.get_datetime("localTime").ok()?.timestamp_millis();
    Some(Finding::clock(server - ours, judges))
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use kv_core::Verdict;
    use mongodb::bson::{DateTime, doc};

    use super::{clock, server};

    #[test]
    fn a_server_alone_and_a_clock_that_is_off_are_told_of() {
        assert_eq!(server(&doc! { "maxWireVersion": 21 }).verdict, Verdict::Notice);
        assert_eq!(server(&doc! { "maxWireVersion": 21, "setName": "rs0" }).verdict, Verdict::Good);
        let hello = doc! { "localTime": DateTime::from_millis(10_000) };
        assert_eq!(clock(&hello, 10_020, false).unwrap().verdict, Verdict::Good);
        assert_eq!(clock(&hello, 60_000, false).unwrap().verdict, Verdict::Notice);
        assert!(clock(&doc! {}, 0, false).is_none());
    }
}
