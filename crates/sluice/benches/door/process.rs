//! A process of the measurement: started, watched, stopped by its id.

use super::Outcome;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The kernel tells processor time in hundredths of a second.
const TICK_SECONDS: f64 = 0.01;

pub struct Process {
    child: Child,
    /// Kept open: a program that writes into a closed pipe ends.
    out: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// What it says of errors is seen.
    pub fn start(program: &Path, arguments: &[&str]) -> Outcome<Process> {
        let mut command = Command::new(program);
        // Its standard input closes when we end, however we end: who listens to that ends too.
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().map(BufReader::new);
        Ok(Process { child, out })
    }

    /// What it says next: where it listens.
    pub fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.out.as_mut().ok_or("no output")?.read_line(&mut line)?;
        if line.is_empty() { Err("it ended before it said where it listens".into()) } else { Ok(line.trim().to_owned()) }
    }

    /// The most memory since `forget_peak`, workers included.
    pub fn peak_bytes(&self) -> u64 {
        self.status("VmHWM:")
    }

    pub fn resident_bytes(&self) -> u64 {
        self.status("VmRSS:")
    }

    pub fn forget_peak(&self) {
        for id in self.ids() {
            // Where that is forbidden the peak is the one since the start.
            let _ = std::fs::write(format!("/proc/{id}/clear_refs"), "5");
        }
    }

    /// What all its threads have worked, workers included.
    pub fn processor_seconds(&self) -> f64 {
        let ticks = |id: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // The name before may hold anything; user and system time are the twelfth and thirteenth field behind it.
            let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
            behind.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        };
        self.ids().iter().map(ticks).sum::<f64>() * TICK_SECONDS
    }

    /// In good order.
    pub fn stop(mut self) -> Outcome<()> {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if !told.success() {
            return Err("it cannot be told to stop".into());
        }
        self.child.wait()?;
        Ok(())
    }

    fn status(&self, name: &str) -> u64 {
        let of = |id: &u32| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() << 10
        };
        self.ids().iter().map(of).sum()
    }

    /// Its own, and those of its workers.
    fn ids(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        [id].into_iter().chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whatever went wrong: nothing is left running, workers neither.
        if matches!(self.child.try_wait(), Ok(None)) {
            let ids: Vec<String> = self.ids().iter().map(u32::to_string).collect();
            drop(Command::new("kill").arg("-KILL").args(ids).status());
            drop(self.child.wait());
        }
    }
}

/// One call of the program that has to succeed.
pub fn run(program: &Path, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{} {}: {}", program.display(), arguments.join(" "), text(&output.stderr)).into()),
    }
}
