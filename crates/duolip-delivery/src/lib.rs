//! Artifact stores: where a finished video goes when its reader wants a URL.
