//! `larder doctor`: whether a store works, and what whoever runs it should know.

mod advice;
mod trial;

use std::time::{Duration, Instant};

use clap::Args;
use kv_core::{AnyStore, Finding, Store as _, StoreUrl, Verdict};
use larder::platform;
use serde_json::json;

use crate::kv::output::Output;
use crate::kv::resolved;
use crate::settings::{Level, LogSettings};
use crate::store::Program;
use crate::url_argument::UrlArgument;
use crate::{Failure, logging, serve, store};

/// Arguments of `larder doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "It writes a few entries into the collection `larder-doctor`, which live for a minute at most, and \
                  removes them. Exit status 1 if something is wrong."
)]
pub(crate) struct Doctor {
    /// The store: a URL, `default`, @FILE or $NAME that holds a URL
    url: UrlArgument,

    /// Write nothing, make nothing: only look
    #[arg(long)]
    read_only: bool,

    /// Answer as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        logging::start(&LogSettings { log_level: Level::Error, json_logs: false });
        let url = resolved(&self.url, "URL")?;
        let started = Instant::now();
        // A directory that holds no store is mistyped; what a server lacks may be made by who tries it.
        let opened = if self.read_only || store::is_directory(&url) {
            platform::diagnose_existing(&Program, &url).await
        } else {
            platform::diagnose(&Program, &url).await
        };
        let took = started.elapsed();
        let (store, of_backend) = match opened {
            Ok(opened) => opened,
            Err(error) if trial::is_mistake(&error) => {
                return Err(store::failure(&url, &self.url.place("URL"), error));
            }
            Err(error) => {
                self.answer(&[trial::unopened(&url, &error)])?;
                return Err(Failure::new("the store did not open"));
            }
        };
        let findings = self.examine(&url, &store, took, of_backend).await;
        serve::close(&store).await;
        self.answer(&findings)?;
        match findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count() {
            0 => Ok(()),
            bad => Err(Failure::new(format!("{bad} of {} findings are bad", findings.len()))),
        }
    }

    async fn examine(
        &self,
        url: &str,
        store: &AnyStore,
        took: Duration,
        of_backend: Vec<Finding>,
    ) -> Vec<Finding> {
        let capabilities = store.capabilities();
        let mut findings = vec![Finding::good("opens", format!("{}, in {}", capabilities.backend, ms(took)))];
        findings.extend(of_backend);
        if !capabilities.writable {
            let advice = "ask the store that it stands before, where something is to be written";
            findings.push(Finding::notice("round trip", "this store is only read", advice));
        } else if !self.read_only {
            findings.extend(trial::writes(store).await);
        }
        findings.extend(trial::lists(store).await);
        let sealed = StoreUrl::parse(url).is_ok_and(|url| url.reserved().encrypt.is_some());
        findings.extend(advice::on(capabilities, sealed));
        findings
    }

    fn answer(&self, findings: &[Finding]) -> Result<(), Failure> {
        let mut output = Output::new();
        for Finding { about, verdict, found, advice, .. } in findings {
            if self.json {
                let verdict = match verdict {
                    Verdict::Good => "good",
                    Verdict::Notice => "notice",
                    Verdict::Bad => "bad",
                };
                output
                    .json(&json!({ "about": about, "verdict": verdict, "found": found, "advice": advice }))?;
                continue;
            }
            let mark = match verdict {
                Verdict::Good => "ok  ",
                Verdict::Notice => "note",
                Verdict::Bad => "BAD ",
            };
            output.bytes(format!("{mark}  {about}: {found}\n").as_bytes())?;
            if let Some(advice) = advice {
                output.bytes(format!("      -> {advice}\n").as_bytes())?;
            }
        }
        output.flush().map(drop)
    }
}

/// Milliseconds to the hundredth.
fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}
