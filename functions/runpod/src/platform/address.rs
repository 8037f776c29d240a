//! The platform's addresses: templates of the environment → URLs. Knows nothing of answers.
//!
//! Two tokens are replaced: `$RUNPOD_POD_ID` is the worker, `$ID` is the worker where jobs are taken
//! and the job where its output goes.

use duolip_service::config::RunpodArgs;
use reqwest::Url;

/// The path that is exchanged for the two other channels of the same queue.
const TAKE: &str = "/job-take/";

/// Where the queue of one endpoint is.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    take: String,
    done: String,
    stream: Option<String>,
    worker_id: String,
}

/// A template that makes no URL.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is no URL: {reason}")]
pub(crate) struct BadAddress {
    address: String,
    reason: String,
}

impl Addresses {
    /// The addresses that `args` has for `worker_id`; `None` where jobs cannot be taken.
    pub(crate) fn new(args: &RunpodArgs, worker_id: &str) -> Option<Self> {
        let take = args.get_job_url.as_deref()?;
        Some(Self {
            take: filled(take, worker_id, worker_id),
            done: args.post_output_url.clone()?,
            stream: args.post_stream_url.clone(),
            worker_id: worker_id.to_owned(),
        })
    }

    /// Where up to `wanted` jobs are taken at once. `busy` says whether this worker has any already.
    pub(crate) fn take(&self, wanted: usize, busy: bool) -> Result<Url, BadAddress> {
        let busy = if busy { "1" } else { "0" };
        if wanted > 1 && self.take.contains(TAKE) {
            let batch = self.take.replace(TAKE, "/job-take-batch/");
            let wanted = wanted.to_string();
            return url(&batch, &[("batch_size", wanted.as_str()), ("job_in_progress", busy)]);
        }
        url(&self.take, &[("job_in_progress", busy)])
    }

    /// Where the platform says which jobs are to be stopped; `None` where it has no such channel.
    pub(crate) fn stops(&self) -> Option<Result<Url, BadAddress>> {
        let stops = self.take.contains(TAKE).then(|| self.take.replace(TAKE, "/job-stop/"))?;
        Some(url(&stops, &[]))
    }

    /// Where the output of `job` goes. `streamed` says that parts of it went ahead.
    pub(crate) fn done(&self, job: &str, streamed: bool) -> Result<Url, BadAddress> {
        let streamed = if streamed { "true" } else { "false" };
        url(&filled(&self.done, &self.worker_id, job), &[("isStream", streamed)])
    }

    /// Where a partial output of `job` goes, if the platform takes any.
    pub(crate) fn stream(&self, job: &str) -> Option<Result<Url, BadAddress>> {
        let stream = self.stream.as_deref()?;
        // "false" is what the platform expects of a part; "true" ends the stream: see `done`.
        Some(url(&filled(stream, &self.worker_id, job), &[("isStream", "false")]))
    }
}

/// The ping address of `worker_id`.
pub(crate) fn ping(
    template: &str,
    worker_id: &str,
    query: &[(&str, &str)],
) -> Result<Url, BadAddress> {
    url(&filled(template, worker_id, worker_id), query)
}

fn filled(template: &str, worker: &str, id: &str) -> String {
    template.replace("$RUNPOD_POD_ID", &encoded(worker)).replace("$ID", &encoded(id))
}

/// A name as one segment of a path: the platform's own names stay as they are.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            text.push(byte.into());
        } else {
            text.push('%');
            text.extend(
                [byte >> 4, byte & 15]
                    .map(|nibble| char::from(b"0123456789ABCDEF"[usize::from(nibble)])),
            );
        }
    }
    text
}

fn url(address: &str, query: &[(&str, &str)]) -> Result<Url, BadAddress> {
    let mut url = Url::parse(address)
        .map_err(|error| BadAddress { address: address.to_owned(), reason: error.to_string() })?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(take: &str) -> Addresses {
        Addresses {
            take: filled(take, "pod1", "pod1"),
            done: "https://api.runpod.ai/v2/ep/job-done/$RUNPOD_POD_ID/$ID?gpu=A40".to_owned(),
            stream: Some("https://api.runpod.ai/v2/ep/job-stream/$RUNPOD_POD_ID/$ID".to_owned()),
            worker_id: "pod1".to_owned(),
        }
    }

    #[test]
    fn both_tokens_are_replaced_and_the_query_is_continued() {
        let queue = addresses("https://api.runpod.ai/v2/ep/job-take/$ID?gpu=A40");
        let url = |result: Result<Url, BadAddress>| result.unwrap().to_string();
        assert_eq!(
            url(queue.take(1, false)),
            "https://api.runpod.ai/v2/ep/job-take/pod1?gpu=A40&job_in_progress=0"
        );
        assert_eq!(
            url(queue.take(3, true)),
            "https://api.runpod.ai/v2/ep/job-take-batch/pod1?gpu=A40&batch_size=3&job_in_progress=1"
        );
        assert_eq!(
            url(queue.stops().unwrap()),
            "https://api.runpod.ai/v2/ep/job-stop/pod1?gpu=A40"
        );
        assert_eq!(
            url(queue.done("sync-7-e1", false)),
            "https://api.runpod.ai/v2/ep/job-done/pod1/sync-7-e1?gpu=A40&isStream=false"
        );
    }

    #[test]
    fn a_template_without_a_query_gets_one() {
        let queue = addresses("https://host/v2/ep/job-take/$RUNPOD_POD_ID");
        let url = queue.take(1, true).unwrap().to_string();
        assert_eq!(url, "https://host/v2/ep/job-take/pod1?job_in_progress=1");
        let url = queue.stream("a").unwrap().unwrap().to_string();
        assert_eq!(url, "https://api.runpod.ai/v2/ep/job-stream/pod1/a?isStream=false");
    }

    #[test]
    fn a_queue_of_another_path_has_neither_batches_nor_stops() {
        let queue = addresses("https://host/next/$ID?gpu=1");
        assert!(queue.stops().is_none());
        let url = queue.take(4, false).unwrap().to_string();
        assert_eq!(url, "https://host/next/pod1?gpu=1&job_in_progress=0");
    }

    #[test]
    fn a_jobs_name_stays_one_segment_of_the_path() {
        let queue = addresses("https://host/job-take/$ID");
        let url = queue.done("../../purge-queue?x=1#", false).unwrap();
        assert!(url.path().starts_with("/v2/ep/job-done/pod1/"), "{url}");
        assert_eq!(url.path_segments().unwrap().count(), 5, "{url}");
        assert_eq!(url.query(), Some("gpu=A40&isStream=false"));
    }
}
