//! What `/status/batchmanager` tells of a processor.

use std::time::Duration;

use photinus_model::Time;
use serde::Serialize;

/// All processors of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// One entry for each author that sent something lately.
    pub processors: Vec<Processor>,
}

/// One processor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Processor {
    /// What its batches are for.
    pub dispatcher: &'static str,
    /// `<author>|<group>`.
    pub name: String,
    /// How it does.
    pub status: Status,
}

/// How a processor does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// When it began its last batch.
    pub last_flush_start_time: Option<Time>,
    /// The batch on its way now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flushing: Option<photinus_model::Uuid>,
    /// Whether that batch was cancelled.
    pub cancelled: bool,
    /// Whether that batch failed at least once and is tried again.
    pub blocked: bool,
    /// What the last failure said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_flush_error: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_flush_error_time: Option<Time>,
    /// Mean bytes of a batch.
    #[serde(serialize_with = "whole")]
    pub average_batch_bytes: f64,
    /// Mean messages of a batch.
    pub average_batch_messages: f64,
    /// Mean data of a batch.
    pub average_batch_data: f64,
    /// Mean duration from sealing to submission, in milliseconds.
    #[serde(rename = "averageFlushTimeMS", serialize_with = "whole")]
    pub average_flush_time_ms: f64,
    /// Batches that were submitted.
    pub total_batches: u64,
    /// Attempts that failed.
    pub total_errors: u64,
}

/// A mean as clients read it: without a fraction.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn whole<S: serde::Serializer>(mean: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    // Rounds towards the nearest; what does not fit into 64 bits is no length of time or bytes.
    serializer.serialize_i64(mean.round() as i64)
}

/// Running sums behind the averages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    batches: u64,
    bytes: u64,
    messages: u64,
    data: u64,
    time: Duration,
}

impl Totals {
    /// Counts a batch that was submitted.
    pub(crate) fn add(&mut self, bytes: usize, messages: usize, data: usize, time: Duration) {
        self.batches += 1;
        self.bytes += bytes as u64;
        self.messages += messages as u64;
        self.data += data as u64;
        self.time += time;
    }

    /// Writes the averages, with at most two decimals, into a status.
    pub(crate) fn fill(&self, status: &mut Status) {
        status.total_batches = self.batches;
        status.average_batch_bytes = self.mean(self.bytes as f64);
        status.average_batch_messages = self.mean(self.messages as f64);
        status.average_batch_data = self.mean(self.data as f64);
        status.average_flush_time_ms = self.mean(self.time.as_secs_f64() * 1e3);
    }

    fn mean(&self, sum: f64) -> f64 {
        if self.batches == 0 { 0.0 } else { (sum / self.batches as f64 * 100.0).round() / 100.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_two_decimals() {
        let mut totals = Totals::default();
        let mut status = Status::default();
        totals.fill(&mut status);
        assert_eq!(status.average_batch_bytes, 0.0);
        for messages in [1, 1, 2] {
            totals.add(100, messages, 0, Duration::from_millis(10));
        }
        totals.fill(&mut status);
        assert_eq!(
            (status.average_batch_messages, status.average_flush_time_ms, status.total_batches),
            (1.33, 10.0, 3)
        );
    }
}
