//! What was measured: as lines for people while it goes on, as JSON at the end.

use super::Outcome;
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::{Stdout, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

const SYNCS: u32 = 300;
const SYNC_BYTES: usize = 4096;

pub struct Report {
    out: Stdout,
    figures: Map<String, Value>,
}

impl Report {
    pub fn new() -> Report {
        Report { out: std::io::stdout(), figures: Map::new() }
    }

    pub fn say(&mut self, line: &str) -> Outcome<()> {
        writeln!(self.out, "{line}")?;
        Ok(self.out.flush()?)
    }

    /// A line of a table, and the same below its name in the JSON.
    pub fn row(&mut self, table: &str, line: &str, figures: Value) -> Outcome<()> {
        if let Some(rows) = self.figures.entry(table).or_insert_with(|| json!([])).as_array_mut() {
            rows.push(figures);
        }
        self.say(line)
    }

    /// How busy the machine was: with more than its processors the figures are worse than they need be.
    pub fn load(&mut self, phase: &str) -> Outcome<()> {
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        let line = format!("\n{phase} (load average {load})");
        self.row("load_averages", &line, json!({ "phase": phase, "load": load.parse::<f64>()? }))
    }

    pub fn write(&mut self, path: &Path) -> Outcome<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, format!("{:#}\n", Value::Object(self.figures.clone())))?;
        self.say(&format!("\nall of it as JSON: {}", path.canonicalize()?.display()))
    }
}

/// Of each figure the one in the middle.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// What one sync takes where the ledger lies, in milliseconds: nothing that is durable can be faster.
pub fn sync_ms(folder: &Path) -> Outcome<f64> {
    let path = folder.join("sync-alone");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    file.write_all_at(&vec![0; SYNC_BYTES * (SYNCS as usize + 1)], 0)?;
    file.sync_data()?;
    let mut times = Vec::new();
    for number in 0..SYNCS {
        let started = Instant::now();
        file.write_all_at(&[1; SYNC_BYTES], u64::from(number) * SYNC_BYTES as u64)?;
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(&path)?;
    Ok(median(times.into_iter()))
}
