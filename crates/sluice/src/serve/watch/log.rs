//! What the gateway says on standard error: one line of JSON for each event.
//!
//! Whoever reads it may be slow or gone. Lines wait in a bounded queue for a thread of their own; what does not fit is dropped and counted, and no
//! request waits for it. Facts are words of the program, names of rules, times and numbers.

use super::settings::{Level, LogSettings, Requests};
use serde_json::{Map, Value, json};
use sluice_ledger::date;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const REQUESTS_WAITING_MAX: usize = 4_096;
/// Beside them: what is said of the gateway itself finds room when requests flood the log.
const OTHERS_WAITING_MAX: usize = 512;
const FLUSH_SECONDS_MAX: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Alarm,
    ConnectionsCutOff,
    Finding,
    LedgerInUse,
    LinesDropped,
    Panic,
    Policy,
    Request,
    Start,
    Stop,
    Stopping,
    TracesFail,
    TracesSent,
}

pub type Facts = Vec<(&'static str, Value)>;

pub struct Log {
    settings: LogSettings,
    entries: Sender<Entry>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

enum Entry {
    /// Everything before it is written.
    Flush(SyncSender<()>),
    Line(Line),
}

struct Line {
    at_ms: u64,
    event: Event,
    facts: Facts,
}

impl Event {
    #[cfg(test)]
    pub const ALL: [Event; 13] = [
        Event::Alarm,
        Event::ConnectionsCutOff,
        Event::Finding,
        Event::LedgerInUse,
        Event::LinesDropped,
        Event::Panic,
        Event::Policy,
        Event::Request,
        Event::Start,
        Event::Stop,
        Event::Stopping,
        Event::TracesFail,
        Event::TracesSent,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Event::Alarm => "alarm",
            Event::ConnectionsCutOff => "connections_cut_off",
            Event::Finding => "finding",
            Event::LedgerInUse => "ledger_in_use",
            Event::LinesDropped => "lines_dropped",
            Event::Panic => "panic",
            Event::Policy => "policy",
            Event::Request => "request",
            Event::Start => "start",
            Event::Stop => "stop",
            Event::Stopping => "stopping",
            Event::TracesFail => "traces_fail",
            Event::TracesSent => "traces_sent",
        }
    }

    pub fn level(self) -> Level {
        match self {
            Event::Alarm | Event::Panic => Level::Alarm,
            Event::ConnectionsCutOff | Event::Finding | Event::LedgerInUse | Event::LinesDropped | Event::TracesFail => Level::Warning,
            Event::Policy | Event::Request | Event::Start | Event::Stop | Event::Stopping | Event::TracesSent => Level::Info,
        }
    }
}

impl Log {
    /// The thread ends when the log is dropped.
    pub fn start(settings: LogSettings, mut out: impl Write + Send + 'static) -> std::io::Result<Log> {
        let (entries, waiting) = channel();
        let counts = Arc::new(Counts::default());
        let of_writer = Arc::clone(&counts);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&waiting, &mut out, &of_writer))?;
        Ok(Log { settings, entries, counts })
    }

    pub fn wants_request(&self, outcome: &str) -> bool {
        let wanted = match self.settings.requests {
            Requests::All => true,
            Requests::Off => false,
            Requests::Refused => outcome != "served",
        };
        wanted && Event::Request.level() >= self.settings.level
    }

    pub fn say(&self, event: Event, facts: Facts) {
        if event.level() < self.settings.level {
            return;
        }
        let waiting_max = REQUESTS_WAITING_MAX + if event == Event::Request { 0 } else { OTHERS_WAITING_MAX };
        let is_room = self.counts.waiting.fetch_add(1, Ordering::Relaxed) < waiting_max;
        if !is_room || self.entries.send(Entry::Line(Line { at_ms: now_ms(), event, facts })).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was said is written, if anybody reads it. Blocks, for the end of a process.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.entries.send(Entry::Flush(done)).is_ok() {
            written.recv_timeout(Duration::from_secs(FLUSH_SECONDS_MAX)).ok();
        }
    }
}

#[cfg(test)]
impl Log {
    /// However long it takes.
    pub fn wait_until_written(&self) {
        let (done, written) = sync_channel(1);
        self.entries.send(Entry::Flush(done)).unwrap();
        written.recv().unwrap();
    }
}

fn write(entries: &Receiver<Entry>, out: &mut impl Write, counts: &Counts) {
    let mut told = 0;
    for entry in entries {
        match entry {
            Entry::Flush(done) => drop(done.send(())),
            Entry::Line(line) => {
                // In one write, so that it does not mix with what others write.
                let written = out.write_all(line.text().as_bytes()).is_ok();
                counts.waiting.fetch_sub(1, Ordering::Relaxed);
                let lost = counts.dropped.fetch_add(u64::from(!written), Ordering::Relaxed);
                if written && lost > told {
                    let line = Line { at_ms: now_ms(), event: Event::LinesDropped, facts: vec![("lines", json!(lost - told))] };
                    drop(out.write_all(line.text().as_bytes()));
                    told = lost;
                }
            }
        }
    }
}

impl Line {
    fn text(&self) -> String {
        let head =
            [("time", json!(date::text(self.at_ms))), ("level", json!(self.event.level().word())), ("event", json!(self.event.word()))];
        let said = head.iter().chain(&self.facts).map(|(name, value)| ((*name).to_owned(), value.clone()));
        format!("{}\n", Value::Object(said.collect::<Map<String, Value>>()))
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    const MANUAL: &str = include_str!("../../../../../docs/operating.md");

    /// A terminal that can be stopped.
    #[derive(Clone, Default)]
    struct Reader {
        text: Arc<Mutex<Vec<u8>>>,
        gate: Arc<Mutex<()>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _open = self.gate.lock().unwrap();
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Reader {
        fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.text.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
        }
    }

    #[test]
    fn an_event_is_one_line() {
        let line = Line { at_ms: 1_000, event: Event::Alarm, facts: vec![("text", json!("a\nb\u{1b}\"")), ("jobs", json!(3))] };
        let expect =
            "{\"time\":\"1970-01-01T00:00:01.000Z\",\"level\":\"alarm\",\"event\":\"alarm\",\"text\":\"a\\nb\\u001b\\\"\",\"jobs\":3}\n";
        assert_eq!(line.text(), expect);
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_counted() {
        let reader = Reader::default();
        let log = Log::start(LogSettings::default(), reader.clone()).unwrap();
        let stopped = reader.gate.lock().unwrap();
        let requests = REQUESTS_WAITING_MAX + 10;
        for number in 0..requests {
            log.say(Event::Request, vec![("number", json!(number))]);
        }
        log.say(Event::Alarm, vec![]);
        assert_eq!(log.dropped(), 10, "requests that do not fit are dropped, and an alarm still fits");
        drop(stopped);
        log.wait_until_written();
        let lines = reader.lines();
        let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
        assert_eq!((count("request"), count("alarm"), count("lines_dropped")), (REQUESTS_WAITING_MAX, 1, 1));
        assert_eq!(lines.iter().find(|line| line["event"] == "lines_dropped").unwrap()["lines"], 10);
    }

    #[test]
    fn what_is_not_wanted_is_not_written() {
        let check = |level, requests, expect: &[&str]| {
            let reader = Reader::default();
            let log = Log::start(LogSettings { level, requests }, reader.clone()).unwrap();
            for outcome in ["served", "failed", "refused"] {
                if log.wants_request(outcome) {
                    log.say(Event::Request, vec![("outcome", json!(outcome))]);
                }
            }
            [Event::Start, Event::ConnectionsCutOff, Event::Alarm].into_iter().for_each(|event| log.say(event, vec![]));
            log.wait_until_written();
            let word = |line: &Value| line.get("outcome").unwrap_or(&line["event"]).as_str().unwrap().to_owned();
            assert_eq!(reader.lines().iter().map(word).collect::<Vec<_>>(), expect, "{level:?} {requests:?}");
        };
        check(Level::Info, Requests::All, &["served", "failed", "refused", "start", "connections_cut_off", "alarm"]);
        check(Level::Info, Requests::Refused, &["failed", "refused", "start", "connections_cut_off", "alarm"]);
        check(Level::Info, Requests::Off, &["start", "connections_cut_off", "alarm"]);
        check(Level::Warning, Requests::All, &["connections_cut_off", "alarm"]);
        check(Level::Alarm, Requests::All, &["alarm"]);
    }

    /// The table of events: `| `word` | level | ..`.
    #[test]
    fn the_manual_names_each_event() {
        let table = MANUAL.lines().skip_while(|line| !line.starts_with("| event |")).skip(2).take_while(|line| line.starts_with('|'));
        let row = |line: &'static str| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
        };
        let told: BTreeSet<(&str, &str)> = table.map(row).collect();
        assert_eq!(told, Event::ALL.into_iter().map(|event| (event.word(), event.level().word())).collect());
    }
}
