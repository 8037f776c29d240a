//! The results of a batch: one line of JSON per job, appended as jobs are done, and read again to go on
//! where a run has ended.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use duolip_delivery::{LocationError, Object, ObjectError, ObjectState, S3Location, S3Objects};
use duolip_pipeline::ErrorKind;
use duolip_pipeline::error::Classify;
use serde::Deserialize;
use tempfile::TempDir;

use super::job::{Line, Status};
use super::manifest::{OBJECT_BYTES, Shard};
use crate::config::DeliveryArgs;
use crate::errors::outside;
use crate::store::{self, S3_SCHEME, StoreError};

/// How long results in a bucket may lag behind.
const LAG: Duration = Duration::from_mins(1);

/// How long a lock may outlive its process: a child that was just being started when the process was
/// killed holds it until it runs.
const RELEASE: Duration = Duration::from_secs(1);

/// Why results cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// Another process writes them.
    #[error("another process writes the results {path}", path = path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error(
        "{path} holds other things than results of a batch, in line {number}; name another file",
        path = path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The first line that is none.
        number: usize,
    },
    /// They are no place in S3.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The server's settings cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object cannot be read or written.
    #[error("the results cannot be kept: {0}")]
    Object(#[from] ObjectError),
    /// The file cannot be read or written.
    #[error("the results {path} cannot be kept", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Classify for ResultsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked { .. } => ErrorKind::Overloaded,
            Self::Foreign { .. } | Self::Location(_) => ErrorKind::InvalidInput,
            Self::Store(error) => error.kind(),
            Self::Object(error) => error.kind(),
            Self::Unusable { .. } => ErrorKind::Internal,
        }
    }
}

/// What earlier runs have done: jobs with a video, and those whose error would come again.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    ids: HashSet<String>,
    /// The numbers of lines that name no job.
    lines: HashSet<usize>,
    /// How many of them are ok.
    pub(super) ok: usize,
    /// How many are not.
    pub(super) failed: usize,
}

impl Done {
    pub(super) fn has(&self, line: &Line) -> bool {
        match &line.content {
            Ok(job) => self.ids.contains(&job.id),
            Err(_) => line.number.is_some_and(|number| self.lines.contains(&number)),
        }
    }
}

/// A results file that this process alone writes.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    file: File,
    /// The file that was replaced by `file`: its lock keeps off whoever had opened it by then.
    former: Option<File>,
    done: Done,
    bucket: Option<InBucket>,
}

/// The object that the results are a copy of, and what the copy lies in.
#[derive(Debug)]
struct InBucket {
    objects: S3Objects,
    location: S3Location,
    /// What was read or written last: only that is replaced.
    state: ObjectState,
    written: Instant,
    _folder: TempDir,
}

/// What must be known of a result.
#[derive(Deserialize)]
struct Known {
    id: Option<String>,
    line: usize,
    status: Status,
    error: Option<KnownError>,
}

#[derive(Deserialize)]
struct KnownError {
    code: String,
}

impl KnownError {
    /// Whether the job itself is wrong, and would fail again. What the machine or a service lacked
    /// may be there the next time.
    fn is_the_jobs(&self) -> bool {
        let kinds = ErrorKind::ALL.map(outside);
        kinds.iter().any(|kind| kind.code == self.code && matches!(kind.status, 400..=422))
    }
}

impl Results {
    /// Opens the results at `place`, a file or `s3://bucket/key`; those of one of several shards have
    /// its number before the ending. Results in a bucket are written there now and then, and at the
    /// end, each time only over what this process has left there: a run that finds another's
    /// work ends, and its unwritten results are rendered again by the next.
    ///
    /// # Errors
    /// [`ResultsError`].
    pub async fn open(
        place: &str,
        shard: Shard,
        delivery: &DeliveryArgs,
    ) -> Result<Self, ResultsError> {
        let place = shard.name(place);
        if !place.starts_with(S3_SCHEME) {
            return Self::in_released_file(Path::new(&place)).await;
        }
        let (location, objects) = (S3Location::parse(&place)?, store::objects(delivery)?);
        let Object { content, state } = match objects.read(&location, OBJECT_BYTES).await {
            Ok(object) => object,
            Err(ObjectError::NotFound { .. }) => {
                Object { content: Vec::new(), state: ObjectState::Missing }
            }
            Err(error) => return Err(error.into()),
        };
        let unusable = |source| ResultsError::Unusable { path: PathBuf::from(&place), source };
        let folder = tempfile::tempdir().map_err(unusable)?;
        let path = folder.path().join("results.jsonl");
        std::fs::write(&path, content).map_err(unusable)?;
        let mut results = Self::in_file(&path)?;
        results.bucket =
            Some(InBucket { objects, location, state, written: Instant::now(), _folder: folder });
        Ok(results)
    }

    /// The folder that they lie in, unless that is a bucket.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        let parent = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        self.bucket.is_none().then_some(parent.unwrap_or(Path::new(".")))
    }

    /// As [`Results::in_file`], once the lock of a process that was killed is released.
    async fn in_released_file(path: &Path) -> Result<Self, ResultsError> {
        let began = Instant::now();
        loop {
            match Self::in_file(path) {
                Err(ResultsError::Locked { .. }) if began.elapsed() < RELEASE => {
                    tokio::time::sleep(RELEASE / 20).await;
                }
                opened => return opened,
            }
        }
    }

    /// Opens the results `path`, made when missing. What a killed process has half written at its end
    /// is cut off, and errors that are not the job's own fault are taken out: such jobs are rendered
    /// again.
    ///
    /// # Errors
    /// [`ResultsError`].
    fn in_file(path: &Path) -> Result<Self, ResultsError> {
        let unusable = |source| ResultsError::Unusable { path: path.to_owned(), source };
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ResultsError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let mut results =
            Self { path: path.to_owned(), file, former: None, done: Done::default(), bucket: None };
        results.take_up()?;
        Ok(results)
    }

    /// What earlier runs have done.
    pub(super) fn done(&self) -> &Done {
        &self.done
    }

    /// Appends one result, whole or not at all as far as the next run can see, and waits until it is
    /// on the disk.
    ///
    /// # Errors
    /// [`ResultsError::Unusable`].
    pub(super) fn append(&mut self, line: &str) -> Result<(), ResultsError> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|source| ResultsError::Unusable { path: self.path.clone(), source })
    }

    /// Writes results that belong into a bucket there, if that was long ago.
    ///
    /// # Errors
    /// [`ResultsError`].
    pub(super) async fn keep_up(&mut self) -> Result<(), ResultsError> {
        match &self.bucket {
            Some(bucket) if bucket.written.elapsed() >= LAG => self.finish().await,
            _ => Ok(()),
        }
    }

    /// Writes results that belong into a bucket there.
    ///
    /// # Errors
    /// [`ResultsError`].
    pub(super) async fn finish(&mut self) -> Result<(), ResultsError> {
        let Some(bucket) = &mut self.bucket else { return Ok(()) };
        let content = tokio::fs::read(&self.path).await;
        let content =
            content.map_err(|source| ResultsError::Unusable { path: self.path.clone(), source })?;
        let (objects, location) = (&bucket.objects, &bucket.location);
        bucket.state = objects.write(location, content, "application/jsonl", &bucket.state).await?;
        bucket.written = Instant::now();
        Ok(())
    }

    /// Reads what is there, and replaces the file by one with the lines to keep where that is not all.
    fn take_up(&mut self) -> Result<(), ResultsError> {
        let mut kept = Vec::new();
        let mut dropped = false;
        let file = self.file.try_clone().map_err(|source| self.unusable(source))?;
        let mut reader = BufReader::new(file);
        let mut number = 0;
        loop {
            let mut line = Vec::new();
            let read = reader.read_until(b'\n', &mut line);
            let read = read.map_err(|source| self.unusable(source))?;
            if read == 0 {
                break;
            }
            number += 1;
            if line.last() != Some(&b'\n') {
                dropped = true;
                break;
            }
            let Ok(known) = serde_json::from_slice::<Known>(&line) else {
                return Err(ResultsError::Foreign { path: self.path.clone(), number });
            };
            if self.done.add(known) {
                kept.extend_from_slice(&line);
            } else {
                dropped = true;
            }
        }
        if dropped {
            self.replace(&kept).map_err(|source| self.unusable(source))?;
        }
        self.file.seek(SeekFrom::End(0)).map_err(|source| self.unusable(source))?;
        Ok(())
    }

    /// The new file is locked before it is seen, and seen whole.
    fn replace(&mut self, kept: &[u8]) -> std::io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut beside = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        beside.as_file().set_permissions(self.file.metadata()?.permissions())?;
        beside.as_file().lock()?;
        beside.write_all(kept)?;
        beside.as_file().sync_data()?;
        let file = beside.persist(&self.path).map_err(|failed| failed.error)?;
        self.former = Some(std::mem::replace(&mut self.file, file));
        Ok(())
    }

    fn unusable(&self, source: std::io::Error) -> ResultsError {
        ResultsError::Unusable { path: self.path.clone(), source }
    }
}

impl Done {
    /// Notes a result; false for one that is not to be kept.
    fn add(&mut self, known: Known) -> bool {
        if known.error.is_some_and(|error| !error.is_the_jobs()) {
            return false;
        }
        let new = match known.id {
            Some(id) => self.ids.insert(id),
            None => self.lines.insert(known.line),
        };
        if new {
            match known.status {
                Status::Ok => self.ok += 1,
                Status::Error => self.failed += 1,
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "{\"id\":\"a\",\"line\":1,\"status\":\"ok\",\"frames\":5}\n";
    const BAD: &str =
        "{\"id\":null,\"line\":2,\"status\":\"error\",\"error\":{\"code\":\"invalid_input\"}}\n";
    const PASSING: &str =
        "{\"id\":\"c\",\"line\":3,\"status\":\"error\",\"error\":{\"code\":\"pair_required\"}}\n";

    fn opened(content: &str) -> (tempfile::TempDir, PathBuf, Result<Results, ResultsError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        std::fs::write(&path, content).unwrap();
        let results = Results::in_file(&path);
        (folder, path, results)
    }

    #[test]
    fn a_half_line_and_an_error_that_is_not_the_jobs_are_taken_out_and_the_rest_is_kept() {
        let (_folder, path, results) = opened(&[OK, PASSING, BAD, &OK[..20]].concat());
        let mut results = results.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), [OK, BAD].concat());
        assert!(results.done.ids.contains("a") && !results.done.ids.contains("c"));
        assert!(results.done.lines.contains(&2));
        assert_eq!((results.done.ok, results.done.failed), (1, 1));
        results.append(PASSING).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), [OK, BAD, PASSING].concat());
    }

    #[test]
    fn a_result_that_is_there_twice_is_kept_once() {
        let (_folder, path, results) = opened(&[OK, OK, BAD, BAD].concat());
        drop(results.unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), [OK, BAD].concat());
    }

    #[test]
    fn a_file_of_something_else_is_left_as_it_is() {
        let (_folder, path, results) = opened("precious,data\n1,2\n");
        let said = results.unwrap_err().to_string();
        assert!(said.contains("in line 1; name another file"), "{said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious,data\n1,2\n");
    }

    #[tokio::test]
    async fn what_a_killed_process_leaves_locked_for_a_moment_is_waited_for() {
        let (_folder, path, results) = opened(OK);
        let first = results.unwrap();
        let second = tokio::spawn(async move { Results::in_released_file(&path).await });
        // It finds the lock taken first.
        tokio::time::sleep(RELEASE / 5).await;
        drop(first);
        assert_eq!(second.await.unwrap().unwrap().done().ok, 1);
    }

    #[tokio::test]
    async fn what_is_not_released_is_not_waited_for_long() {
        let (_folder, path, results) = opened("");
        let _first = results.unwrap();
        let said = Results::in_released_file(&path).await.unwrap_err().to_string();
        assert!(said.contains("another process writes the results"), "{said}");
    }

    #[test]
    fn two_processes_do_not_write_the_same_results() {
        let (_folder, path, results) = opened("");
        let _first = results.unwrap();
        let said = Results::in_file(&path).unwrap_err().to_string();
        assert!(said.contains("another process writes the results"), "{said}");
    }
}
