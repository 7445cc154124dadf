//! The program as a process: started, watched, stopped or killed by its id.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const STARTED_WITHIN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(10);

pub struct Program {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Program {
    pub fn start(arguments: &[&str]) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (listen(child.stdout.take().unwrap()), listen(child.stderr.take().unwrap()));
        Program { child, out, err }
    }

    pub fn wait_for_file(&self, path: &Path) {
        self.wait(|| path.exists());
    }

    /// The first line that it prints: where it listens.
    pub fn first_line(&self) -> String {
        self.line(0)
    }

    pub fn line(&self, number: usize) -> String {
        self.wait(|| self.out.lock().unwrap().matches('\n').count() > number);
        self.out.lock().unwrap().lines().nth(number).unwrap_or_default().to_owned()
    }

    pub fn errors(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// SIGTERM, and what it exited with.
    pub fn stop(self, within: Duration) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.ended(within)
    }

    /// What it exited with by itself.
    pub fn ended(mut self, within: Duration) -> (Option<i32>, String) {
        let started = Instant::now();
        while started.elapsed() < within {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), self.errors());
            }
            pause(LOOK);
        }
        panic!("it does not end: {}", self.errors());
    }

    /// SIGKILL: it has no time for anything.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.errors()
    }

    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most that it held since `forget_peak`.
    pub fn peak_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Nobody has waited for it yet, so the system still knows it.
    fn has_ended(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
    }

    fn wait(&self, is_there: impl Fn() -> bool) {
        let started = Instant::now();
        while !is_there() {
            assert!(!self.has_ended(), "it ended: {}", self.errors());
            assert!(started.elapsed() < STARTED_WITHIN, "it does not start: {}", self.errors());
            pause(LOOK);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Of a test that failed: nothing is left running.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A folder of one test that is not there yet.
pub fn free_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("door-{name}"));
    drop(std::fs::remove_dir_all(&folder));
    folder
}

fn listen(mut stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(count) = stream.read(&mut part) {
            if count == 0 {
                return;
            }
            heard.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..count]));
        }
    });
    text
}

#[expect(clippy::disallowed_methods, reason = "another process tells nobody when it is done")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
