//! Jobs as the platform hands them out, read.

use super::*;

fn refusal(job: Value) -> String {
    Job::read(job).unwrap().input.unwrap_err().to_string()
}

#[test]
fn a_job_is_its_name_and_its_input_and_other_keys_are_left_alone() {
    let job = Job::read(json!({
        "id": "sync-7", "input": {"text": "Hi", "stream": true}, "webhook": "https://caller/done",
        "batchId": "b", "policy": {"ttl": 1}, "s3Config": null,
    }))
    .unwrap();
    assert_eq!(job.id, "sync-7");
    assert_eq!(Value::Object(job.input.unwrap()), json!({"text": "Hi"}));
    assert!(job.streamed && job.s3_config.is_none());
}

#[test]
fn a_job_that_can_be_named_is_kept_to_be_reported_whatever_its_input_is() {
    assert!(refusal(json!({"id": "a"})).contains("no input"));
    assert!(refusal(json!({"id": "a", "input": null})).contains("no input"));
    assert!(refusal(json!({"id": "a", "input": [1]})).contains("not an object"));
    assert!(refusal(json!({"id": "a", "input": {"stream": "yes"}})).contains("stream"));
}

#[test]
fn a_job_that_cannot_be_named_is_none() {
    for job in [json!([]), json!({"input": {}}), json!({"id": 7}), json!({"id": " "})] {
        assert!(Job::read(job.clone()).is_err(), "{job}");
    }
}
