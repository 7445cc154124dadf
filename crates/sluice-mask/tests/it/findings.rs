//! What detectors find in columns of true values and of honest ones, made by chance in many notations; and that they say nothing of a value.

use crate::permit::{output, page_of, permit};
use crate::streams::{arrow, batch, texts};
use serde_json::json;
use sluice_mask::{Finding, MASK_SECRET_BYTES, MaskKeys, Masker, RawPage, Sampling, Source, StreamSchema, Tally};
use sluice_policy::{Bundle, FindingKind, FindingRules, Permit, PolicySet};
use std::collections::BTreeSet;

const DAY: u64 = 20_779;
const YEAR: u32 = 2_026;
const ROWS: u64 = 120;
const SEEDS: u64 = 5;
/// Of findings that are right, and of columns that are found.
const PRECISION_PERCENT_MIN: usize = 100;
const RECALL_PERCENT_MIN: usize = 100;

/// Numbers by chance, the same ones each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from_digit(u32::try_from(self.below(10)).unwrap(), 10).unwrap()).collect()
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }

    fn hex(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from_digit(u32::try_from(self.below(16)).unwrap(), 16).unwrap()).collect()
    }
}

fn with_luhn(begin: &str, prefix: &str) -> String {
    let digits: Vec<u32> = format!("{prefix}{begin}").chars().map(|digit| digit.to_digit(10).unwrap()).collect();
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(place, digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { *digit }).sum();
    format!("{begin}{}", (10 - sum % 10) % 10)
}

fn card(chance: &mut Chance) -> String {
    let (prefix, length) = [("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14)]
        [usize::try_from(chance.below(8)).unwrap()];
    let rest = chance.digits(length - prefix.len() - 1);
    with_luhn(&format!("{prefix}{rest}"), "")
}

fn grouped(text: &str, sizes: &[usize], gap: &str) -> String {
    let mut at = 0;
    let parts: Vec<&str> = sizes
        .iter()
        .map(|size| {
            at += size;
            text.get(at - size..at).unwrap()
        })
        .collect();
    parts.join(gap)
}

fn printed_card(chance: &mut Chance, gap: &str) -> String {
    let card = card(chance);
    match card.len() {
        15 => grouped(&card, &[4, 6, 5], gap),
        14 => grouped(&card, &[4, 6, 4], gap),
        _ => grouped(&card, &[4, 4, 4, 4], gap),
    }
}

fn ssn(chance: &mut Chance) -> String {
    let area = loop {
        let area = chance.between(1, 899);
        if area != 666 {
            break area;
        }
    };
    format!("{area:03}{:02}{:04}", chance.between(1, 99), chance.between(1, 9_999))
}

fn nhs(chance: &mut Chance) -> String {
    loop {
        let digits = chance.digits(9);
        let sum: u32 = digits.chars().zip((2..=10).rev()).map(|(digit, weight)| digit.to_digit(10).unwrap() * weight).sum();
        match 11 - sum % 11 {
            11 => return format!("{digits}0"),
            10 => {}
            check_digit => return format!("{digits}{check_digit}"),
        }
    }
}

fn iban(chance: &mut Chance) -> String {
    let (country, account) = match chance.below(3) {
        0 => ("DE", chance.digits(18)),
        1 => ("GB", format!("WEST{}", chance.digits(14))),
        _ => ("NL", format!("ABNA{}", chance.digits(10))),
    };
    let turned: String = format!("{account}{country}00").chars().map(|letter| letter.to_digit(36).unwrap().to_string()).collect();
    let remainder = turned.bytes().fold(0, |remainder, digit| (remainder * 10 + u32::from(digit - b'0')) % 97);
    format!("{country}{:02}{account}", 98 - remainder)
}

fn fours(text: &str) -> String {
    text.as_bytes().chunks(4).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect::<Vec<_>>().join(" ")
}

fn mail(chance: &mut Chance) -> String {
    let name = chance.of(&["ada", "ben.cruz", "c_dietz", "dora+x", "EMIL"]);
    let domain = chance.of(&["example.com", "mail.example.co.uk", "acme-health.org", "example.io"]);
    format!("{name}{}@{domain}", chance.below(10_000))
}

/// Area, exchange, line.
fn north_american(chance: &mut Chance) -> [String; 3] {
    let part = |chance: &mut Chance| loop {
        let part = chance.between(200, 999);
        if part % 100 != 11 {
            break part.to_string();
        }
    };
    [part(chance), part(chance), chance.digits(4)]
}

fn date(chance: &mut Chance, from: u64, to: u64) -> (u64, u64, u64) {
    (chance.between(from, to), chance.between(1, 12), chance.between(1, 28))
}

fn sentence(chance: &mut Chance) -> String {
    let words = ["the", "patient", "called", "about", "order", "and", "was", "told", "to", "wait", "until", "Monday"];
    (0..chance.between(4, 12)).map(|_| chance.of(&words)).collect::<Vec<_>>().join(" ")
}

type Cell = fn(&mut Chance) -> String;

/// What is in it, how the column is called, its type, a cell.
const TRUE: [(FindingKind, &str, &str, Cell); 38] = [
    (FindingKind::CardNumber, "x", "STRING", card),
    (FindingKind::CardNumber, "x", "INT64", card),
    (FindingKind::CardNumber, "x", "NUMERIC", card),
    (FindingKind::CardNumber, "x", "STRING", |chance| printed_card(chance, " ")),
    (FindingKind::CardNumber, "x", "STRING", |chance| printed_card(chance, "-")),
    (FindingKind::CardNumber, "note", "STRING", |chance| match chance.below(5) {
        0 => format!("{}, paid with {}, ref {}", sentence(chance), printed_card(chance, " "), chance.digits(6)),
        _ => sentence(chance),
    }),
    (FindingKind::CardNumber, "doc", "JSON", |chance| json!({ "pay": [{ "pan": card(chance) }], "at": "2024-01-15" }).to_string()),
    (FindingKind::UsSsn, "x", "STRING", |chance| grouped(&ssn(chance), &[3, 2, 4], "-")),
    (FindingKind::UsSsn, "ssn", "STRING", ssn),
    (FindingKind::UsSsn, "patient_ssn", "STRING", |chance| grouped(&ssn(chance), &[3, 2, 4], " ")),
    (FindingKind::UsSsn, "note", "STRING", |chance| match chance.below(5) {
        0 => format!("{} ({})", sentence(chance), grouped(&ssn(chance), &[3, 2, 4], "-")),
        _ => sentence(chance),
    }),
    (FindingKind::Email, "x", "STRING", mail),
    (FindingKind::Email, "x", "STRING", |chance| format!("Ada Brandt <{}>", mail(chance))),
    (FindingKind::Email, "note", "STRING", |chance| match chance.below(4) {
        0 => format!("{}; write to {}.", sentence(chance), mail(chance)),
        _ => sentence(chance),
    }),
    (FindingKind::Email, "doc", "JSON", |chance| json!({ "who": { "mail": mail(chance) } }).to_string()),
    (FindingKind::Telephone, "x", "STRING", |chance| format!("+1{}", north_american(chance).concat())),
    (FindingKind::Telephone, "x", "STRING", |chance| {
        let [area, exchange, line] = north_american(chance);
        format!("({area}) {exchange}-{line}")
    }),
    (FindingKind::Telephone, "x", "STRING", |chance| north_american(chance).join("-")),
    (FindingKind::Telephone, "x", "STRING", |chance| north_american(chance).join(".")),
    (FindingKind::Telephone, "x", "STRING", |chance| format!("1-{}", north_american(chance).join("-"))),
    (FindingKind::Telephone, "x", "STRING", |chance| format!("+49 30 {}", chance.digits(7))),
    (FindingKind::Telephone, "x", "STRING", |chance| format!("07{} {}", chance.digits(3), chance.digits(6))),
    (FindingKind::Telephone, "home_phone", "STRING", |chance| format!("2{}", chance.digits(9))),
    (FindingKind::Telephone, "mobile", "INT64", |chance| format!("41{}", chance.digits(9))),
    (FindingKind::Iban, "x", "STRING", iban),
    (FindingKind::Iban, "x", "STRING", |chance| fours(&iban(chance))),
    (FindingKind::Iban, "note", "STRING", |chance| match chance.below(5) {
        0 => format!("{}: {}, thanks", sentence(chance), fours(&iban(chance))),
        _ => sentence(chance),
    }),
    (FindingKind::IpAddress, "x", "STRING", |chance| (0..4).map(|_| chance.between(1, 254).to_string()).collect::<Vec<_>>().join(".")),
    (FindingKind::IpAddress, "x", "STRING", |chance| {
        format!("10.0.{}.{}:{} GET /", chance.below(256), chance.between(64, 254), chance.between(1_024, 60_000))
    }),
    (FindingKind::IpAddress, "client_ip", "STRING", |chance| format!("10.0.{}.{}", chance.below(60), chance.below(60))),
    (FindingKind::IpAddress, "x", "STRING", |chance| format!("2001:db8::{:x}:{:x}", chance.between(1, 65_535), chance.between(1, 65_535))),
    (FindingKind::DateOfBirth, "dob", "DATE", |chance| {
        let (year, month, day) = date(chance, 1_930, 2_015);
        format!("{year}-{month:02}-{day:02}")
    }),
    (FindingKind::DateOfBirth, "birthday", "STRING", |chance| {
        let (year, month, day) = date(chance, 1_930, 2_015);
        format!("{month}/{day}/{year}")
    }),
    (FindingKind::DateOfBirth, "geburtsdatum", "STRING", |chance| {
        let (year, month, day) = date(chance, 1_930, 2_015);
        format!("{day:02}.{month:02}.{year}")
    }),
    (FindingKind::NhsNumber, "x", "STRING", nhs),
    (FindingKind::NhsNumber, "x", "STRING", |chance| grouped(&nhs(chance), &[3, 3, 4], " ")),
    (FindingKind::UsNpi, "provider", "STRING", |chance| with_luhn(&format!("1{}", chance.digits(8)), "80840")),
    (FindingKind::PersonName, "last_name", "STRING", |chance| {
        format!("{}{}", chance.of(&["Brandt", "Cruz", "O'Neill", "Müller", "van Dyck"]), chance.of(&["", "-Huber", "-Ito"]))
    }),
];

const HONEST: [(&str, &str, Cell); 46] = [
    ("order_number", "STRING", |chance| format!("ORD-2024-{}", chance.digits(6))),
    ("order_id", "STRING", |chance| chance.digits(16)),
    ("order_id", "STRING", |chance| format!("4{}", chance.digits(15))),
    ("ref", "STRING", |chance| grouped(&chance.digits(16), &[4, 4, 4, 4], "-")),
    ("ref", "STRING", |chance| grouped(&chance.digits(16), &[4, 4, 4, 4], " ")),
    ("id", "INT64", |chance| (4_000_000_000_000_000 + chance.below(1_000_000)).to_string()),
    ("id", "INT64", |chance| chance.next().to_string()),
    ("id", "INT64", |chance| chance.digits(9)),
    ("id", "INT64", |chance| format!("1{}", chance.digits(9))),
    ("id", "STRING", |chance| chance.digits(10)),
    ("id", "STRING", |chance| chance.digits(13)),
    ("id", "STRING", |chance| chance.digits(19)),
    ("ref", "STRING", |chance| grouped(&chance.digits(10), &[3, 3, 4], "-")),
    ("ref", "STRING", |chance| grouped(&chance.digits(10), &[3, 3, 4], " ")),
    ("ref", "STRING", |chance| format!("A{}", grouped(&chance.digits(10), &[3, 3, 4], "-"))),
    ("at", "STRING", |chance| {
        let (year, month, day) = date(chance, 1_990, 2_026);
        format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{}Z", chance.below(24), chance.below(60), chance.below(60), chance.digits(6))
    }),
    ("at", "STRING", |chance| {
        let (year, month, day) = date(chance, 1_990, 2_026);
        format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}+02:00", chance.below(24), chance.below(60), chance.below(60))
    }),
    ("at", "INT64", |chance| (1_700_000_000 + chance.below(40_000_000)).to_string()),
    ("at", "INT64", |chance| (1_700_000_000_000 + chance.below(40_000_000_000)).to_string()),
    ("at", "INT64", |chance| (1_700_000_000_000_000 + chance.below(40_000_000_000_000)).to_string()),
    ("created_on", "DATE", |chance| {
        let (year, month, day) = date(chance, 1_950, 2_026);
        format!("{year}-{month:02}-{day:02}")
    }),
    ("uuid", "STRING", |chance| grouped(&chance.hex(32), &[8, 4, 4, 4, 12], "-")),
    ("uuid", "STRING", |chance| grouped(&chance.digits(32), &[8, 4, 4, 4, 12], "-")),
    ("digest", "STRING", |chance| chance.hex(32)),
    ("digest", "STRING", |chance| chance.hex(40)),
    ("digest", "STRING", |chance| chance.hex(64)),
    ("price", "STRING", |chance| format!("{}.{:02}", chance.below(10_000), chance.below(100))),
    ("price", "STRING", |chance| format!("${},{:03}.{:02}", chance.between(1, 999), chance.below(1_000), chance.below(100))),
    ("price", "NUMERIC", |chance| format!("{}.{:02}", chance.below(10_000), chance.between(1, 99))),
    ("place", "STRING", |chance| format!("{}.{}, -{}.{}", chance.below(90), chance.digits(6), chance.below(180), chance.digits(6))),
    ("version", "STRING", |chance| format!("{}.{}.{}", chance.below(20), chance.below(30), chance.below(100))),
    ("version", "STRING", |chance| format!("{}.{}.{}.{}", chance.below(20), chance.below(30), chance.below(60), chance.below(60))),
    ("version", "STRING", |chance| format!("{}.0.{}.{}", chance.between(80, 130), chance.between(3_000, 6_999), chance.below(200))),
    ("oid", "STRING", |chance| format!("1.3.6.1.4.1.{}.{}", chance.below(50_000), chance.below(300))),
    ("mac", "STRING", |chance| grouped(&chance.hex(12), &[2, 2, 2, 2, 2, 2], ":")),
    ("file", "STRING", |chance| format!("icon{}@2x.png", chance.below(1_000))),
    ("source", "STRING", |chance| format!("git@example.com:acme/repository{}.git", chance.below(1_000))),
    ("package", "STRING", |chance| format!("react@{}.{}.0", chance.below(20), chance.below(20))),
    ("handle", "STRING", |chance| format!("@ada{}", chance.below(1_000))),
    ("isbn", "STRING", |chance| format!("978-{}-{}-{}-{}", chance.below(10), chance.digits(2), chance.digits(6), chance.below(10))),
    // Their check digit is made like a card's.
    ("imei", "STRING", |chance| with_luhn(&format!("35{}", chance.digits(12)), "")),
    ("iccid", "STRING", |chance| with_luhn(&format!("8941{}", chance.digits(14)), "")),
    ("zip", "STRING", |chance| format!("{}-{}", chance.digits(5), chance.digits(4))),
    ("product_name", "STRING", |chance| chance.of(&["Desk Lamp", "Oak Table", "Wool Blanket", "Tea Pot", "Clay Bowl", "Rug"]).to_owned()),
    ("birth_weight", "STRING", |chance| chance.between(1_900, 4_500).to_string()),
    ("remark", "STRING", |chance| format!("{} {} units on 2024-01-15, room {}", sentence(chance), chance.below(1_000), chance.digits(4))),
];

fn permit_of(column: &str, kind: &str) -> Permit {
    permit(page_of("job", vec![vec![output(column, Some(kind), &[("", column)])]]), "")
}

fn page(column: &str, kind: &str, cells: &[String]) -> RawPage {
    let rows: Vec<_> = cells.iter().map(|cell| json!({ "f": [{ "v": cell }] })).collect();
    let kind = if kind == "INT64" { "INTEGER" } else { kind };
    let schema = json!({ "fields": [{ "name": column, "type": kind }] });
    let reference = json!({ "projectId": "p", "jobId": "job" });
    RawPage::read(json!({ "jobComplete": true, "jobReference": reference, "schema": schema, "rows": rows }).to_string().as_bytes()).unwrap()
}

fn masker(permit: &Permit) -> Masker {
    Masker::new(permit, &MaskKeys::new(&[7; MASK_SECRET_BYTES]))
}

fn found_in(column: &str, kind: &str, cells: &[String]) -> Vec<Finding> {
    let (permit, page) = (permit_of(column, kind), page(column, kind, cells));
    let masker = masker(&permit);
    let Some(sampling) = masker.sampling(&permit, &page.head) else { return Vec::new() };
    let (mut tally, rules) = (Tally::default(), FindingRules::default());
    let rows = masker.mask(page).unwrap();
    rows.iter().filter_map(|rows| sampling.of_rows(rows)).flat_map(|sample| tally.take(&sample, &rules, DAY, YEAR)).collect()
}

fn cells(seed: u64, cell: Cell) -> Vec<String> {
    let mut chance = Chance(seed);
    (0..ROWS).map(|_| cell(&mut chance)).collect()
}

#[test]
fn true_values_are_found_and_honest_ones_are_not() {
    let (mut right, mut wrong, mut missed, mut total) = (0, Vec::new(), Vec::new(), 0);
    for seed in 1..=SEEDS {
        for (number, (kind, column, data_type, cell)) in TRUE.iter().enumerate() {
            let cells = cells(seed * 1_000 + number as u64, *cell);
            let kinds: BTreeSet<FindingKind> = found_in(column, data_type, &cells).iter().map(|finding| finding.kind).collect();
            total += 1;
            right += usize::from(kinds.contains(kind));
            if !kinds.contains(kind) {
                missed.push(format!("{kind} in {number}: {}", cells[0]));
            }
            wrong.extend(kinds.iter().filter(|found| *found != kind).map(|found| format!("{found} in {number} of {kind}: {}", cells[0])));
        }
        for (number, (column, data_type, cell)) in HONEST.iter().enumerate() {
            let cells = cells(seed * 7_000 + number as u64, *cell);
            wrong.extend(
                found_in(column, data_type, &cells).iter().map(|finding| format!("{} in honest {column}: {}", finding.kind, cells[0])),
            );
        }
    }
    let honest = HONEST.len() * usize::try_from(SEEDS).unwrap();
    println!(
        "{total} columns of true values, {} missed; {honest} of honest ones; {right} findings right, {} wrong",
        missed.len(),
        wrong.len()
    );
    assert!(right * 100 >= total * RECALL_PERCENT_MIN, "missed: {missed:#?}");
    assert!(right * 100 >= (right + wrong.len()) * PRECISION_PERCENT_MIN, "wrong: {wrong:#?}");
}

/// A reader who is told of a finding learns nothing of a value from it.
#[test]
fn a_finding_holds_no_value() {
    let cells = cells(5, card);
    let (permit, page) = (permit_of("x", "STRING"), page("x", "STRING", &cells));
    let sampling = masker(&permit).sampling(&permit, &page.head).unwrap();
    let rows = masker(&permit).mask(page).unwrap();
    let (mut tally, sample) = (Tally::default(), sampling.of_rows(&rows[0]).unwrap());
    let findings = tally.take(&sample, &FindingRules::default(), DAY, YEAR);
    assert_eq!(findings.len(), 1);
    for said in [format!("{findings:?}"), format!("{sample:?}"), format!("{tally:?}"), format!("{sampling:?}")] {
        assert!(!cells.iter().any(|cell| said.contains(cell.as_str()) || said.contains(cell.get(4..12).unwrap())), "{said}");
    }
}

/// One odd cell is none, however often it is read; a finding is told once a day.
#[test]
fn it_takes_several_values_and_is_told_once_a_day() {
    let (permit, rules) = (permit_of("x", "STRING"), FindingRules::default());
    let masker = masker(&permit);
    let mut tally = Tally::default();
    let mut take = |cells: &[String], day: u64| {
        let page = page("x", "STRING", cells);
        let sampling = masker.sampling(&permit, &page.head).unwrap();
        let rows = masker.mask(page).unwrap();
        rows.iter().map(|rows| tally.take(&sampling.of_rows(rows).unwrap(), &rules, day, YEAR).len()).sum::<usize>()
    };
    let mails = cells(9, mail);
    for _ in 0..20 {
        assert_eq!(take(&mails[..1], DAY), 0, "the same value again and again");
    }
    for (number, expect) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 0)] {
        assert_eq!(take(&mails[number..=number], DAY), expect, "value {number}");
    }
    assert_eq!(take(&mails, DAY), 0);
    assert_eq!(take(&mails[..4], DAY + 1), 0);
    assert_eq!(take(&mails, DAY + 1), 1);
}

/// What is masked or labelled is nobody's finding; what is computed is named by its output, and what has one source by that column.
#[test]
fn what_is_looked_at() {
    let mails = cells(3, mail);
    let rows: Vec<_> = mails
        .iter()
        .map(|mail| json!({ "f": [{ "v": mail }, { "v": { "f": [{ "v": mail }, { "v": [{ "v": mail }] }] } }, { "v": mail }] }))
        .collect();
    let text = json!({ "name": "b", "type": "STRING" });
    let fields = json!([
        { "name": "a", "type": "STRING" },
        { "name": "r", "type": "RECORD", "fields": [text, { "name": "c", "type": "STRING", "mode": "REPEATED" }] },
        { "name": "both", "type": "STRING" },
    ]);
    let outputs = || {
        vec![
            output("a", Some("STRING"), &[("", "a")]),
            output("r", Some("STRUCT<b STRING, c ARRAY<STRING>>"), &[("", "s")]),
            output("both", Some("STRING"), &[("", "a"), ("", "d")]),
        ]
    };
    let head = json!({ "projectId": "p", "jobId": "job" });
    let body = json!({ "jobComplete": true, "jobReference": head, "schema": { "fields": fields }, "rows": rows }).to_string();
    let check = |labels: &str, expect: &[&str]| {
        let permit = permit(page_of("job", vec![outputs()]), labels);
        let page = RawPage::read(body.as_bytes()).unwrap();
        let masker = masker(&permit);
        let sampling: Sampling = masker.sampling(&permit, &page.head).unwrap();
        let rows = masker.mask(page).unwrap();
        let mut tally = Tally::default();
        let findings: Vec<Finding> =
            rows.iter().flat_map(|rows| tally.take(&sampling.of_rows(rows).unwrap(), &FindingRules::default(), DAY, YEAR)).collect();
        let named = |finding: &Finding| match &finding.source {
            Source::Column(column) => column.to_string(),
            Source::Output { path, from } => format!("{} from {}", path.join("."), from.join(" and ")),
        };
        assert_eq!(findings.iter().map(named).collect::<Vec<_>>(), expect, "{labels}");
        assert!(findings.iter().all(|finding| finding.kind == FindingKind::Email && finding.found == finding.cells));
    };
    check("", &["p.d.t.a", "p.d.t.s.b", "p.d.t.s.c", "both from p.d.t.a and p.d.t.d"]);
    let label = |column: &str| format!("[labels.x]\nmask = \"sha256\"\nreason = \"r\"\ncolumns = [\"p.d.t.{column}\"]\n");
    check(&label("a"), &["p.d.t.s.b", "p.d.t.s.c"]);
    check(&label("s.c"), &["p.d.t.a", "both from p.d.t.a and p.d.t.d"]);
    check(&label("d"), &["p.d.t.a", "p.d.t.s.b", "p.d.t.s.c"]);
}

/// The same cells, whatever they are written in.
#[test]
fn all_formats_say_the_same() {
    for (kind, column, _, cell) in TRUE.iter().filter(|(_, _, data_type, _)| *data_type == "STRING") {
        let cells = cells(11, *cell);
        let by_json = found_in(column, "STRING", &cells);
        let permit = permit_of(column, "STRING");
        let values: Vec<&str> = cells.iter().map(String::as_str).collect();
        let (schema, message) = arrow(&batch(&[(column, texts(&values))]));
        let by_arrow = stream(&permit, StreamSchema::Arrow(&schema), &message);
        let fields =
            json!({ "type": "record", "name": "__root__", "fields": [{ "name": column, "type": ["null", "string"] }] }).to_string();
        let rows: Vec<u8> = cells.iter().flat_map(|cell| avro_text(cell)).collect();
        let by_avro = stream(&permit, StreamSchema::Avro(&fields), &rows);
        assert!(by_json.iter().any(|finding| finding.kind == *kind), "{column}: {by_json:?}");
        assert_eq!((&by_arrow, &by_avro), (&by_json, &by_json), "{column}");
    }
}

fn stream(permit: &Permit, schema: StreamSchema<'_>, message: &[u8]) -> Vec<Finding> {
    let masking = masker(permit).begin_stream(schema).unwrap();
    let sampling = masking.sampling(permit).unwrap();
    let masked = masking.mask(message, ROWS).unwrap();
    Tally::default().take(&sampling.of_batch(&masked).unwrap(), &FindingRules::default(), DAY, YEAR)
}

/// The second of null and string, then how long it is.
fn avro_text(text: &str) -> Vec<u8> {
    let mut bytes = vec![2];
    let mut rest = text.len() * 2;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes.extend(text.bytes());
    bytes
}

#[test]
fn a_policy_set_says_what_a_finding_does() {
    let check = |findings: &str, expect: &str| {
        let settings = format!("format = 1\nname = \"t\"\n[cost]\nmicros_per_tib = 1\n{findings}");
        let labels = "format = 1\n[labels.contact]\nmask = \"email\"\nreason = \"r\"\ncolumns = [\"p.d.t.x\"]\n";
        let rule = "@id(\"read\") @reason(\"r\")\npermit (principal, action == Action::\"connect\", resource);\n";
        let files = [("policy.toml", settings.as_str()), ("labels.toml", labels), ("a.cedar", rule)];
        let loaded = PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned()))));
        let said = match loaded {
            Ok(set) => set.settings.findings.of(FindingKind::Email).map_or("ignore", |rule| rule.act.word()).to_owned(),
            Err(problems) => problems.iter().map(|problem| problem.text.clone()).collect::<Vec<_>>().join("; "),
        };
        assert_eq!(said, expect, "{findings}");
    };
    check("", "warn");
    check("[findings.email]\nact = \"ignore\"\n", "ignore");
    check("[findings.email]\nlabel = \"contact\"\n", "label");
    check("[findings.all]\nact = \"refuse\"\n", "refuse");
    check("[findings.email]\nlabel = \"mail\"\n", "findings.email: label `mail` is not in labels.toml");
}
