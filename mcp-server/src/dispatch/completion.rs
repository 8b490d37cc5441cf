//! From a completion to the completer of its argument (server/utilities/completion).

use super::{Dispatcher, failed, ready};
use crate::component::{CompletionContext, Manner, TextArguments, unknown};
use crate::middleware::BoxFuture;
use crate::protocol::{Completion, Failure, Json};
use crate::registry::{Referred, unknown_reference};
use crate::request::PartialArgument;
use crate::{Answer, Context, Operation, Reply, Request};

/// The longest value that is completed, in bytes.
const MAX_VALUE: usize = 64 << 10;

impl Dispatcher {
    pub(super) fn complete(&self, request: Request) -> BoxFuture<Answer> {
        let Operation::Complete { reference, argument, chosen } = &request.operation else {
            return failed(Failure::internal());
        };
        if let Err(too_many) = self.0.completing.draw(&request.principal, 1) {
            return failed(too_many.failure("completions"));
        }
        let registry = self.registry_of(&request);
        let Some(referred) = registry.referred(reference) else {
            return failed(unknown_reference(reference));
        };
        let known = request.revision.has_completion_context().then_some(chosen);
        let chosen = match checked(&referred, argument, known) {
            Ok(chosen) => chosen,
            Err(failure) => return failed(failure),
        };
        let Some(completer) = referred.completer(&argument.name).cloned() else {
            return ready(Answer::Done(Reply::Completion(Completion::default())));
        };
        let value = argument.value.to_string();
        let context = Context::new(request, self.clone(), false);
        self.guarded(
            context,
            move |context| completer.complete(value, CompletionContext::new(context, chosen)),
            Manner::default(),
            |completion| match completion {
                Ok(completion) => Answer::Done(Reply::Completion(completion)),
                Err(failure) => Answer::Failed(failure),
            },
        )
    }
}

/// What was chosen for other arguments, once all that the client sent is checked. A name in `chosen` that is none of
/// the arguments is passed over; what the client says of an argument goes before what the reference holds.
fn checked(
    referred: &Referred,
    argument: &PartialArgument,
    chosen: Option<&Json>,
) -> Result<TextArguments, Failure> {
    let names = referred.arguments();
    if !names.contains(&&*argument.name) {
        return Err(Failure::invalid_params(unknown(&argument.name, &names)));
    }
    if argument.value.len() > MAX_VALUE {
        return Err(Failure::invalid_params(
            "argument.value is too long to be completed: send at most 64 KiB",
        ));
    }
    let chosen: TextArguments = chosen
        .map_or_else(|| Ok(TextArguments::default()), Json::to)
        .map_err(|_| Failure::invalid_params("context.arguments must be an object of strings"))?;
    let other = |name: &str| name != &*argument.name && names.contains(&name);
    Ok(chosen.or(referred.values()).only(other))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{MAX_VALUE, checked};
    use crate::component::{Parameters, Prompt, PromptArgument, ResourceTemplate, TextArguments};
    use crate::protocol::{Json, code};
    use crate::registry::Referred;
    use crate::request::PartialArgument;

    fn prompt() -> Referred {
        let arguments = ["language", "framework"].map(PromptArgument::required);
        Referred::Prompt(Arc::new(Prompt::new("p", arguments, |_, _| async { "x" })))
    }

    fn json(text: &'static str) -> Json {
        Json::parse(text.into()).unwrap()
    }

    #[test]
    fn the_others_of_its_arguments_are_known_and_nothing_else() {
        let argument = PartialArgument::new("framework", "fl");
        let chosen = json(r#"{"language":"python","framework":"old","colour":"red"}"#);
        let expected: TextArguments = [("language", "python")].into_iter().collect();
        assert_eq!(checked(&prompt(), &argument, Some(&chosen)), Ok(expected));
        assert_eq!(checked(&prompt(), &argument, None), Ok(TextArguments::default()));
    }

    #[test]
    fn what_the_client_says_goes_before_what_its_uri_holds() {
        let template = ResourceTemplate::new("a://{b}/{c}/{d}", |_, _, _| async { "x" }).unwrap();
        let values: Parameters = [("b", "1"), ("c", "2"), ("d", "3")].into_iter().collect();
        let referred = Referred::Template(Arc::new(template), values);
        let chosen = checked(&referred, &PartialArgument::new("d", ""), Some(&json(r#"{"b":"7"}"#)));
        assert_eq!(chosen, Ok([("b", "7"), ("c", "2")].into_iter().collect()));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_never_repeated_whole() {
        let long = "x".repeat(MAX_VALUE);
        assert!(checked(&prompt(), &PartialArgument::new("language", long.clone()), None).is_ok());
        for (argument, chosen, told) in [
            (PartialArgument::new("lang", ""), "{}", "unknown argument `lang`, did you mean `language`?"),
            (PartialArgument::new(long.clone(), ""), "{}", "unknown argument `xxx"),
            (PartialArgument::new("language", long + "x"), "{}", "argument.value is too long"),
            (
                PartialArgument::new("language", ""),
                r#"{"a":1}"#,
                "context.arguments must be an object of strings",
            ),
        ] {
            let failure = checked(&prompt(), &argument, Some(&json(chosen))).unwrap_err();
            assert_eq!(failure.code, code::INVALID_PARAMS);
            assert!(failure.message.starts_with(told) && failure.message.len() < 300, "{failure}");
        }
    }
}
