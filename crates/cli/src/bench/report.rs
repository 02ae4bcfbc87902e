//! What was measured, beside what it should be.

use std::{
    fmt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::load::Figures;
use crate::error::Error;

/// Form of the JSON; raised when a reader would misunderstand the old one.
const FORMAT: u32 = 1;

/// A figure that should be reached.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bars {
    first_bar: f64,
    goal: f64,
    /// Whether more is better.
    more: bool,
}

impl Bars {
    /// At least so much: the first bar, and the goal.
    pub(crate) const fn least(first_bar: f64, goal: f64) -> Self {
        Self { first_bar, goal, more: true }
    }

    /// At most so much: the first bar, and the goal.
    pub(crate) const fn most(first_bar: f64, goal: f64) -> Self {
        Self { first_bar, goal, more: false }
    }

    fn verdict(self, value: f64) -> &'static str {
        let holds = |bar: f64| if self.more { value >= bar } else { value <= bar };
        match (holds(self.goal), holds(self.first_bar)) {
            (true, _) => "goal",
            (false, true) => "first bar",
            (false, false) => "MISSED",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    work: String,
    value: f64,
    unit: &'static str,
    /// What else is to be said, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(flatten)]
    bars: Option<Bars>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
}

impl Row {
    pub(crate) fn new(work: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { work: work.into(), value, unit, note: String::new(), bars: None, verdict: None, figures: None }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(crate) fn bars(mut self, bars: Bars) -> Self {
        self.verdict = Some(bars.verdict(self.value));
        self.bars = Some(bars);
        self
    }

    pub(crate) fn figures(mut self, figures: &Figures) -> Self {
        if figures.failures > 0 {
            self.work = format!("{} ({} FAILED)", self.work, figures.failures);
        }
        self.figures = Some(figures.clone());
        self
    }
}

/// What the figures were measured on.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    processor: String,
    cores: usize,
    memory_mib: u64,
    system: String,
}

impl Machine {
    fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':').map(|(_, value)| value));
            line.map(|value| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kibibytes: u64 = memory.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or_default();
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kibibytes / 1024,
            system: read("/proc/version").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
        }
    }
}

/// What a run measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    format: u32,
    photinus: &'static str,
    /// Seconds since 1970.
    taken_at: u64,
    machine: Machine,
    /// What was measured: a URL, or a network made for it.
    of: String,
    seconds_per_figure: f64,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(of: impl Into<String>, seconds: f64) -> Self {
        Self {
            format: FORMAT,
            photinus: env!("CARGO_PKG_VERSION"),
            taken_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            machine: Machine::this(),
            of: of.into(),
            seconds_per_figure: seconds,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Writes the JSON to a file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| Error::Load(error.to_string()))?;
        text.push('\n');
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        }
        std::fs::write(path, text).map_err(Error::file("write", path))
    }
}

/// A number with as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "{}", self.of)?;
        writeln!(
            f,
            "{} cores of {}, {} MiB, {}",
            machine.cores, machine.processor, machine.memory_mib, machine.system
        )?;
        writeln!(
            f,
            "{:<66} {:>12} {:<6} {:>9} {:>9}  {:<9}  note",
            "work", "measured", "", "first bar", "goal", "holds"
        )?;
        for row in &self.rows {
            let bar = |bar: fn(&Bars) -> f64| row.bars.as_ref().map(|bars| number(bar(bars))).unwrap_or_default();
            let (first_bar, goal) = (bar(|bars| bars.first_bar), bar(|bars| bars.goal));
            let (value, verdict) = (number(row.value), row.verdict.unwrap_or_default());
            let line = format!(
                "{:<66} {value:>12} {:<6} {first_bar:>9} {goal:>9}  {verdict:<9}  {}",
                row.work, row.unit, row.note
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_from_its_own_side() {
        let (least, most) = (Bars::least(10.0, 20.0), Bars::most(10.0, 5.0));
        assert_eq!([9.0, 10.0, 20.0].map(|value| least.verdict(value)), ["MISSED", "first bar", "goal"]);
        assert_eq!([11.0, 10.0, 5.0].map(|value| most.verdict(value)), ["MISSED", "first bar", "goal"]);
    }

    #[test]
    fn the_table_and_the_json_say_the_same() {
        let mut report = Report::new("a network", 1.0);
        report.add(Row::new("work", 1234.5, "/s").bars(Bars::least(1_000.0, 2_000.0)).note("p50 1 ms"));
        let line = report.to_string().lines().last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line, "work 1234 /s 1000 2000 first bar p50 1 ms");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["format"], 1);
        assert_eq!(json["rows"][0]["firstBar"], 1000.0);
        assert_eq!(json["rows"][0]["verdict"], "first bar");
    }
}
