//! Texts that are made to hurt: each is answered or refused in time, and the next one does not notice.

use sluice_googlesql::artefact::{Artefact, Place};
use sluice_googlesql::host::session::CallLimits;
use sluice_googlesql::{GoogleSql, Settings};
use sluice_model::Analysis;
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Request, STATEMENT_BYTES_MAX, analyze};
use sluice_testkit::fuzz::TARGETS;
use sluice_testkit::ground;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

const DEADLINE_MILLISECONDS: u64 = 1_000;
/// For the statement behind each: it shows what was left behind, not how busy the machine is.
const NEXT_MILLISECONDS_MAX: u64 = 60_000;
const MEMORY_BYTES_MAX: usize = 256 << 20;
/// On top of the deadline. 50 ms are what is promised; this machine may be busy with other tests, so that more is asked for by `SLACK_VARIABLE`.
const SLACK_MILLISECONDS: u64 = 400;
const SLACK_VARIABLE: &str = "SLUICE_SLACK_MILLISECONDS";
/// An engine that is to run out of memory, and not out of time.
const SMALL_MEMORY_BYTES_MAX: usize = 64 << 20;
/// What the process may take for one analysis beyond the engine's cap: the instance for the next call, the answer, our own work.
const BESIDE_BYTES_MAX: usize = 96 << 20;
/// Of a reason, and of what is unresolved.
const TEXT_BYTES_MAX: usize = 2 << 10;
const NEXT: &str = "SELECT p.name, COUNT(v.id) FROM clinic.patients AS p JOIN clinic.visits AS v ON v.patient_id = p.id GROUP BY 1";
const LATE: &str = "took longer than";
const STACK: &str = "out of stack";

struct Ground {
    engine: GoogleSql,
    snapshot: Snapshot,
    next: Analysis,
}

/// One at a time: the tests measure.
fn ground() -> MutexGuard<'static, Ground> {
    static GROUND: OnceLock<Mutex<Ground>> = OnceLock::new();
    let made = GROUND.get_or_init(|| {
        let analysis = CallLimits { milliseconds_max: NEXT_MILLISECONDS_MAX, memory_bytes_max: MEMORY_BYTES_MAX };
        let artefact = Artefact::load(&Place::from_environment()).unwrap();
        let engine = GoogleSql::start(&artefact, Settings { analysis, instances: 1, ..Settings::default() }).unwrap();
        let snapshot = ground::clinic();
        let next = analyze(&engine, &request(NEXT), &snapshot);
        assert_eq!(next.refused, None);
        Mutex::new(Ground { engine, snapshot, next })
    });
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

fn request(text: &str) -> Request {
    Request { text: text.to_owned(), project: "acme-prod".to_owned(), ..Request::default() }
}

/// `expect` are parts of what may come of it: `answered` or of a reason.
fn check(name: &str, text: &str, expect: &[&str]) {
    let ground = ground();
    let start = Instant::now();
    let analysis = analyze(&ground.engine.within(DEADLINE_MILLISECONDS), &request(text), &ground.snapshot);
    let took = u64::try_from(start.elapsed().as_millis()).unwrap();
    assert_eq!(analysis.refused.is_some(), analysis.statements.is_empty(), "{name}");
    let found = analysis.refused.map_or_else(|| "answered".to_owned(), |refused| refused.reason);
    let over = took.saturating_sub(DEADLINE_MILLISECONDS);
    println!("{name}: {took} ms, {over} ms over the deadline, {found:.100}");
    assert!(found.len() <= TEXT_BYTES_MAX, "{name}: a reason of {} bytes", found.len());
    // The limit is named, not what was left of it.
    assert!(!found.contains(LATE) || found.contains(&format!("{LATE} {DEADLINE_MILLISECONDS} ms")), "{name}: {found}");
    assert!(expect.iter().any(|word| found.to_lowercase().contains(&word.to_lowercase())), "{name}: {found:.300}");
    assert!(over <= slack_milliseconds(), "{name}: {took} ms");
    let next = analyze(&ground.engine, &request(NEXT), &ground.snapshot);
    assert_eq!(next, ground.next, "after {name}");
}

#[expect(clippy::disallowed_methods, reason = "whoever has a quiet machine demands what is promised")]
fn slack_milliseconds() -> u64 {
    std::env::var(SLACK_VARIABLE).map_or(SLACK_MILLISECONDS, |text| text.parse().unwrap())
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

fn of_patients(expression: &str) -> String {
    format!("SELECT {expression} FROM clinic.patients AS p")
}

#[test]
fn chains() {
    for (first, term) in [("1", " + 1"), ("TRUE", " AND TRUE"), ("'x'", " || 'x'"), ("TRUE", " OR p.id = 1")] {
        check(&format!("200{term}"), &of_patients(&format!("{first}{}", term.repeat(200))), &["answered", LATE]);
        for count in [1_000, 10_000, 80_000] {
            check(&format!("{count}{term}"), &of_patients(&format!("{first}{}", term.repeat(count))), &["answered", LATE, STACK]);
        }
    }
    for count in [1_000, 10_000] {
        for union in [" UNION ALL ", " UNION DISTINCT "] {
            let queries = vec!["SELECT name FROM clinic.patients"; count].join(union);
            check(&format!("{count}{union}"), &queries, &["answered", LATE, STACK]);
        }
        let join = |number| format!(" JOIN clinic.patients AS p{number} ON p.id = p{number}.id");
        let joins: String = (0..count).map(join).collect();
        check(&format!("{count} joins"), &format!("{}{joins}", of_patients("1")), &["answered", LATE, STACK]);
        let pipes = " |> EXTEND name AS n |> WHERE TRUE".repeat(count);
        check(&format!("{count} pipes"), &format!("FROM clinic.patients{pipes}"), &["answered", LATE, STACK]);
    }
}

#[test]
fn brackets() {
    for depth in [100, 1_000, 5_000, 100_000] {
        let any = &["answered", LATE, STACK, "bytes, more than", "nested too deeply"];
        let one = |name: &str, text: &str| check(&format!("{depth} {name}"), text, any);
        let of = |name: &str, open: &str, inner: &str, close: &str| one(name, &of_patients(&nested(open, inner, close, depth)));
        one("brackets", &format!("SELECT {}", nested("(", "1", ")", depth)));
        one("queries in brackets", &format!("SELECT * FROM {}", nested("(", "SELECT 1", ")", depth)));
        one("subqueries", &nested("SELECT (", "SELECT MAX(ssn) FROM clinic.patients", ")", depth));
        one("subqueries of FROM", &nested("SELECT * FROM (", "SELECT ssn FROM clinic.patients", ")", depth));
        // The flow of a nested struct once took twice the work with each level.
        of("structs", "STRUCT(", "ssn", ")");
        of("structs in arrays", "[STRUCT(", "ssn", ")]");
        of("functions", "UPPER(", "ssn", ")");
        of("casts", "CAST(", "ssn", " AS STRING)");
        of("conditions", "CASE WHEN ", "TRUE", " THEN TRUE END");
        of("negations", "NOT ", "TRUE", "");
        of("signs", "- ", "1", "");
        one("JSON arrays", &format!("SELECT JSON '{}'", nested("[", "1", "]", depth)));
        one("levels of a type", &format!("SELECT CAST(NULL AS {})", nested("STRUCT<", "INT64", ">", depth)));
    }
    let declared = format!("DECLARE x {}; SELECT x", nested("STRUCT<", "INT64", ">", 100));
    check("100 levels of a variable's type", &declared, &["is not a BigQuery type"]);
    let declared = format!("DECLARE x DEFAULT {}; SELECT x", nested("STRUCT(", "1", ")", 100));
    check("100 levels of a variable", &declared, &["a variable without a type"]);
}

/// Common table expressions over common table expressions, each by `next` from the name of the one before.
fn steps(first: &str, count: usize, next: impl Fn(&str) -> String) -> String {
    let mut text = format!("WITH c0 AS ({first})");
    for step in 1..count {
        text.push_str(&format!(", c{step} AS ({})", next(&format!("c{}", step - 1))));
    }
    format!("{text} SELECT * FROM c{}", count - 1)
}

#[test]
fn doubling() {
    let any = &["answered", LATE, STACK, "of memory"];
    let columns = |count| steps("SELECT ssn AS a, name AS b FROM clinic.patients", count, |c| format!("SELECT x.*, y.* FROM {c} x, {c} y"));
    let structs = |count| {
        steps("SELECT STRUCT(ssn, name) AS s FROM clinic.patients", count, |c| format!("SELECT STRUCT(s AS l, s AS r) AS s FROM {c}"))
    };
    let texts = |count| steps("SELECT ssn AS s FROM clinic.patients", count, |c| format!("SELECT CONCAT(s, UPPER(s)) AS s FROM {c}"));
    let plain = |count| steps("SELECT * FROM clinic.patients", count, |c| format!("SELECT * FROM {c}"));
    let apart = |count| steps("SELECT * FROM clinic.patients", count, |_| "SELECT * FROM clinic.patients".to_owned());
    for count in [5, 10, 15, 22] {
        check(&format!("columns doubled {count} times"), &columns(count), any);
        check(&format!("structs doubled {count} times"), &structs(count), any);
        check(&format!("texts doubled {count} times"), &texts(count), any);
    }
    for count in [100, 1_000, 5_000] {
        check(&format!("{count} queries in a row"), &plain(count), any);
        check(&format!("{count} queries side by side"), &apart(count), any);
    }
    let function = |number: usize| format!("CREATE TEMP FUNCTION f{}(x INT64) AS (f{number}(x) + f{number}(x));", number + 1);
    let functions: String = (0..25).map(function).collect();
    check("functions doubled 25 times", &format!("CREATE TEMP FUNCTION f0(x INT64) AS (x); {functions} SELECT f25(1)"), any);
}

/// What the kernel says about this process: `VmRSS` is what it has, `VmHWM` the most it has had.
fn memory_bytes(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kibibytes = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    kibibytes.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
fn memory_is_capped() {
    // Nothing else measures meanwhile.
    let ground = ground();
    let analysis = CallLimits { milliseconds_max: NEXT_MILLISECONDS_MAX, memory_bytes_max: SMALL_MEMORY_BYTES_MAX };
    let artefact = Artefact::load(&Place::from_environment()).unwrap();
    let engine = GoogleSql::start(&artefact, Settings { analysis, instances: 1, ..Settings::default() }).unwrap();
    assert_eq!(analyze(&engine, &request(NEXT), &ground.snapshot), ground.next);
    let columns = steps("SELECT ssn AS a, name AS b FROM clinic.patients", 22, |c| format!("SELECT x.*, y.* FROM {c} x, {c} y"));
    // The kernel counts the peak anew from here on.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory_bytes("VmRSS");
    let refused = analyze(&engine, &request(&columns), &ground.snapshot).refused.unwrap();
    let grown = memory_bytes("VmHWM").saturating_sub(before);
    println!("{} MiB before, {} MiB more at the peak: {}", before >> 20, grown >> 20, refused.reason);
    assert_eq!(refused.reason, format!("the analysis needed more than {SMALL_MEMORY_BYTES_MAX} bytes of memory"));
    assert!(grown <= SMALL_MEMORY_BYTES_MAX + BESIDE_BYTES_MAX, "{grown} bytes");
    assert_eq!(analyze(&engine, &request(NEXT), &ground.snapshot), ground.next);
}

#[test]
fn large_texts() {
    let size = STATEMENT_BYTES_MAX - 100;
    let any = &["answered", LATE, STACK];
    check("spaces", &format!("SELECT 1{}", " ".repeat(size)), &["answered"]);
    check("nothing but spaces", &" ".repeat(size), &["there is no statement"]);
    check("a byte too much", &" ".repeat(STATEMENT_BYTES_MAX + 1), &["bytes, more than"]);
    check("one comment", &format!("SELECT 1 /*{}*/", "x".repeat(size)), &["answered"]);
    check("comments", &format!("SELECT 1 {}", "/**/".repeat(size / 4)), &["answered"]);
    check("one text", &format!("SELECT '{}'", "x".repeat(size)), &["answered", LATE]);
    check("escapes", &format!("SELECT b'{}'", "\\xff".repeat(size / 4)), &["answered", LATE]);
    check("one name", &format!("SELECT 1 AS {}", "x".repeat(size)), any);
    check("one quoted name", &format!("SELECT 1 AS `{}`", "x".repeat(size)), any);
    check("dots in a name", &format!("SELECT 1 FROM `{}a`", "a.".repeat(size / 2)), &["bytes, more than", "Table not found", LATE]);
    check("numbers in IN", &of_patients(&format!("p.id IN ({}1)", "1,".repeat(size / 2 - 100))), any);
    check("texts in IN", &of_patients(&format!("name IN ({}'')", "'aaaaaaaaaaaaaaaa',".repeat(size / 20))), any);
    check("columns", &of_patients(&format!("{}1", "name,".repeat(size / 6))), any);
    check("stars", &of_patients(&format!("{}1", "*,".repeat(500))), any);
    check("parameters", &of_patients(&format!("{}1", "@a,".repeat(5_000))), any);
    let tables: String = (0..10_000).map(|number| format!("clinic.t{number}, ")).collect();
    check("tables", &format!("SELECT 1 FROM {tables}clinic.patients"), &["Table not found", LATE, STACK]);
    let views: String = (0..200).map(|number| format!("clinic.v_patients AS v{number}, ")).collect();
    check("views", &format!("SELECT 1 FROM {views}clinic.patients"), any);
}

#[test]
fn scripts() {
    let any = &["answered", LATE, STACK, "more than 10000 statements", "do not stand still", "bytes, more than"];
    let select = "SELECT ssn FROM clinic.patients;";
    check("100 statements", &select.repeat(100), any);
    check("100,000 statements", &"SELECT 1;".repeat(100_000), any);
    check("5,000 variables", &(0..5_000).map(|number| format!("DECLARE v{number} INT64;")).collect::<String>(), any);
    for depth in [10, 100, 5_000] {
        check(&format!("{depth} IF"), &nested("IF TRUE THEN ", select, " END IF;", depth), any);
        check(&format!("{depth} LOOP"), &nested("LOOP ", "SELECT 1; BREAK;", " END LOOP;", depth), any);
        check(&format!("{depth} BEGIN"), &nested("BEGIN ", "SELECT 1;", " EXCEPTION WHEN ERROR THEN SELECT 2; END;", depth), any);
    }
    let assign = "SET x = (SELECT MAX(id) FROM clinic.patients);";
    check("20 WHILE", &format!("DECLARE x INT64; {}", nested("WHILE x > 0 DO ", assign, " END WHILE;", 20)), any);
    check("10 FOR", &nested("FOR r IN (SELECT id FROM clinic.patients) DO ", "SELECT r.id;", " END FOR;", 10), any);
    let shift: String = (1..15).rev().map(|number| format!("SET v{number} = v{};", number - 1)).collect();
    let declare: String = (0..15).map(|number| format!("DECLARE v{number} STRING;")).collect();
    let slow = format!("{declare} LOOP {shift} SET v0 = (SELECT MAX(ssn) FROM clinic.patients); END LOOP; SELECT v14;");
    check("values that take 15 rounds", &slow, any);
    let mut text = "SELECT ssn FROM clinic.patients".to_owned();
    for depth in 1..=10 {
        text = format!("EXECUTE IMMEDIATE '{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        check(&format!("EXECUTE IMMEDIATE {depth} deep"), &text, &["answered"]);
    }
}

#[test]
fn odd_letters() {
    let cases = [
        ("", "there is no statement"),
        ("-- x", "there is no statement"),
        (";", "Syntax error"),
        ("\0", "Illegal input character"),
        ("SELECT\0 1", "Illegal input character"),
        ("SELECT '\0'", "answered"),
        ("SELECT 1 AS `a\0b`", "answered"),
        ("SELECT b'\\xff\\xfe', '\\xff'", "answered"),
        ("SELECT '\\ud800'", "Illegal escape sequence"),
        ("\u{feff}SELECT 1", "Illegal input character"),
        ("SELECT\u{200b} 1", "Illegal input character"),
        ("SELECT\u{a0}1", "answered"),
        ("SELECT 'ß😀' AS `ß😀` -- \u{202e}", "answered"),
        ("SELECT ßß FROM clinic.patients", "Illegal input character"),
        ("SELECT 'ß', 1 FROM `ß.ß`", "Table not found"),
        ("SELECT '", "Unclosed string"),
        ("SELECT 1 /*", "Unclosed comment"),
        ("SELECT `", "Unclosed identifier"),
        ("SELECT %s %n", "Syntax error"),
        ("SELECT 1 FROM ``", "Invalid empty identifier"),
        ("SELECT 1 FROM `...`", "Table not found"),
        ("SELECT 1 FROM `a.b.c.d.e.f`", "Table not found"),
        ("SELECT 99999999999999999999999999999999999999999999", "Invalid integer literal"),
        ("SELECT [1][OFFSET(9223372036854775807)]", "answered"),
        ("SELECT REPEAT('x', 1000000000), GENERATE_ARRAY(1, 1000000000)", "answered"),
        ("SELECT REGEXP_CONTAINS('a', '((((a{1,1000}){1,1000}){1,1000}){1,1000})')", "answered"),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", "answered"),
    ];
    for (text, expect) in cases {
        check(text, text, &[expect]);
    }
}

/// Always the same numbers, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// One to four changes: a byte, a piece taken out, a piece said twice, a piece of another input.
    fn mutate(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let (start, length) = (self.below(bytes.len()), 1 + self.below(16));
            let end = (start + length).min(bytes.len());
            match self.below(4) {
                0 if start < bytes.len() => bytes[start] = self.below(256) as u8,
                1 => drop(bytes.drain(start..end)),
                2 => bytes.splice(start..start, bytes[start..end].to_vec()).for_each(drop),
                _ => {
                    let from = self.below(other.len());
                    let piece = other.get(from..(from + length).min(other.len())).unwrap_or_default().to_vec();
                    bytes.splice(start..start, piece).for_each(drop);
                }
            }
        }
        bytes
    }
}

/// Every input of a corpus. Files in hexadecimal hold bytes, every other file is its own input.
fn corpus(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let digits: String = String::from_utf8(bytes).unwrap().split_whitespace().collect();
            bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap(), 16).unwrap()).collect();
        }
        found.push((path.display().to_string(), bytes));
    }
    found.sort();
    found
}

fn replay(name: &str, mutations: usize) {
    let inputs = corpus(&ground::root().join("crates/sluice-testkit/corpus").join(name));
    let target = TARGETS.iter().find(|(known, _)| *known == name).unwrap().1;
    assert!(inputs.len() >= 5, "only {} inputs", inputs.len());
    for (path, bytes) in &inputs {
        println!("{path}");
        target(bytes);
    }
    let mut dice = Dice(0x5eed);
    for _ in 0..mutations {
        let (one, other) = (dice.below(inputs.len()), dice.below(inputs.len()));
        let bytes = dice.mutate(&inputs[one].1, &inputs[other].1);
        // Shown when the test fails: the input that did it.
        println!("{}", bytes.escape_ascii());
        target(&bytes);
    }
}

#[test]
fn statements_of_the_corpus() {
    replay("analyze", 300);
}

#[test]
fn answers_of_the_corpus() {
    replay("answer_reader", 20_000);
}

#[test]
fn resources_of_the_corpus() {
    replay("table_resource", 20_000);
}

#[test]
fn types_of_the_corpus() {
    replay("type_text", 20_000);
}
