//! Events of Lambda, told apart by what they hold.

use serde_json::{Map, Value};

/// What a Lambda event asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// A schedule: the jobs of a manifest.
    Schedule {
        /// Where the manifest lies.
        manifest: String,
        /// Where its results go.
        results: String,
    },
    /// Messages of a queue, each a line of a manifest.
    Queue(Vec<Message>),
    /// One item of a map over a manifest.
    Item(Map<String, Value>),
    /// Several of them.
    Items(Vec<Value>),
}

/// A message of a queue.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    /// What the queue calls it.
    pub(crate) id: String,
    /// A line of a manifest.
    pub(crate) body: String,
}

/// An event that this function has no answer to.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "this function takes a schedule's event with \"manifest\", messages of SQS, and items of a map with \"id\"; this event is {seen}"
)]
pub(crate) struct UnknownEvent {
    seen: String,
}

/// How many names of an unknown event are told.
const NAMES_TOLD: usize = 12;

impl Event {
    /// Reads an event. A schedule of EventBridge may carry its input in `detail`.
    ///
    /// # Errors
    /// [`UnknownEvent`], which tells the names that were seen.
    pub(crate) fn read(event: Value) -> Result<Self, UnknownEvent> {
        let Value::Object(mut event) = event else {
            let seen = if event.is_array() { "a list" } else { "a single value" };
            return Err(UnknownEvent { seen: seen.to_owned() });
        };
        if let Some(messages) = messages(&event) {
            return Ok(Self::Queue(messages));
        }
        if let Some(Value::Array(items)) = event.get_mut("Items") {
            return Ok(Self::Items(std::mem::take(items)));
        }
        let detail = event.get("detail").and_then(Value::as_object);
        for names in [Some(&event), detail].into_iter().flatten() {
            if let Some(manifest) = names.get("manifest").and_then(Value::as_str) {
                let results = names.get("results").and_then(Value::as_str);
                let results = results.map_or_else(|| beside(manifest), str::to_owned);
                return Ok(Self::Schedule { manifest: manifest.to_owned(), results });
            }
        }
        if event.contains_key("id") && !event.contains_key("detail-type") {
            return Ok(Self::Item(event));
        }
        let names: Vec<_> = event.keys().take(NAMES_TOLD).map(String::as_str).collect();
        Err(UnknownEvent { seen: format!("an object with {}", names.join(", ")) })
    }
}

fn messages(event: &Map<String, Value>) -> Option<Vec<Message>> {
    let read = |record: &Value| {
        if record["eventSource"] != "aws:sqs" {
            return None;
        }
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        Some(Message { id: text("messageId")?, body: text("body")? })
    };
    event.get("Records")?.as_array()?.iter().map(read).collect()
}

/// Results that nobody gave a place.
fn beside(manifest: &str) -> String {
    format!("{}.results.jsonl", manifest.trim_end_matches(".jsonl"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_event_is_told_by_what_it_holds() {
        let schedule = |manifest: &str, results: &str| Event::Schedule {
            manifest: manifest.to_owned(),
            results: results.to_owned(),
        };
        let read = |event| Event::read(event).unwrap();
        assert_eq!(
            read(json!({"manifest": "s3://b/m.jsonl"})),
            schedule("s3://b/m.jsonl", "s3://b/m.results.jsonl")
        );
        let event = json!({"source": "aws.events", "detail-type": "Nightly", "id": "7",
            "detail": {"manifest": "s3://b/m", "results": "s3://b/r"}});
        assert_eq!(read(event), schedule("s3://b/m", "s3://b/r"));
        let event =
            json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "{}"}]});
        let message = Message { id: "1".to_owned(), body: "{}".to_owned() };
        assert_eq!(read(event), Event::Queue(vec![message]));
        assert!(matches!(read(json!({"id": "a", "text": "x"})), Event::Item(_)));
        assert!(
            matches!(read(json!({"Items": [{"id": "a"}]})), Event::Items(items) if items.len() == 1)
        );
    }

    #[test]
    fn what_is_none_of_them_is_told_by_its_names() {
        let said = |event| Event::read(event).unwrap_err().to_string();
        let scheduled = json!({"source": "aws.events", "detail-type": "Scheduled Event", "id": "7", "detail": {}});
        assert!(said(scheduled).ends_with("an object with detail, detail-type, id, source"));
        assert!(said(json!({"Records": [{"eventSource": "aws:s3"}]})).ends_with("with Records"));
        assert!(said(json!([1])).ends_with("a list"));
        assert!(said(json!("x")).ends_with("a single value"));
    }
}
