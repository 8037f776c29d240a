//! Stores a file in a bucket with the credentials and the region that the AWS SDK finds, and prints
//! where it can be fetched: `cargo run -p duolip-delivery --example store_file BUCKET FILE NAME`.

use std::error::Error;
use std::process::ExitCode;

use duolip_delivery::{S3ArtifactStore, S3Settings};
use duolip_pipeline::deliver::{Artifact, ArtifactStore as _};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a program for the command line")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bucket, file, name] = &*arguments else {
        eprintln!("three arguments are wanted: BUCKET FILE NAME");
        return ExitCode::from(64);
    };
    match store(bucket, file, name).await {
        Ok(url) => {
            println!("{url}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut cause = Some(&*error);
            while let Some(error) = cause {
                eprintln!("{error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn store(bucket: &str, file: &str, name: &str) -> Result<String, Box<dyn Error>> {
    let store = S3ArtifactStore::new(S3Settings::new(bucket))?;
    let artifact = Artifact {
        name: name.to_owned(),
        file: file.into(),
        media_type: "video/mp4",
        download_name: name.to_owned(),
    };
    Ok(store.put(&artifact).await?.url)
}
