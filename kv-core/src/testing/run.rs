//! Runs one law and judges how it ended.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Duration;

use super::{Harness, Report, Verdict};

/// How a law ends that was not broken: shown, or skipped with the reason. A broken law panics.
pub type Shown = Result<(), Skipped>;

/// Why a law does not concern a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped(pub &'static str);

/// The executor that a law runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Four threads, so that races are real.
    Threads,
    /// One thread, so that who does not yield stops everybody.
    Single,
}

/// One entry of the list of laws.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// The group, which is the module.
    pub group: &'static str,
    /// The sentence, which is the function.
    pub name: &'static str,
    /// Where it runs.
    pub runtime: Runtime,
}

/// A law that a harness does not hold, named at the macro.
#[derive(Clone, Copy, Debug)]
pub enum Exception {
    /// It fails every time, by design; if it does not, the exception is stale.
    Breaks(&'static str, &'static str),
    /// It may pass or fail: the store promises nothing here.
    CannotShow(&'static str, &'static str),
}

/// No law takes longer; what hangs is broken.
const PATIENCE: Duration = Duration::from_secs(240);

/// The body of a law for one harness, as the macro hands it over.
pub type Trial<'a> = Pin<Box<dyn Future<Output = Shown> + 'a>>;

/// Runs `law` and records how it ended.
///
/// # Panics
/// If the law is broken and no exception says so, or if an exception is stale.
pub fn run<H: Harness>(
    law: Law,
    exceptions: &[Exception],
    harness: &H,
    trial: impl for<'a> FnOnce(&'a H) -> Trial<'a>,
) {
    let outcome = verdict(law, harness, trial);
    if let Some(problem) = recorded(H::NAME, law, exceptions, outcome) {
        panic!("{}: {}: {problem}", H::NAME, law.name);
    }
}

/// Records how `law` ended for the store of this `name`, and answers what is wrong if anything is: the law is broken and
/// no exception says so, or an exception is stale. For runs of many stores in one test.
pub fn recorded(name: &str, law: Law, exceptions: &[Exception], outcome: Verdict) -> Option<String> {
    let (verdict, problem) = judged(law, exceptions, outcome);
    Report::from_env().add(name, law, &verdict);
    problem
}

/// How `law` ends for `harness`, without regard to exceptions.
///
/// # Panics
/// If no executor can be built.
pub fn verdict<H: Harness>(law: Law, harness: &H, trial: impl for<'a> FnOnce(&'a H) -> Trial<'a>) -> Verdict {
    let runtime = match law.runtime {
        Runtime::Threads => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()
        }
        Runtime::Single => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    let runtime = runtime.expect("an executor");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { tokio::time::timeout(PATIENCE, trial(harness)).await })
    }));
    runtime.shutdown_background();
    match ended {
        Ok(Ok(Ok(()))) => Verdict::Holds,
        Ok(Ok(Err(Skipped(reason)))) => Verdict::NotApplicable(reason.to_owned()),
        Ok(Err(_)) => Verdict::Broken("it did not end in time".to_owned()),
        Err(panic) => Verdict::Broken(said(panic.as_ref())),
    }
}

/// What is recorded, and what is wrong if anything is.
fn judged(law: Law, exceptions: &[Exception], outcome: Verdict) -> (Verdict, Option<String>) {
    let exception = exceptions.iter().find(|exception| exception.law() == law.name);
    match (exception, outcome) {
        (None, Verdict::Broken(how)) => (Verdict::Broken(how.clone()), Some(how)),
        (None, outcome) => (outcome, None),
        (Some(Exception::Breaks(_, why)), Verdict::Broken(_)) => (Verdict::Breaks((*why).to_owned()), None),
        (Some(Exception::Breaks(..)), outcome) => {
            let problem =
                format!("declared as broken, but the law ended as {outcome:?}: the exception is stale");
            (Verdict::Broken(problem.clone()), Some(problem))
        }
        (Some(Exception::CannotShow(_, why)), _) => (Verdict::CannotShow((*why).to_owned()), None),
    }
}

impl Exception {
    fn law(&self) -> &'static str {
        let (Self::Breaks(law, _) | Self::CannotShow(law, _)) = self;
        law
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Exception, Law, Runtime, judged};
    use crate::testing::Verdict;

    const LAW: Law = Law { group: "names", name: "a_law", runtime: Runtime::Single };

    #[test]
    fn a_broken_law_is_a_problem_unless_it_is_declared() {
        let broken = || Verdict::Broken("left != right".to_owned());
        assert!(judged(LAW, &[], broken()).1.is_some());
        assert!(judged(LAW, &[Exception::Breaks("a_law", "why")], broken()).1.is_none());
        assert!(judged(LAW, &[Exception::CannotShow("a_law", "why")], broken()).1.is_none());
        assert!(judged(LAW, &[Exception::Breaks("another", "why")], broken()).1.is_some());
    }

    #[test]
    fn an_exception_is_stale_when_the_law_holds_or_does_not_apply() {
        let breaks = [Exception::Breaks("a_law", "why")];
        assert!(judged(LAW, &breaks, Verdict::Holds).1.is_some());
        assert!(judged(LAW, &breaks, Verdict::NotApplicable("no scan".to_owned())).1.is_some());
        assert!(judged(LAW, &[Exception::CannotShow("a_law", "why")], Verdict::Holds).1.is_none());
    }
}
