//! The features of faces, kept: computed once for each face, the least recently used given up.
//!
//! Pure: what features are made of is a type parameter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use duolip_pipeline::face::FaceCrop;

/// What a session has done for faces so far. A whole graph, which keeps nothing, does nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeatureUse {
    /// How often the features of a face were computed, the warm-up not counted.
    pub encoder_runs: u64,
    /// Bytes of features on the device.
    pub kept_bytes: usize,
}

/// [`FeatureUse`], written by the session's own thread and read by others.
#[derive(Debug, Default)]
pub(crate) struct FeatureCounters {
    encoder_runs: AtomicU64,
    kept_bytes: AtomicUsize,
}

impl FeatureCounters {
    pub(crate) fn read(&self) -> FeatureUse {
        FeatureUse {
            encoder_runs: self.encoder_runs.load(Ordering::Relaxed),
            kept_bytes: self.kept_bytes.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn count_run(&self) {
        self.encoder_runs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn keep(&self, bytes: usize) {
        self.kept_bytes.store(bytes, Ordering::Relaxed);
    }

    /// As if nothing had been done: what the warm-up did does not count.
    pub(crate) fn reset(&self) {
        self.encoder_runs.store(0, Ordering::Relaxed);
        self.keep(0);
    }
}

/// One face's features would not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the features of one face are {face_bytes} bytes; the limit is {limit_bytes}")]
pub struct FaceTooLarge {
    /// What one face needs.
    pub face_bytes: usize,
    /// What all faces may have.
    pub limit_bytes: usize,
}

/// Whether both are the same face: known by its content, since two jobs may have prepared the same
/// avatar.
pub(crate) fn is_same(one: &Arc<FaceCrop>, other: &Arc<FaceCrop>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// The features of the faces seen last.
#[derive(Debug)]
pub(crate) struct FeatureCache<T> {
    face_bytes: usize,
    limit_bytes: usize,
    /// The least recently used first.
    kept: Vec<Kept<T>>,
}

/// A face and its features.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    pub(crate) face: Arc<FaceCrop>,
    pub(crate) features: T,
}

impl<T> FeatureCache<T> {
    /// A cache for faces of `face_bytes` each, `limit_bytes` together.
    ///
    /// # Errors
    /// [`FaceTooLarge`] when not even one fits.
    pub(crate) fn new(face_bytes: usize, limit_bytes: usize) -> Result<Self, FaceTooLarge> {
        if face_bytes > limit_bytes {
            return Err(FaceTooLarge { face_bytes, limit_bytes });
        }
        Ok(Self { face_bytes, limit_bytes, kept: Vec::new() })
    }

    /// What is kept of `face`, which becomes the most recently used. It is known by its content:
    /// two jobs may have prepared the same avatar.
    pub(crate) fn get(&mut self, face: &Arc<FaceCrop>) -> Option<&Kept<T>> {
        let same = |kept: &Kept<T>| Arc::ptr_eq(&kept.face, face);
        let equal = |kept: &Kept<T>| kept.face == *face;
        let at = self.kept.iter().rposition(same).or_else(|| self.kept.iter().rposition(equal))?;
        self.kept[at..].rotate_left(1);
        self.kept.last()
    }

    /// Gives up the least recently used until one more face fits.
    pub(crate) fn make_room(&mut self) {
        let most = self.limit_bytes / self.face_bytes.max(1);
        let too_many = (self.kept.len() + 1).saturating_sub(most);
        self.kept.drain(..too_many.min(self.kept.len()));
    }

    /// Keeps `features`, for which [`FeatureCache::make_room`] has made room.
    pub(crate) fn keep(&mut self, face: Arc<FaceCrop>, features: T) {
        self.kept.push(Kept { face, features });
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// What all that is kept takes.
    pub(crate) fn bytes(&self) -> usize {
        self.kept.len() * self.face_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(value: u8) -> Arc<FaceCrop> {
        Arc::new(FaceCrop { size: 1, bgr: vec![value; 3] })
    }

    /// The features of `face`: computed, which `computed` notes, or kept.
    fn features(cache: &mut FeatureCache<u8>, value: u8, computed: &mut Vec<u8>) {
        let face = face(value);
        if let Some(kept) = cache.get(&face) {
            assert_eq!(kept.features, value);
            return;
        }
        computed.push(value);
        cache.make_room();
        cache.keep(face, value);
    }

    #[test]
    fn the_least_recently_used_face_is_given_up() {
        let mut cache = FeatureCache::new(10, 25).unwrap();
        let mut computed = Vec::new();
        for value in [1, 2, 1, 3, 1, 2] {
            features(&mut cache, value, &mut computed);
            assert!(cache.bytes() <= 25, "{} bytes", cache.bytes());
        }
        // 2 was the older one when 3 came.
        assert_eq!(computed, [1, 2, 3, 2]);
        assert_eq!(cache.bytes(), 20);
    }

    #[test]
    fn a_face_is_known_by_its_content_and_by_all_of_it() {
        let mut cache = FeatureCache::new(1, 8).unwrap();
        let first = face(1);
        cache.keep(Arc::clone(&first), 1);
        assert!(cache.get(&first).is_some());
        assert!(cache.get(&face(1)).is_some());
        let another = Arc::new(FaceCrop { size: 1, bgr: vec![1, 1, 2] });
        assert!(cache.get(&another).is_none());
    }

    #[test]
    fn a_limit_of_just_one_face_keeps_one() {
        let mut cache = FeatureCache::new(10, 10).unwrap();
        let mut computed = Vec::new();
        for value in [1, 1, 2, 1] {
            features(&mut cache, value, &mut computed);
        }
        assert_eq!((computed.as_slice(), cache.bytes()), ([1, 2, 1].as_slice(), 10));
    }

    #[test]
    fn a_face_larger_than_the_limit_is_refused_with_both_numbers() {
        let error = FeatureCache::<u8>::new(11, 10).unwrap_err();
        assert_eq!(error.to_string(), "the features of one face are 11 bytes; the limit is 10");
    }
}
