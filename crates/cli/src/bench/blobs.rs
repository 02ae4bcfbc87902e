//! Files: how fast one is uploaded and reaches the other member, and what memory it takes on the way.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Report, Target, answered, refused, usage};
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
pub(super) async fn measure(target: &Target<'_>, output: Output, report: &mut Report) -> Result<(), Error> {
    output.say(format_args!("a private file of {FAST} MiB"));
    let sent = transfer(target, FAST).await?;
    let rate = FAST as f64 / sent.upload.as_secs_f64();
    report.add("100 MiB private blob: upload", format!("{rate:.0} MiB/s"), "400 MiB/s", "800 MiB/s");
    let arrival = format!("{:.2} s", sent.delivery.as_secs_f64());
    report.add("100 MiB private blob: at the other member", arrival, "0.5 s", "0.25 s");
    output.say(format_args!("a private file of {LARGE} MiB"));
    let before: Vec<f64> = target.members.iter().map(|member| memory(*member)).collect();
    let mut growth = 0.0_f64;
    let transfer = transfer(target, LARGE);
    tokio::pin!(transfer);
    loop {
        tokio::select! {
            sent = &mut transfer => break sent.map(drop)?,
            () = tokio::time::sleep(GLANCE) => {
                let now = target.members.iter().map(|member| memory(*member));
                growth = now.zip(&before).map(|(now, before)| now - before).fold(growth, f64::max);
            }
        }
    }
    report.add("memory growth of a member while a 1 GiB blob passes", format!("{growth:.0} MiB"), "32 MiB", "16 MiB");
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

async fn transfer(target: &Target<'_>, mebibytes: usize) -> Result<Sent, Error> {
    let chunk = Bytes::from(pattern());
    let content = stream::iter((0..mebibytes).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let part = Part::stream_with_length(reqwest::Body::wrap_stream(content), (mebibytes * MIB) as u64);
    let form = Form::new().part("file", part.file_name("bench.bin"));
    let began = Instant::now();
    let url = format!("{}/api/v1/data", target.first.url());
    let data = json(answered(target.http.post(url).multipart(form).send().await).await?)?;
    let upload = began.elapsed();
    let began = Instant::now();
    let message = json!({
        "header": {"topics": ["bench-blobs"]},
        "group": {"members": [{"identity": target.second.org_name}]},
        "data": [{"id": data["id"]}],
    });
    let url = format!("{}/api/v1/messages/private", target.first.url());
    let message = json(answered(target.http.post(url).json(&message).send().await).await?)?;
    let id = message["header"]["id"].as_str().unwrap_or_default().to_owned();
    let url = format!("{}/api/v1/messages/{id}", target.second.url());
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

fn json(body: Bytes) -> Result<Value, Error> {
    serde_json::from_slice(&body).map_err(|error| refused(&error))
}
