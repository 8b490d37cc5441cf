//! For each law a fault that it catches: a law that no fault can break checks nothing.
//!
//! Each law is run against a healthy store, where it must hold, and against the same store with the fault that stands
//! beside it in the table, where it must fail. A law without a fault does not pass.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::pin::Pin;
use std::time::Duration;

use kv_core::Clock;
use kv_core::testing::{Harness, Held, Law, ReferenceStore, Runtime, Shown, Size, Verdict, verdict};

use fault::Fault;
use faulty::Faulty;

mod fault;
mod faulty;
mod table;

/// Makes stores that have one fault.
struct Bench {
    fault: Fault,
    clock: Clock,
}

impl Harness for Bench {
    type Store = Faulty<ReferenceStore>;
    const NAME: &'static str = "faulty";

    async fn empty(&self) -> Self::Store {
        Faulty::new(ReferenceStore::new(&self.clock), self.fault)
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn size(&self) -> Size {
        Size { batch: 2_000, patience: Duration::from_secs(3), ..Size::SMALL }
    }

    async fn sibling(&self, store: &Self::Store) -> Option<Self::Store> {
        Some(store.sibling())
    }

    async fn held(&self, store: &Self::Store) -> Option<Held> {
        Some(store.inner().held())
    }

    async fn full(&self) -> Option<Self::Store> {
        Some(Faulty::new(ReferenceStore::with_max_bytes(&self.clock, 16 << 10), self.fault))
    }
}

fn with_fault(
    law: Law,
    fault: Fault,
    trial: impl for<'a> Fn(&'a Bench) -> Pin<Box<dyn Future<Output = Shown> + 'a>>,
) -> Verdict {
    verdict(law, &Bench { fault, clock: Clock::manual() }, |bench| trial(bench))
}

/// Runs a law against the healthy store and against its fault.
fn bites(law: Law, trial: impl for<'a> Fn(&'a Bench) -> Pin<Box<dyn Future<Output = Shown> + 'a>>) {
    let fault =
        table::fault_of(law.name).unwrap_or_else(|| panic!("{} has no fault that it catches", law.name));
    assert_eq!(with_fault(law, Fault::None, &trial), Verdict::Holds, "{} fails on a healthy store", law.name);
    let found = with_fault(law, fault, &trial);
    assert!(matches!(found, Verdict::Broken(_)), "{} does not see {fault:?}: {found:?}", law.name);
}

macro_rules! bite {
    (; $($group:ident { $($law:ident: $runtime:ident,)* })*) => {
        /// The names of all laws.
        const LAWS: &[&str] = &[$($(stringify!($law),)*)*];

        $($(
            #[test]
            fn $law() {
                let law =
                    Law { group: stringify!($group), name: stringify!($law), runtime: Runtime::$runtime };
                bites(law, |bench| Box::pin(kv_core::testing::laws::$group::$law(bench)));
            }
        )*)*
    };
}

kv_core::each_law!([bite]);

#[test]
fn the_table_of_faults_names_each_law_once_and_no_other() {
    let mut named: Vec<_> = table::BITES.iter().map(|(law, _)| *law).collect();
    let mut laws = LAWS.to_vec();
    named.sort_unstable();
    laws.sort_unstable();
    assert_eq!(named, laws);
    assert!(laws.len() >= 60);
}

#[test]
fn a_take_in_two_steps_passes_the_sequential_law_and_fails_the_racing_one() {
    use kv_core::testing::laws::{atomic, races};

    let law = |name| Law { group: "atomic", name, runtime: Runtime::Threads };
    let sequential = with_fault(law("take_gives_the_value_once"), Fault::TakeInTwoSteps, |bench| {
        Box::pin(atomic::take_gives_the_value_once(bench))
    });
    assert_eq!(sequential, Verdict::Holds);
    let racing = with_fault(law("of_racing_takes_one_gets_the_entry"), Fault::TakeInTwoSteps, |bench| {
        Box::pin(races::of_racing_takes_one_gets_the_entry(bench))
    });
    assert!(matches!(racing, Verdict::Broken(_)));
}
