//! AWS Lambda: how its answers are sent.

use clap::{Args, ValueEnum};

/// Whether this is Lambda.
#[derive(Debug, Clone, Args)]
pub struct LambdaRuntimeArgs {
    /// Address of Lambda's runtime API, set by Lambda: the function then answers events and opens no
    /// port
    #[arg(long, env = "AWS_LAMBDA_RUNTIME_API", value_name = "ADDRESS")]
    pub lambda_runtime_api: Option<String>,
}

/// AWS Lambda, behind an HTTP front.
#[derive(Debug, Clone, Args)]
pub struct LambdaArgs {
    /// Whether this is Lambda.
    #[command(flatten)]
    pub runtime: LambdaRuntimeArgs,
    /// How Lambda is answered: buffered, or streaming as the function's URL must then be set up
    #[arg(long, env = "DUOLIP_LAMBDA_RESPONSE", default_value = "buffered", value_name = "MODE")]
    pub lambda_response: LambdaResponseMode,
}

/// How a function's answer reaches its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LambdaResponseMode {
    /// As one JSON document of at most 6 MB.
    Buffered,
    /// Piece by piece, up to 200 MB.
    Streaming,
}

impl LambdaRuntimeArgs {
    /// Whether Lambda runs this process.
    #[must_use]
    pub fn is_lambda(&self) -> bool {
        self.lambda_runtime_api.as_deref().is_some_and(|address| !address.is_empty())
    }
}
