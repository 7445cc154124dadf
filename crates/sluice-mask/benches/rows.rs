//! Bytes of rows per second, read, checked and masked: `make bench`. Each core of the gateway does this for every byte that leaves.

use sluice_mask::{MASK_SECRET_BYTES, MaskKeys, MaskedRows, Masker, RawPage, Tally};
use sluice_policy::FindingRules;
use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

#[path = "../tests/it/permit.rs"]
#[expect(clippy::panic, clippy::unwrap_used, dead_code, reason = "it is a test's, which uses more of it")]
mod permit;

const PAGE_BYTES: usize = 10 << 20;
const TIME_MIN: Duration = Duration::from_secs(1);

/// Name, schema, row.
const SHAPES: [(&str, &str, &str); 3] = [
    (
        "ten short cells",
        r#"{"name":"a","type":"STRING"},{"name":"b","type":"INTEGER"},{"name":"c","type":"STRING"},{"name":"d","type":"INTEGER"},{"name":"e","type":"STRING"},{"name":"f","type":"INTEGER"},{"name":"g","type":"STRING"},{"name":"h","type":"INTEGER"},{"name":"i","type":"STRING"},{"name":"j","type":"TIMESTAMP"}"#,
        r#"{"f":[{"v":"abc"},{"v":"12345"},{"v":"Zürich"},{"v":"7"},{"v":null},{"v":"1234567890"},{"v":"x"},{"v":"0"},{"v":"some words here"},{"v":"1.7E9"}]}"#,
    ),
    (
        "nested and repeated",
        r#"{"name":"a","type":"STRING"},{"name":"r","type":"RECORD","mode":"REPEATED","fields":[{"name":"x","type":"STRING"},{"name":"y","type":"INTEGER","mode":"REPEATED"}]}"#,
        r#"{"f":[{"v":"id-000001"},{"v":[{"v":{"f":[{"v":"left"},{"v":[{"v":"1"},{"v":"2"},{"v":"3"}]}]}},{"v":{"f":[{"v":"right"},{"v":[]}]}}]}]}"#,
    ),
    (
        "one long text",
        r#"{"name":"a","type":"STRING"}"#,
        r#"{"f":[{"v":"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris.\n Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur."}]}"#,
    ),
];

const COLUMNS: usize = 20;
const ROW_OF_TEXT: &str = "995-76-0013";
/// How many of them, and by what.
const MASKED: [(usize, &str); 6] =
    [(0, "last_four"), (1, "default_value"), (1, "last_four"), (1, "keyed_hash"), (5, "last_four"), (5, "keyed_hash")];

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    for (name, fields, row) in SHAPES {
        let rows = vec![row; PAGE_BYTES / row.len()].join(",");
        let mut text = String::new();
        write!(text, r#"{{"jobComplete":true,"rows":[{rows}],"schema":{{"fields":[{fields}]}}}}"#)?;
        let read = per_second(text.len(), || RawPage::read(text.as_bytes()).is_ok());
        let page = RawPage::read(text.as_bytes())?;
        let checked = per_second(text.len(), || page.fits_schema().is_ok());
        let both = per_second(text.len(), || RawPage::read(text.as_bytes()).is_ok_and(|page| page.fits_schema().is_ok()));
        writeln!(out, "{name}: read {read:.0} MB/s, checked {checked:.0} MB/s, both {both:.0} MB/s")?;
    }
    let row = format!(r#"{{"f":[{}]}}"#, vec![format!(r#"{{"v":"{ROW_OF_TEXT}"}}"#); COLUMNS].join(","));
    let rows = vec![row.as_str(); PAGE_BYTES / row.len()].join(",");
    let text = format!(r#"{{"kind":"bigquery#tableDataList","rows":[{rows}]}}"#);
    let keys = MaskKeys::new(&[7; MASK_SECRET_BYTES]);
    for (count, mask) in MASKED {
        let columns: Vec<String> = (0..count).map(|position| format!("\"p.d.t.c{position}\"")).collect();
        let labels = format!("[labels.id]\nmask = \"{mask}\"\nreason = \"r\"\ncolumns = [{}]\n", columns.join(", "));
        let labels = if count == 0 { String::new() } else { labels };
        let masker = Masker::new(&permit::permit(permit::method("tabledata.list", &[Some("STRING"); COLUMNS]), &labels), &keys);
        let masked = |text: &str| masker.mask(RawPage::read(text.as_bytes()).ok()?).ok();
        let cells: u64 = masked(&text).ok_or("the page is odd")?.iter().flat_map(MaskedRows::masked).map(|masked| masked.cells).sum();
        let speed = per_second(text.len(), || masked(&text).is_some());
        writeln!(out, "{count} of {COLUMNS} columns by {mask}: {cells} cells, read and masked {speed:.0} MB/s")?;
    }
    look_at_samples(&mut out)
}

/// What a sample costs whoever hands over rows, and whoever looks at it.
fn look_at_samples(out: &mut impl std::io::Write) -> Result<(), Box<dyn Error>> {
    for cell in [ROW_OF_TEXT, "some words of a remark that holds nothing", "4532713104270007", "ada.brandt@example.com"] {
        let row = format!(r#"{{"f":[{}]}}"#, vec![format!(r#"{{"v":"{cell}"}}"#); COLUMNS].join(","));
        let rows = vec![row.as_str(); PAGE_BYTES / row.len()].join(",");
        let text = format!(r#"{{"kind":"bigquery#tableDataList","rows":[{rows}]}}"#);
        let permit = permit::permit(permit::method("tabledata.list", &[Some("STRING"); COLUMNS]), "");
        let masker = Masker::new(&permit, &MaskKeys::new(&[7; MASK_SECRET_BYTES]));
        let page = RawPage::read(text.as_bytes())?;
        let head = page.head.clone();
        let pieces = masker.mask(page).map_err(|fault| fault.to_string())?;
        let piece = pieces.first().ok_or("no rows")?;
        let begun = Instant::now();
        let sampling = masker.sampling(&permit, &head).ok_or("nothing to look at")?;
        let sample = sampling.of_rows(piece).ok_or("no sample")?;
        let taken = begun.elapsed();
        let looked = per_second(sample.bytes(), || {
            drop(black_box(Tally::default().take(&sample, &FindingRules::default(), 20_000, 2_026)));
            true
        });
        writeln!(out, "`{cell}`: plan and copy of a sample {} us, looked at {looked:.0} MB/s of the sample", taken.as_micros())?;
    }
    Ok(())
}

/// By the time that a processor worked: what else the machine does is left out.
fn per_second(bytes: usize, run: impl Fn() -> bool) -> f64 {
    let (start, mut rounds) = (worked(), 0_u32);
    while worked() - start < TIME_MIN {
        assert!(black_box(run()));
        rounds += 1;
    }
    bytes as f64 * f64::from(rounds) / (worked() - start).as_secs_f64() / 1e6
}

/// Of this thread. Where nobody counts it, the time that went by.
fn worked() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|word| word.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}
