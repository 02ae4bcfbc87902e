//! A process that is killed in the middle of writing.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use photinus_ports::{blobs::BlobStore, ids, storage::SharedStorage};
use photinus_storage_local::{Options, blobs::Blobs, shared::Service};

use crate::{
    conformance::{chunks, pattern},
    fake::{Network, files},
};

const VICTIM: &str = "PHOTINUS_TEST_VICTIM_DIR";

/// Half a megabyte, and then nothing for ever.
fn stuck() -> photinus_ports::stream::ByteStream {
    Box::pin(chunks(&pattern(524_288)).chain(stream::pending::<std::io::Result<Bytes>>()))
}

/// Not a test of its own: the process that the next test kills. It says when it is in the middle of its work.
#[tokio::test]
async fn victim() {
    let Ok(dir) = std::env::var(VICTIM) else { return };
    let dir = std::path::Path::new(&dir);
    let blobs = Blobs::open(dir.join("blobs"), Arc::new(ids::Random)).unwrap();
    let service = Service::open(Options::new(dir.join("shared")), Network::default().seat("a")).unwrap();
    let storage = service.handle();
    let finished = storage.upload(Bytes::from_static(b"finished")).await.unwrap();
    let kept = blobs.put("ns1", chunks(b"finished"), 100).await.unwrap();
    let writing = async { (storage.upload_stream(stuck()).await, blobs.put("ns1", stuck(), 1 << 30).await) };
    let telling = async {
        let size = |part: &str| {
            files(&dir.join(part)).iter().map(|path| fs::metadata(path).map_or(0, |m| m.len())).sum::<u64>()
        };
        crate::fake::until("bytes are on disk", || size("shared/incoming") + size("blobs/.incoming") >= 262_144).await;
        fs::write(dir.join("references"), format!("{finished}\n{}", kept.payload_ref)).unwrap();
        #[expect(clippy::print_stdout, reason = "how the parent process learns that it is time")]
        {
            println!("\nin the middle");
        }
    };
    let ((_, _), ()) = futures::future::join(writing, telling).await;
}

#[tokio::test]
async fn a_killed_process_leaves_no_partial_content_and_loses_no_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--nocapture"])
        .env(VICTIM, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "in the middle"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(files(dir.path()).len() > 3, "the kill came in the middle");

    let references = fs::read_to_string(dir.path().join("references")).unwrap();
    let (reference, payload_ref) = references.split_once('\n').unwrap();
    let blobs = Blobs::open(dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
    let service = Service::open(Options::new(dir.path().join("shared")), Network::default().seat("a")).unwrap();
    assert_eq!(files(&dir.path().join("shared")).len(), 1);
    assert_eq!(files(&dir.path().join("blobs")).len(), 1);
    assert!(service.handle().download(reference, 100).await.is_ok());
    assert!(blobs.open(payload_ref).await.is_ok());
}
