//! Lambda: schedules, queues and maps over a manifest, answered by one warm engine.

use std::time::Duration;

use duolip_pipeline::CancellationToken;
use duolip_service::batch::{
    BatchSettings, Manifest, Results, Status, Tally, run as run_batch, run_one, warm,
};
use duolip_service::config::{BatchArgs, Config};
use duolip_service::serve::asked_to_stop;
use duolip_service::service::Service;
use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
use serde_json::{Map, Value, json};

use crate::event::{Event, Message};
use crate::told;

/// The most that is kept before the function's deadline, in which a schedule begins no more jobs: time
/// for those under way. Of a short function it is a quarter.
const RESERVE: Duration = Duration::from_mins(2);

/// Answers Lambda's events until SIGTERM: a job under way then ends with its files, and Lambda hands
/// its event to another. The engine is built first, within Lambda's initialisation.
///
/// # Errors
/// When the settings do not fit together or Lambda's runtime API does not answer.
pub(crate) async fn run(args: &BatchArgs, config: Config) -> anyhow::Result<()> {
    let settings = args.settings(&config).map_err(anyhow::Error::msg)?;
    let service = warm(config).await?;
    let function = Function { service, settings };
    let answered = lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let function = function.clone();
        async move { Box::pin(function.answer(event)).await }
    }));
    tokio::select! {
        answered = answered => answered.map_err(|error| anyhow::anyhow!(error)),
        () = asked_to_stop() => Ok(()),
    }
}

#[derive(Clone)]
struct Function {
    service: Service,
    settings: BatchSettings,
}

impl Function {
    async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        match Event::read(event.payload)? {
            Event::Schedule { manifest, results } => {
                self.schedule(&manifest, &results, &event.context).await
            }
            Event::Queue(messages) => Ok(self.queue(messages).await),
            Event::Item(object) => {
                let result = run_one(&self.service, object, &self.settings).await;
                // The invocation's error, so that the map tries again.
                if result.status == Status::Error && (result.retryable || result.ours) {
                    return Err(result.line.trim_end().to_owned().into());
                }
                Ok(serde_json::from_str(&result.line)?)
            }
            Event::Items(items) => {
                // Each has its own result: what is done is not done again for another's failure.
                let mut results = Vec::with_capacity(items.len());
                for item in items {
                    let result = run_one(&self.service, object(item), &self.settings).await;
                    results.push(serde_json::from_str(&result.line)?);
                }
                Ok(Value::Array(results))
            }
        }
    }

    /// Renders what is left of a manifest. Jobs that cannot be begun in time are left for the next
    /// event; the answer says how many.
    async fn schedule(
        &self,
        manifest: &str,
        results: &str,
        context: &Context,
    ) -> Result<Value, Error> {
        let delivery = &self.service.config().delivery;
        let opened = Manifest::open(manifest, delivery).await?;
        let kept = Results::open(results, self.settings.shard, delivery).await?;
        let stop = CancellationToken::new();
        let in_time = stop.clone();
        let left = context.deadline().duration_since(std::time::SystemTime::now());
        let left = left.unwrap_or_default();
        let left = left.saturating_sub(RESERVE.min(left / 4));
        let timer = tokio::spawn(async move {
            tokio::time::sleep(left).await;
            in_time.cancel();
        });
        // Boxed: the whole of a job lies in it.
        let ran = run_batch(&self.service, opened, kept, &self.settings, &stop, told);
        let ran = Box::pin(ran).await;
        timer.abort();
        let Tally { ok, failed, before, left } = ran?;
        Ok(json!({"ok": ok, "failed": failed, "before": before, "left": left, "results": results}))
    }

    /// Renders the messages one after the other. Those whose error may pass, or is ours, stay in the
    /// queue; a message that is wrong would fail again, so it is logged and done.
    async fn queue(&self, messages: Vec<Message>) -> Value {
        let mut failures = Vec::new();
        for Message { id, body } in messages {
            let parsed = serde_json::from_str(&body).unwrap_or(Value::String(body));
            let result = run_one(&self.service, object(parsed), &self.settings).await;
            tracing::info!(message = id, result = result.line.trim_end(), "message done");
            if result.retryable || result.ours {
                failures.push(json!({"itemIdentifier": id}));
            }
        }
        json!({"batchItemFailures": failures})
    }
}

/// What is no object has no id, and is refused for that.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
