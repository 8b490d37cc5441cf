//! Which model is wanted.

/// Which model is wanted: hints, and how much three qualities matter. The client decides.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct ModelPreferences {
    pub(super) hints: Vec<String>,
    pub(super) cost: Option<f64>,
    pub(super) speed: Option<f64>,
    pub(super) intelligence: Option<f64>,
}

impl ModelPreferences {
    /// No preferences.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part of a model's name, such as `sonnet`. The first that fits counts.
    pub fn hint(mut self, name: impl Into<String>) -> Self {
        self.hints.push(name.into());
        self
    }

    /// How much a low price matters, 0 to 1.
    pub fn cost(mut self, priority: f64) -> Self {
        self.cost = Some(priority);
        self
    }

    /// How much a quick answer matters, 0 to 1.
    pub fn speed(mut self, priority: f64) -> Self {
        self.speed = Some(priority);
        self
    }

    /// How much an able model matters, 0 to 1.
    pub fn intelligence(mut self, priority: f64) -> Self {
        self.intelligence = Some(priority);
        self
    }

    /// Whether they are priorities.
    ///
    /// # Errors
    /// The one that is none.
    pub(super) fn check(&self) -> Result<(), String> {
        let all = [("cost", self.cost), ("speed", self.speed), ("intelligence", self.intelligence)];
        let wrong =
            all.into_iter().find(|(_, value)| value.is_some_and(|value| !(0.0..=1.0).contains(&value)));
        wrong.map_or(Ok(()), |(name, _)| Err(format!("the priority of {name} is not between 0 and 1")))
    }
}
