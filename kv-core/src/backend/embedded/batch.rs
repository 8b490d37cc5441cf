//! Batches of which some places are refused before the engine is asked.

use crate::{Error, Result};

/// The places in a batch whose name or entry was refused, in ascending order, and why.
pub(super) type Refused = Vec<(usize, Error)>;

/// What could be prepared, in order, and what was refused.
pub(super) fn apart<T>(prepared: Vec<Result<T>>) -> (Vec<T>, Refused) {
    let mut refused = Vec::new();
    let mut ready = Vec::with_capacity(prepared.len());
    for (at, prepared) in prepared.into_iter().enumerate() {
        match prepared {
            Ok(one) => ready.push(one),
            Err(e) => refused.push((at, e)),
        }
    }
    (ready, refused)
}

/// The answers for what could be prepared, with each refusal in its own place.
pub(super) fn together<T>(mut answers: Vec<Result<T>>, refused: Refused) -> Vec<Result<T>> {
    for (at, e) in refused {
        answers.insert(at.min(answers.len()), Err(e)); // ascending, so each lands at its own place
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::{apart, together};
    use crate::{Error, ErrorKind};

    #[test]
    fn each_refusal_comes_back_in_its_own_place() {
        let refused = || Err(Error::new(ErrorKind::Invalid, "no"));
        let prepared = vec![refused(), Ok(1), refused(), refused(), Ok(4), refused()];
        let (ready, refused) = apart(prepared);
        assert_eq!(ready, [1, 4]);
        let answers = together(ready.into_iter().map(Ok).collect(), refused);
        let answers: Vec<_> = answers.into_iter().map(Result::ok).collect();
        assert_eq!(answers, [None, Some(1), None, None, Some(4), None]);
    }
}
