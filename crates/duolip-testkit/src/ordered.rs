//! The cause of every failure that a test orders.

/// A failure that a test ordered, with a cause of its own where the chain matters.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OrderedFailure {
    message: String,
    source: Option<Box<OrderedFailure>>,
}

impl OrderedFailure {
    /// A failure without a cause.
    #[must_use]
    pub fn new(message: &str) -> Self {
        Self { message: message.to_owned(), source: None }
    }

    /// The same failure, caused by `message`.
    #[must_use]
    pub fn because(self, message: &str) -> Self {
        Self { source: Some(Box::new(Self::new(message))), ..self }
    }
}
