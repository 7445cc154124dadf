//! What callers used up today, kept over a restart: a budget for a day that a crash refills is none.
//!
//! The file says of a caller more than it has used, up to a hundredth of its limit, so that it is written at most a hundred times a day for each.
//! After a restart that is what counts as used. Requests of this second and jobs at once are not kept: with the process they end.

use crate::checked_line::sha256;
use crate::disk::Disk;
use crate::facts::hexadecimal;
use crate::fault::StoreFault;
use crate::line_file::{LineFile, place};
use sluice_policy::{Amount, Counters, DayUse, Exceeded, Limit, MemoryCounters};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Of a day's limit: how far ahead of the use the file may be.
const STEPS_PER_DAY: u64 = 100;
/// Written anew when it holds this many lines, and twice as many as still count.
const LINES_BEFORE_REWRITE: usize = 10_000;
const HEAD: &str = "sluice usage 1\n";

/// Hears why the file was closed. Until the gateway starts again, nobody with a limit for a day is let through.
pub type UsageFault = Box<dyn Fn(&str) + Send + Sync>;

/// For one gateway: a second one cannot open it, and so not count apart.
pub struct UsageFile {
    counters: MemoryCounters,
    open: Mutex<Option<Open>>,
    swept_day: AtomicI64,
    on_fault: UsageFault,
}

struct Open {
    file: LineFile,
    /// Whoever is in it has used at most this.
    said: HashMap<String, DayUse>,
}

impl UsageFile {
    /// Makes the file that `open` expects: one that is missing must not pass for a day on which nothing was used.
    pub fn create(path: &Path) -> Result<(), StoreFault> {
        let (disk, name) = place(path)?;
        UsageFile::create_on(&disk, &name)
    }

    pub fn create_on(disk: &dyn Disk, name: &str) -> Result<(), StoreFault> {
        Ok(LineFile::create(disk, name, HEAD)?)
    }

    pub fn open(path: &Path, on_fault: UsageFault) -> Result<UsageFile, StoreFault> {
        let (disk, name) = place(path)?;
        UsageFile::open_on(Arc::new(disk), &name, on_fault)
    }

    pub fn open_on(disk: Arc<dyn Disk>, name: &str, on_fault: UsageFault) -> Result<UsageFile, StoreFault> {
        let mut said = HashMap::new();
        let file = LineFile::open(disk, name, HEAD, |line| {
            let (caller, used) = read_line(line)?;
            said.insert(caller, used);
            Some(())
        })?;
        let counters = MemoryCounters::default();
        said.iter().for_each(|(caller, used)| counters.restore(caller, *used));
        Ok(UsageFile { counters, open: Mutex::new(Some(Open { file, said })), swept_day: AtomicI64::new(i64::MIN), on_fault })
    }

    fn keep(&self, caller: &str, limit: &Limit, now: i64) -> Result<(), Exceeded> {
        let mut held = self.open.lock().map_err(|_| Exceeded::Unavailable)?;
        let mut open = held.take().ok_or(Exceeded::Unavailable)?;
        match open.keep(caller, self.counters.day_use(caller, now), limit) {
            Ok(()) => *held = Some(open),
            Err(error) => {
                (self.on_fault)(&format!("what callers use up cannot be written: {error}"));
                return Err(Exceeded::Unavailable);
            }
        }
        Ok(())
    }
}

impl Counters for UsageFile {
    fn take(&self, caller: &str, amount: Amount, limit: &Limit, now: i64) -> Result<(), Exceeded> {
        let today = DayUse::day_of(now);
        if self.swept_day.fetch_max(today, Ordering::Relaxed) < today {
            self.counters.forget_idle(now);
        }
        let caller = tag(caller);
        self.counters.take(&caller, amount, limit, now)?;
        if limit.asks_for_cost() && (amount.bytes > 0 || amount.cost_micros > 0) {
            self.keep(&caller, limit, now)?;
        }
        Ok(())
    }

    fn job_done(&self, caller: &str) {
        self.counters.job_done(&tag(caller));
    }
}

impl Open {
    fn keep(&mut self, caller: &str, used: DayUse, limit: &Limit) -> io::Result<()> {
        let covers = |said: &DayUse| said.day == used.day && said.bytes >= used.bytes && said.cost_micros >= used.cost_micros;
        if self.said.get(caller).is_some_and(covers) {
            return Ok(());
        }
        let lines = self.file.lines();
        if lines >= LINES_BEFORE_REWRITE && lines >= 2 * self.said.values().filter(|said| said.day >= used.day).count() {
            self.said.retain(|_, said| said.day >= used.day);
            self.file.rewrite(self.said.iter().map(|(caller, said)| line(caller, said)))?;
        }
        let said = DayUse {
            day: used.day,
            bytes: ahead(used.bytes, limit.bytes_per_day_max),
            cost_micros: ahead(used.cost_micros, limit.cost_micros_per_day_max),
        };
        self.file.append(&line(caller, &said))?;
        self.said.insert(caller.to_owned(), said);
        Ok(())
    }
}

/// Never less than what is used; not more than the limit for the sake of being ahead.
fn ahead(used: u64, max: Option<u64>) -> u64 {
    max.map_or(used, |max| used.saturating_add(max / STEPS_PER_DAY).min(max).max(used))
}

/// No names in the file.
fn tag(caller: &str) -> String {
    hexadecimal(&sha256(caller.as_bytes()))
}

fn line(caller: &str, said: &DayUse) -> String {
    format!("{caller} {} {} {}", said.day, said.bytes, said.cost_micros)
}

fn read_line(line: &str) -> Option<(String, DayUse)> {
    let mut words = line.split(' ');
    let caller = words.next()?.to_owned();
    let said = DayUse { day: words.next()?.parse().ok()?, bytes: words.next()?.parse().ok()?, cost_micros: words.next()?.parse().ok()? };
    words.next().is_none().then_some((caller, said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::AtomicUsize;
    use tempfile::TempDir;

    const DAY: i64 = 24 * 60 * 60;
    const LIMIT: Limit =
        Limit { requests_per_second_max: None, jobs_at_once_max: Some(3), bytes_per_day_max: Some(1_000), cost_micros_per_day_max: None };

    /// A file in a folder that goes with the test.
    fn fresh() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage");
        UsageFile::create(&path).unwrap();
        (folder, path)
    }

    fn open(path: &Path) -> UsageFile {
        UsageFile::open(path, Box::new(|fault| panic!("{fault}"))).unwrap()
    }

    fn take(file: &UsageFile, caller: &str, bytes: u64, now: i64) -> Result<(), Exceeded> {
        file.take(caller, Amount { bytes, ..Amount::default() }, &LIMIT, now)
    }

    #[test]
    fn what_is_used_stays_used_over_a_restart_and_no_longer_than_its_day() {
        let (_folder, path) = fresh();
        let file = open(&path);
        assert_eq!(take(&file, "a", 600, DAY), Ok(()));
        assert_eq!(take(&file, "b", 100, DAY), Ok(()));
        drop(file);
        let file = open(&path);
        // 600 and the hundredth ahead of it.
        assert_eq!(take(&file, "a", 391, DAY), Err(Exceeded::BytesPerDay { max: 1_000 }));
        assert_eq!(take(&file, "a", 390, DAY + 5), Ok(()));
        assert_eq!(take(&file, "b", 890, DAY), Ok(()));
        drop(file);
        let file = open(&path);
        assert_eq!(take(&file, "a", 1, 2 * DAY - 1), Err(Exceeded::BytesPerDay { max: 1_000 }));
        assert_eq!(take(&file, "a", 1_000, 2 * DAY), Ok(()));
        // A clock that is set back opens nothing.
        assert_eq!(take(&file, "a", 1, DAY), Err(Exceeded::BytesPerDay { max: 1_000 }));
    }

    /// Every use is covered by the file, whenever it stops; and it is not written for each.
    #[test]
    fn the_file_is_ahead_of_the_use() {
        let (_folder, path) = fresh();
        let mut lines = 0;
        let file = open(&path);
        for used in 1..=1_000_u64 {
            assert_eq!(take(&file, "a", 1, DAY), Ok(()), "{used}");
            let said = file.open.lock().unwrap().as_ref().unwrap().said[&tag("a")];
            assert!((used..=(used + 10).min(1_000)).contains(&said.bytes), "{used} {said:?}");
            lines = file.open.lock().unwrap().as_ref().unwrap().file.lines();
        }
        assert_eq!(take(&file, "a", 1, DAY), Err(Exceeded::BytesPerDay { max: 1_000 }));
        assert!((90..=100).contains(&lines), "{lines}");
        drop(file);
        assert_eq!(take(&open(&path), "a", 1, DAY), Err(Exceeded::BytesPerDay { max: 1_000 }));
    }

    #[test]
    fn who_has_no_limit_is_not_written() {
        let (_folder, path) = fresh();
        let file = open(&path);
        let no = Limit { bytes_per_day_max: None, ..LIMIT };
        assert_eq!(file.take("a", Amount { bytes: 5, jobs: 1, ..Amount::default() }, &no, DAY), Ok(()));
        assert_eq!(file.open.lock().unwrap().as_ref().unwrap().file.lines(), 0);
    }

    #[test]
    fn jobs_are_counted_for_their_caller_and_given_back() {
        let (_folder, path) = fresh();
        let file = open(&path);
        let job = || file.take("a", Amount { jobs: 1, ..Amount::default() }, &LIMIT, DAY);
        assert_eq!([job(), job(), job(), job()], [Ok(()), Ok(()), Ok(()), Err(Exceeded::JobsAtOnce { max: 3 })]);
        file.job_done("a");
        assert_eq!([job(), job()], [Ok(()), Err(Exceeded::JobsAtOnce { max: 3 })]);
    }

    #[test]
    fn damage_keeps_it_shut_and_a_torn_end_is_cut_off() {
        let (_folder, path) = fresh();
        let file = open(&path);
        assert_eq!(take(&file, "a", 500, DAY), Ok(()));
        drop(file);
        let text = std::fs::read(&path).unwrap();
        for bit in 0..(text.len() - 1) * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert!(UsageFile::open(&path, Box::new(|_| {})).is_err(), "bit {bit}");
        }
        std::fs::write(&path, &text[..text.len() - 1]).unwrap();
        assert_eq!(take(&open(&path), "a", 1_000, DAY), Ok(()));
    }

    /// A disk that takes nothing more lets nobody through whose use it cannot keep, and says so once.
    #[test]
    fn what_cannot_be_written_is_not_let_through() {
        let (_folder, path) = fresh();
        let heard = Arc::new(AtomicUsize::new(0));
        let count = heard.clone();
        let file = UsageFile::open(&path, Box::new(move |_| _ = count.fetch_add(1, Ordering::Relaxed))).unwrap();
        assert_eq!(take(&file, "a", 10, DAY), Ok(()));
        file.open.lock().unwrap().take();
        assert_eq!(take(&file, "a", 500, DAY), Err(Exceeded::Unavailable));
        let no = Limit { bytes_per_day_max: None, ..LIMIT };
        assert_eq!(file.take("b", Amount { bytes: 5, ..Amount::default() }, &no, DAY), Ok(()));
        assert_eq!(heard.load(Ordering::Relaxed), 0);
    }
}
