//! S3 on a real server: s3s-fs, started by each test. What goes wrong on the way is brought about
//! by a proxy before it, or by killing it.

#![expect(clippy::unwrap_used, reason = "test equipment fails the test that uses it")]

mod faults;
mod objects;
mod proxy;
mod server;
mod store;

use std::path::Path;

use duolip_pipeline::deliver::Artifact;

/// An artifact called `name`, of `size` bytes, made in `folder`; and its content.
fn artifact(folder: &Path, name: &str, size: usize) -> (Artifact, Vec<u8>) {
    let content: Vec<u8> = (0..size).map(|at| (at / 1009 + at % 251) as u8).collect();
    let file = folder.join(name.replace('/', " "));
    std::fs::write(&file, &content).unwrap();
    let artifact = Artifact {
        name: name.to_owned(),
        file,
        media_type: "video/mp4",
        download_name: "avatar.mp4".to_owned(),
    };
    (artifact, content)
}

/// All causes of an error, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
