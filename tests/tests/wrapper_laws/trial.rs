//! All laws, one after the other, for one stack.

use kv_core::testing::{Exception, Law, Runtime, Trial, Verdict, recorded, verdict};

use super::stack::Stack;

type Run = fn(&Stack) -> Trial<'_>;

macro_rules! laws {
    (; $($group:ident { $($law:ident: $runtime:ident,)* })*) => {
        const LAWS: &[(Law, Run)] = &[$($((
            Law { group: stringify!($group), name: stringify!($law), runtime: Runtime::$runtime },
            |stack| Box::pin(kv_core::testing::laws::$group::$law(stack)),
        ),)*)*];
    };
}

kv_core::each_law!([laws]);

/// Runs all laws and records them under `name`.
pub(crate) fn pass(name: &str, stack: &Stack, exceptions: &[Exception]) {
    let problems: Vec<String> = LAWS
        .iter()
        .filter_map(|(law, run)| {
            let problem = recorded(name, *law, exceptions, verdict(*law, stack, run));
            problem.map(|problem| format!("{}: {problem}", law.name))
        })
        .collect();
    assert!(problems.is_empty(), "{name}: {problems:#?}");
}

/// Runs all laws; none may be broken.
pub(crate) fn hold(stack: &Stack) {
    let broken = broken(stack);
    assert!(broken.is_empty(), "{}: {broken:#?}", stack.name());
}

/// Which laws are broken, and how.
pub(crate) fn broken(stack: &Stack) -> Vec<String> {
    let broken = LAWS.iter().filter_map(|(law, run)| match verdict(*law, stack, run) {
        Verdict::Broken(how) => Some(format!("{}: {how}", law.name)),
        _ => None,
    });
    broken.collect()
}
