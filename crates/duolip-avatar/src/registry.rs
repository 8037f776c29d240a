//! Registry: name → prepared avatar.
//!
//! All avatars of the folder are prepared when it is opened. What is not prepared is looked for
//! again at each request: an avatar added while the process runs is found, a broken one answers
//! with what is wrong with it, and works as soon as it is mended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use duolip_pipeline::error::chain;
use duolip_pipeline::face::{Avatar, FaceError};
use tracing::warn;

use crate::preparer::AvatarPreparer;
use crate::source::{Source, names_in};

/// The avatars of one folder.
#[derive(Debug)]
pub struct AvatarRegistry {
    folder: PathBuf,
    preparer: AvatarPreparer,
    prepared: Mutex<BTreeMap<String, Arc<Avatar>>>,
    /// Held while an avatar is prepared: requests that come meanwhile wait and take the same.
    preparing: Mutex<()>,
    /// What [`AvatarRegistry::problem`] last found wrong with an avatar, and when.
    problems: Mutex<BTreeMap<String, (Instant, String)>>,
}

/// How long an avatar that cannot be used is not looked for again by those who only ask whether it can.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl AvatarRegistry {
    /// Prepares every avatar in `folder`; one that is broken is logged and stands in nobody's way.
    /// Blocks.
    ///
    /// # Errors
    /// [`FaceError::File`] when the folder cannot be read.
    pub fn open(folder: PathBuf, preparer: AvatarPreparer) -> Result<Self, FaceError> {
        let names = names_in(&folder)
            .map_err(|source| FaceError::File { file: folder.display().to_string(), source })?;
        let registry = Self {
            folder,
            preparer,
            prepared: Mutex::default(),
            preparing: Mutex::default(),
            problems: Mutex::default(),
        };
        for name in names {
            if let Err(error) = registry.get(&name) {
                let reason = chain(&error);
                warn!(avatar = name, %reason, "avatar cannot be used");
            }
        }
        Ok(registry)
    }

    /// The avatar `name`. Blocks while an avatar that is new, or was broken, is prepared.
    ///
    /// # Errors
    /// [`FaceError::UnknownAvatar`] with the names there are, or what is wrong with the avatar.
    pub fn get(&self, name: &str) -> Result<Arc<Avatar>, FaceError> {
        if let Some(avatar) = self.prepared(name) {
            return Ok(avatar);
        }
        let source = Source::find(&self.folder, name)?.ok_or_else(|| self.unknown(name))?;
        let _turn = hold(&self.preparing);
        if let Some(avatar) = self.prepared(name) {
            return Ok(avatar);
        }
        Ok(self.keep(Arc::new(self.preparer.prepare(&source)?)))
    }

    /// Prepares the avatar at `path`, which the person at the keyboard named, and makes it known
    /// under the name of its file or folder, in place of any other of that name. Blocks.
    ///
    /// # Errors
    /// Any [`FaceError`] but [`FaceError::UnknownAvatar`].
    pub fn add(&self, path: &Path) -> Result<Arc<Avatar>, FaceError> {
        Ok(self.keep(self.preparer.prepare_at(path)?))
    }

    /// Why the avatar `name` cannot be used; `None` when it can. One that is missing or broken is
    /// looked for again, but not within ten seconds: who asks often makes no work. Blocks meanwhile.
    #[must_use]
    pub fn problem(&self, name: &str) -> Option<String> {
        if self.prepared(name).is_some() {
            return None;
        }
        let mut problems = hold(&self.problems);
        if let Some((at, problem)) = problems.get(name)
            && at.elapsed() < LOOK_AGAIN
        {
            return Some(problem.clone());
        }
        let problem = chain(&self.get(name).err()?);
        problems.insert(name.to_owned(), (Instant::now(), problem.clone()));
        Some(problem)
    }

    /// The names of all avatars, sorted, broken ones included.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        // The folder was readable when it was opened; should it be gone, what is prepared remains.
        let mut names = names_in(&self.folder).unwrap_or_default();
        names.extend(hold(&self.prepared).keys().cloned());
        names
    }

    fn prepared(&self, name: &str) -> Option<Arc<Avatar>> {
        hold(&self.prepared).get(name).cloned()
    }

    fn keep(&self, avatar: Arc<Avatar>) -> Arc<Avatar> {
        hold(&self.prepared).insert(avatar.name.clone(), Arc::clone(&avatar));
        avatar
    }

    fn unknown(&self, name: &str) -> FaceError {
        let known = self.names().into_iter().collect::<Vec<_>>().join(", ");
        FaceError::UnknownAvatar { name: name.to_owned(), known }
    }
}

/// A panic while the lock was held left nothing half done: each is held for one step.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
