//! Results: rows of medians with their spread, as a table and as `docs/bench/<name>.json`.

use std::path::Path;

use serde::Serialize;

use super::{Outcome, machine, plot};

/// One benchmark's results, in the form that `docs/bench` keeps.
#[derive(Serialize)]
pub struct Report {
    /// When, RFC 3339.
    pub date: String,
    /// Of which sources.
    pub commit: String,
    /// On what.
    pub machine: String,
    /// How to measure it again.
    pub command: String,
    /// How often each row was measured, the systems taking turns.
    pub rounds: usize,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One figure of one system.
#[derive(Clone, Serialize)]
pub struct Row {
    /// What was done, sizes written out: `fanout-1000-200b`.
    pub shape: String,
    /// `floor`, `gigsy` or a peer.
    pub system: String,
    /// Of that system.
    pub version: String,
    /// `frames_per_cpu_s`, `kb_per_conn`, …
    pub metric: String,
    /// What it is counted in.
    pub unit: String,
    /// The middle of the rounds.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// The median of each round's ratio to the floor of that same round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_floor: Option<f64>,
    /// The median of each round's ratio to Redis of that same round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_redis: Option<f64>,
}

/// The middle, least and most of some values.
#[derive(Clone, Copy)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of at least one value; of none, all are zero.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        let (min, max) = (sorted.first().copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(0.0));
        Self { median, min, max }
    }

    /// Of each round's `ours / floor`; a round without a floor is left out.
    pub fn of_ratios(ours: &[f64], floor: &[f64]) -> Option<Self> {
        let pairs = ours.iter().zip(floor).filter(|(_, floor)| **floor > 0.0);
        let ratios: Vec<f64> = pairs.map(|(ours, floor)| ours / floor).collect();
        (!ratios.is_empty()).then(|| Self::of(&ratios))
    }
}

/// Enough digits to tell figures apart, no more.
fn rounded(value: f64) -> f64 {
    let scale = if value.abs() >= 1000.0 { 1.0 } else { 1000.0 };
    (value * scale).round() / scale
}

impl Report {
    /// An empty report of now and here.
    pub fn new(command: String, rounds: usize) -> Self {
        let (date, commit, machine) = (machine::date(), machine::commit(), machine::machine());
        Self { date, commit, machine, command, rounds, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn add(
        &mut self,
        (shape, system, version): (&str, &str, &str),
        (metric, unit): (&str, &str),
        values: &[f64],
        ratio_to_floor: Option<f64>,
    ) {
        let Spread { median, min, max } = Spread::of(values);
        let (median, min, max) = (rounded(median), rounded(min), rounded(max));
        let ratio_to_floor = ratio_to_floor.map(rounded);
        let [shape, system, version, metric, unit] =
            [shape, system, version, metric, unit].map(str::to_owned);
        let ratio_to_redis = None;
        let row =
            Row { shape, system, version, metric, unit, median, min, max, ratio_to_floor, ratio_to_redis };
        self.rows.push(row);
    }

    /// Sets the last row against Redis.
    pub fn against_redis(&mut self, ratio: Option<f64>) {
        if let Some(row) = self.rows.last_mut() {
            row.ratio_to_redis = ratio.map(rounded);
        }
    }

    /// The rows as a table for the terminal.
    pub fn table(&self) -> String {
        let head =
            ["shape", "system", "metric", "median", "min", "max", "÷ floor", "÷ redis"].map(str::to_owned);
        let rows = self.rows.iter().map(|row| {
            let ratios = [row.ratio_to_floor, row.ratio_to_redis];
            let [floor, redis] =
                ratios.map(|ratio| ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default());
            let figures = [row.median, row.min, row.max].map(figure);
            let [median, min, max] = figures;
            [row.shape.clone(), row.system.clone(), row.metric.clone(), median, min, max, floor, redis]
        });
        let all: Vec<[String; 8]> = std::iter::once(head).chain(rows).collect();
        let widths: [usize; 8] =
            std::array::from_fn(|i| all.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
        let mut table = String::new();
        for row in &all {
            for (i, cell) in row.iter().enumerate() {
                let space = " ".repeat(widths[i] - cell.chars().count());
                // Words to the left, figures to the right.
                table += &if i < 3 { format!("{cell}{space}  ") } else { format!("{space}{cell}  ") };
            }
            table.truncate(table.trim_end().len());
            table.push('\n');
        }
        table
    }

    /// Writes `<name>.json` and `<name>.svg` into `folder`; the plot shows `metric`.
    pub fn write(&self, folder: &Path, name: &str, metric: &str) -> Outcome<()> {
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(folder.join(format!("{name}.json")), json + "\n")?;
        std::fs::write(folder.join(format!("{name}.svg")), plot::bars(self, name, metric))?;
        Ok(())
    }
}

/// A figure with thousands kept apart.
pub fn figure(value: f64) -> String {
    if value.abs() < 1000.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}
