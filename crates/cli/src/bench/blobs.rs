//! Files: how fast one is uploaded and reaches the other member, and what memory it takes on the way.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use reqwest::multipart::{Form, Part};
use serde_json::json as object;

use super::{
    report::{Bars, Report, Row},
    target::{Target, answered, json, refused},
    usage,
};
use crate::{error::Error, output::Output};

const MIB: usize = 1 << 20;
/// Size of the file whose speed is measured, in MiB.
const FAST: usize = 100;
/// Size of the file during which memory is watched, in MiB.
const LARGE: usize = 1_024;
/// Longest wait for a file to arrive.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks at the memory.
const GLANCE: Duration = Duration::from_millis(20);
/// Pause between two questions whether it has arrived.
const PACE: Duration = Duration::from_millis(5);

/// Sends a file of 100 MiB for its speed and one of 1 GiB for the memory.
pub(super) async fn measure(target: &Target, output: Output, report: &mut Report) -> Result<(), Error> {
    output.say(format_args!("a private file of {FAST} MiB"));
    let sent = transfer(target, FAST).await?;
    let rate = FAST as f64 / sent.upload.as_secs_f64();
    report.add(Row::new("100 MiB private blob: upload", rate, "MiB/s").bars(Bars::least(400.0, 800.0)));
    let arrival = sent.delivery.as_secs_f64();
    report.add(Row::new("100 MiB private blob: at the other member", arrival, "s").bars(Bars::most(0.5, 0.25)));
    output.say(format_args!("a private file of {LARGE} MiB"));
    let before: Vec<f64> = target.nodes.iter().map(|member| memory(*member)).collect();
    let mut growth = 0.0_f64;
    let transfer = transfer(target, LARGE);
    tokio::pin!(transfer);
    loop {
        tokio::select! {
            sent = &mut transfer => break sent.map(drop)?,
            () = tokio::time::sleep(GLANCE) => {
                let now = target.nodes.iter().map(|member| memory(*member));
                growth = now.zip(&before).map(|(now, before)| now - before).fold(growth, f64::max);
            }
        }
    }
    let work = "memory growth of a member while a 1 GiB blob passes";
    report.add(Row::new(work, growth, "MiB").bars(Bars::most(32.0, 16.0)));
    Ok(())
}

fn memory(pid: u32) -> f64 {
    usage::memory(pid).unwrap_or_default()
}

struct Sent {
    upload: Duration,
    /// From the message that carries it to its confirmation at the other member.
    delivery: Duration,
}

async fn transfer(target: &Target, mebibytes: usize) -> Result<Sent, Error> {
    let peer = target.peer.as_ref().ok_or_else(|| refused(&"nobody to send to"))?;
    let chunk = Bytes::from(pattern());
    let content = stream::iter((0..mebibytes).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let part = Part::stream_with_length(reqwest::Body::wrap_stream(content), (mebibytes * MIB) as u64);
    let form = Form::new().part("file", part.file_name("bench.bin"));
    let began = Instant::now();
    let url = target.first.route("data");
    let data = json(answered(target.http.post(url).multipart(form).send().await).await?)?;
    let upload = began.elapsed();
    let began = Instant::now();
    let message = object!({
        "header": {"topics": ["bench-blobs"]},
        "group": {"members": [{"identity": peer.identity}]},
        "data": [{"id": data["id"]}],
    });
    let url = target.first.route("messages/private");
    let message = json(answered(target.http.post(url).json(&message).send().await).await?)?;
    let id = message["header"]["id"].as_str().unwrap_or_default().to_owned();
    let url = peer.route(&format!("messages/{id}"));
    while began.elapsed() < PATIENCE {
        let found = target.http.get(&url).send().await.map_err(|error| refused(&error))?;
        if found.status().is_success() {
            let found = json(answered(Ok(found)).await?)?;
            if found["state"] == "confirmed" {
                return Ok(Sent { upload, delivery: began.elapsed() });
            }
        }
        tokio::time::sleep(PACE).await;
    }
    Err(refused(&format!("a file of {mebibytes} MiB has not arrived within {} s", PATIENCE.as_secs())))
}

/// A mebibyte that does not compress to nothing.
fn pattern() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(MIB);
    while bytes.len() < MIB {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
