//! Completions of an argument (server/utilities/completion).

/// Completions of an argument, those that fit best first.
///
/// At most 100 are sent. What there is beyond is counted in `total`, and `hasMore` says that there is more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// The values. Of more than 100 the first 100 are sent.
    pub values: Vec<String>,
    /// How many there are in all, if known; where values are left out and this is `None`, the number of `values`.
    pub total: Option<u64>,
    /// Whether there are more than `values`. It need not be said where `total` or the number of `values` says it.
    pub has_more: bool,
}

impl Completion {
    /// These values, all that there are.
    pub fn new<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        Self { values: values.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Those of `candidates` that fit what was typed so far, whatever its case: first those that begin with it, then
    /// those that have it elsewhere, each in the order of `candidates`. All fit nothing.
    ///
    /// ```
    /// use mcp_server::protocol::Completion;
    ///
    /// let completion = Completion::matching("ru", ["Haskell", "Peru", "Ruby", "rust"]);
    /// assert_eq!(completion.values, ["Ruby", "rust", "Peru"]);
    /// ```
    pub fn matching<V: Into<String>>(value: &str, candidates: impl IntoIterator<Item = V>) -> Self {
        let value = value.to_lowercase();
        let (mut begin, mut hold) = (Vec::new(), Vec::new());
        for candidate in candidates {
            let candidate = candidate.into();
            match candidate.to_lowercase().find(&value) {
                Some(0) => begin.push(candidate),
                Some(_) => hold.push(candidate),
                None => {}
            }
        }
        begin.append(&mut hold);
        Self::new(begin)
    }

    /// Says how many there are in all, for values that are only the first of them.
    #[must_use]
    pub const fn total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }

    /// Says that there are more, where nobody knows how many.
    #[must_use]
    pub const fn and_more(mut self) -> Self {
        self.has_more = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Completion;

    fn matching(value: &str, candidates: &[&str]) -> Vec<String> {
        Completion::matching(value, candidates.iter().copied()).values
    }

    #[test]
    fn what_begins_with_the_value_goes_before_what_holds_it() {
        assert_eq!(matching("py", &["numpy", "Python", "rust", "pypy"]), ["Python", "pypy", "numpy"]);
        assert_eq!(matching("PY", &["numpy", "Python"]), ["Python", "numpy"]);
        assert!(matching("pythonic", &["Python"]).is_empty());
    }

    #[test]
    fn nothing_typed_yet_fits_all_in_their_order() {
        assert_eq!(matching("", &["b", "a"]), ["b", "a"]);
    }

    #[test]
    fn case_is_that_of_all_scripts() {
        assert_eq!(matching("ÜB", &["über", "Übung"]), ["über", "Übung"]);
        assert_eq!(matching("стр", &["Стрела"]), ["Стрела"]);
    }
}
