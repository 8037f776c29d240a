//! Execution providers: the one asked for, and the one a session runs on.
//!
//! Pure names; `start` tries them out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a session is asked to run on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionProvider {
    /// CUDA where it works, else the CPU; the reason is logged and kept.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA, or an error.
    Cuda,
}

impl ExecutionProvider {
    /// All of them, in the order of the help text.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Cpu, Self::Cuda];

    /// "auto", "cpu" or "cuda".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for ExecutionProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that no execution provider has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("execution provider {0:?} is none of auto, cpu, cuda")]
pub struct NotAnExecutionProvider(String);

impl FromStr for ExecutionProvider {
    type Err = NotAnExecutionProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.name() == text)
            .ok_or_else(|| NotAnExecutionProvider(text.to_owned()))
    }
}

/// What a session runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum ProviderInUse {
    /// The CPU.
    Cpu {
        /// Why it is not CUDA; `None` when the CPU was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// CUDA.
    Cuda,
}

impl ProviderInUse {
    /// "cpu" or "cuda".
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Cpu { .. } => "cpu",
            Self::Cuda => "cuda",
        }
    }

    /// Why the session fell back to the CPU, if it did.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Cpu { reason } => reason.as_deref(),
            Self::Cuda => None,
        }
    }
}

impl fmt::Display for ProviderInUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_read_by_its_own_name_and_no_other() {
        for provider in ExecutionProvider::ALL {
            assert_eq!(provider.to_string().parse(), Ok(provider));
        }
        let error = "CUDA12".parse::<ExecutionProvider>().unwrap_err();
        assert_eq!(error.to_string(), "execution provider \"CUDA12\" is none of auto, cpu, cuda");
    }
}
