//! `sluice ledger find`: which records, without reading all of them.

use super::index::{IndexPlace, scribe};
use super::{Answer, Keys, Outcome, Place, Stop, reader, secrets};
use clap::Args;
use serde_json::json;
use sluice_ledger::date;
use sluice_ledger::record::{Kind, Subject};
use sluice_store::{FOUND_RECORDS_MAX, Found, Index, Search};

/// Find records by kind, time, caller or request.
///
/// All that is asked for has to fit. The answer names records by their number, for `prove`, `hold` and `erase`; it says nothing of what
/// they say. The index is a file beside the ledger. It is made when it is not there, brought up to date, compared with the ledger in all that it
/// finds, and can be thrown away; it holds no names, so whoever looks for a caller needs the keys.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice ledger find var/ledger --keys var/ledger-keys --kind request.refused --from 2026-11-20 --until 2026-11-21
  sluice ledger find var/ledger --keys var/ledger-keys --caller 'https://accounts.google.com#1178' --max 20
  sluice ledger find var/ledger --keys var/ledger-keys --request 5f0c9be1a2d34e5f8a9b0c1d2e3f4a5b --json")]
pub struct Find {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    index: IndexPlace,
    /// Only this kind; may be given several times, and then any of them fits
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<Kind>,
    /// Not before this time, in UTC: 2026-11-21 or 2026-11-21T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<u64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<u64>,
    /// ISSUER#SUBJECT of whoever called, or on whose behalf an agent called
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// The records of one request, by its 32 hexadecimal digits
    #[arg(long, value_name = "ID", value_parser = request)]
    request: Option<Subject>,
    /// Only behind this record: where the last answer ended
    #[arg(long, value_name = "RECORD")]
    after: Option<u64>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(FOUND_RECORDS_MAX)))]
    max: u32,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(find: &Find) -> Outcome {
    let folder = &find.place.folder;
    let reader = reader(folder)?;
    let path = find.index.path(folder)?;
    let scribe = scribe(&secrets(&find.keys.keys)?, &reader);
    let search = Search {
        subject: find.request,
        kinds: find.kind.clone(),
        from_ms: find.from,
        until_ms: find.until,
        principal: find.caller.clone(),
        after: find.after,
        records_max: find.max,
    };
    let found = Index::open(&path, &reader, &scribe).and_then(|mut index| index.search(&search, &reader, &scribe));
    let found = found.map_err(|fault| Stop::of(folder, &fault))?;
    let more = found.last().filter(|_| found.len() == find.max as usize).map(|last| last.number);
    let value = json!({
        "records": reader.size(),
        "found": found.iter().map(|found| json!({
            "record": found.number, "kind": found.leaf.kind.word(), "time": date::text(found.leaf.time_ms), "time_ms": found.leaf.time_ms,
            "epoch": found.leaf.epoch, "request": found.leaf.subject.map(|subject| subject.to_string()),
            "about": found.leaf.target.map(|target| target.index),
        })).collect::<Vec<_>>(),
        "go_on_after": more,
    });
    let mut text: String = found.iter().map(line).collect();
    text += &match more {
        Some(last) => format!("{} found, there may be more: go on with --after {last}\n", found.len()),
        None => format!("{} found among {} records\n", found.len(), reader.size()),
    };
    Ok(Answer::of_text(value, text))
}

fn line(Found { number, leaf }: &Found) -> String {
    let what = match (leaf.subject, leaf.target) {
        (Some(subject), _) => format!("request {subject}"),
        (None, Some(target)) => format!("about record {}", target.index),
        (None, None) => String::new(),
    };
    format!("{number:>8}  {}  {:20} {what}", date::text(leaf.time_ms), leaf.kind.word()).trim_end().to_owned() + "\n"
}

fn kind(word: &str) -> Result<Kind, String> {
    let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    Kind::parse(word).ok_or_else(|| format!("kinds are {}", words.join(", ")))
}

pub(in crate::command) fn time(text: &str) -> Result<u64, String> {
    date::parse(text).ok_or_else(|| "a time is written 2026-11-21 or 2026-11-21T09:30:00Z, in UTC".to_owned())
}

pub(in crate::command) fn request(text: &str) -> Result<Subject, String> {
    Subject::parse(text).ok_or_else(|| "a request has 32 hexadecimal digits".to_owned())
}
