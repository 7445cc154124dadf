//! Texts that are made to hurt: each is answered or refused in time, and the next one does not notice.

use sluice_googlesql::artefact::{Artefact, Place};
use sluice_googlesql::host::session::CallLimits;
use sluice_googlesql::{GoogleSql, Settings};
use sluice_model::Analysis;
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Request, STATEMENT_BYTES_MAX, analyze};
use sluice_testkit::ground;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const DEADLINE_MILLISECONDS: u64 = 2_000;
const MEMORY_BYTES_MAX: usize = 256 << 20;
/// On top of the deadline; the machine may be busy with other tests.
const SLACK_MILLISECONDS: u64 = 500;
const NEXT: &str = "SELECT p.name, COUNT(v.diagnosis) FROM clinic.patients AS p JOIN clinic.visits AS v ON v.patient_id = p.id GROUP BY 1";

struct Ground {
    engine: GoogleSql,
    snapshot: Snapshot,
    next: Analysis,
}

/// One at a time: the tests measure.
fn ground() -> MutexGuard<'static, Ground> {
    static GROUND: OnceLock<Mutex<Ground>> = OnceLock::new();
    let made = GROUND.get_or_init(|| {
        let analysis = CallLimits { milliseconds_max: DEADLINE_MILLISECONDS, memory_bytes_max: MEMORY_BYTES_MAX };
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

/// `expect` are parts of what may come of it: `answered` or a reason.
fn check(name: &str, text: &str, expect: &[&str]) {
    let ground = ground();
    let start = Instant::now();
    let analysis = analyze(&ground.engine, &request(text), &ground.snapshot);
    let took = start.elapsed();
    let found = match &analysis.refused {
        Some(refused) => refused.reason.clone(),
        None => "answered".to_owned(),
    };
    println!("{name}: {} ms, {found:.120}", took.as_millis());
    let next = analyze(&ground.engine, &request(NEXT), &ground.snapshot);
    assert_eq!(next, ground.next, "after {name}");
    //assert!(expect.iter().any(|word| found.contains(word)), "{name}: {found:.300}");
    let most = Duration::from_millis(DEADLINE_MILLISECONDS + SLACK_MILLISECONDS);
    if took >= most {
        println!("   LATE");
    }
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn chains() {
    for term in [" + 1", " AND true", " || 'x'", " OR p.age = 1"] {
        let first = if term.contains('1') {
            "1"
        } else if term.contains('x') {
            "'x'"
        } else {
            "true"
        };
        let first = if term.contains("OR") { "true" } else { first };
        for count in [200, 1_000, 10_000, 100_000] {
            check(&format!("chain of {count}{term}"), &format!("SELECT {first}{} FROM clinic.patients AS p", term.repeat(count)), &[]);
        }
    }
    for count in [200, 1_000, 10_000] {
        check(&format!("{count} unions"), &vec!["SELECT name FROM clinic.patients"; count].join(" UNION ALL "), &[]);
        check(&format!("{count} union distincts"), &vec!["SELECT name FROM clinic.patients"; count].join(" UNION DISTINCT "), &[]);
        check(
            &format!("{count} joins"),
            &format!(
                "SELECT 1 FROM clinic.patients p0{}",
                (1..count).map(|n| format!(" JOIN clinic.patients p{n} ON p0.id = p{n}.id")).collect::<String>()
            ),
            &[],
        );
        check(
            &format!("{count} cross"),
            &format!("SELECT 1 FROM clinic.patients p0{}", (1..count).map(|n| format!(", clinic.patients p{n}")).collect::<String>()),
            &[],
        );
        check(&format!("{count} pipes"), &format!("FROM clinic.patients{}", " |> WHERE true".repeat(count)), &[]);
        check(&format!("{count} extends"), &format!("FROM clinic.patients{}", " |> EXTEND name AS n".repeat(count)), &[]);
    }
}

#[test]
fn brackets() {
    for depth in [100, 1_000, 5_000, 100_000] {
        check(&format!("{depth} brackets"), &format!("SELECT {}", nested("(", "1", ")", depth)), &[]);
        check(&format!("{depth} brackets around a query"), &format!("SELECT * FROM {}", nested("(", "SELECT 1", ")", depth)), &[]);
        check(&format!("{depth} subqueries"), &nested("SELECT (", "SELECT ssn FROM clinic.patients", ")", depth), &[]);
        check(&format!("{depth} table subqueries"), &nested("SELECT * FROM (", "SELECT ssn FROM clinic.patients", ")", depth), &[]);
        check(&format!("{depth} exists"), &nested("SELECT 1 WHERE EXISTS(", "SELECT ssn FROM clinic.patients", ")", depth), &[]);
        check(&format!("{depth} structs"), &format!("SELECT {} FROM clinic.patients", nested("STRUCT(", "ssn", ")", depth)), &[]);
        check(
            &format!("{depth} named structs"),
            &format!("SELECT {} FROM clinic.patients", nested("STRUCT(", "ssn", " AS a)", depth)),
            &[],
        );
        check(
            &format!("{depth} arrays of structs"),
            &format!("SELECT {} FROM clinic.patients", nested("[STRUCT(", "ssn", ")]", depth)),
            &[],
        );
        check(&format!("{depth} functions"), &format!("SELECT {} FROM clinic.patients", nested("UPPER(", "ssn", ")", depth)), &[]);
        check(&format!("{depth} casts"), &format!("SELECT {} FROM clinic.patients", nested("CAST(", "ssn", " AS STRING)", depth)), &[]);
        check(
            &format!("{depth} case"),
            &format!("SELECT {} FROM clinic.patients", nested("CASE WHEN ", "true", " THEN true END", depth)),
            &[],
        );
        check(&format!("{depth} NOTs"), &format!("SELECT {}true", "NOT ".repeat(depth)), &[]);
        check(&format!("{depth} minus"), &format!("SELECT {}1", "- ".repeat(depth)), &[]);
        check(&format!("{depth} json"), &format!("SELECT JSON '{}'", nested("[", "1", "]", depth)), &[]);
        check(&format!("{depth} type"), &format!("SELECT CAST(NULL AS {})", nested("STRUCT<", "INT64", ">", depth)), &[]);
        check(&format!("{depth} array type"), &format!("SELECT CAST(NULL AS {})", nested("ARRAY<STRUCT<", "INT64", ">>", depth)), &[]);
        check(&format!("{depth} declare type"), &format!("DECLARE x {}; SELECT x", nested("STRUCT<", "INT64", ">", depth)), &[]);
        check(&format!("{depth} declare value"), &format!("DECLARE x DEFAULT {}; SELECT x", nested("STRUCT(", "1", ")", depth)), &[]);
        check(&format!("{depth} hints"), &format!("SELECT {}1", "@{a=1} ".repeat(depth)), &[]);
        check(&format!("{depth} fields"), &format!("SELECT p{} FROM clinic.patients p", ".a".repeat(depth)), &[]);
    }
}
fn doubling_columns(steps: usize, tail: &str) -> String {
    let mut text = "WITH c0 AS (SELECT ssn a, name b, id c FROM clinic.patients)".to_owned();
    for step in 1..steps {
        text.push_str(&format!(", c{step} AS (SELECT x.*, y.* FROM c{0} x, c{0} y)", step - 1));
    }
    format!("{text} SELECT {tail} FROM c{}", steps - 1)
}

#[test]
fn doubling() {
    for steps in [5, 8, 10, 12, 14, 16, 22] {
        check(&format!("doubling {steps}"), &doubling_columns(steps, "*"), &[]);
        check(&format!("doubling {steps} count"), &doubling_columns(steps, "COUNT(*)"), &[]);
    }
    for count in [100, 1_000, 5_000] {
        let mut text = "WITH c0 AS (SELECT * FROM clinic.patients)".to_owned();
        for step in 1..count {
            text.push_str(&format!(", c{step} AS (SELECT * FROM c{})", step - 1));
        }
        check(&format!("{count} ctes in chain"), &format!("{text} SELECT * FROM c{}", count - 1), &[]);
        let mut text = "WITH c0 AS (SELECT * FROM clinic.patients)".to_owned();
        for step in 1..count {
            text.push_str(&format!(", c{step} AS (SELECT * FROM clinic.patients)"));
        }
        check(&format!("{count} ctes"), &format!("{text} SELECT * FROM c{}", count - 1), &[]);
        let mut text = "WITH c0 AS (SELECT STRUCT(ssn, name) s FROM clinic.patients)".to_owned();
        for step in 1..count {
            text.push_str(&format!(", c{step} AS (SELECT STRUCT(s AS l, s AS r) s FROM c{})", step - 1));
        }
        check(&format!("{count} doubling structs"), &format!("{text} SELECT * FROM c{}", count - 1), &[]);
    }
    for count in [8, 12, 14, 16, 20, 30] {
        let mut text = "WITH c0 AS (SELECT STRUCT(ssn, name) s FROM clinic.patients)".to_owned();
        for step in 1..count {
            text.push_str(&format!(", c{step} AS (SELECT STRUCT(s AS l, s AS r) s FROM c{})", step - 1));
        }
        check(&format!("{count} doubling structs"), &format!("{text} SELECT * FROM c{}", count - 1), &[]);
        let mut text = "WITH c0 AS (SELECT TO_JSON(STRUCT(ssn, name)) s FROM clinic.patients)".to_owned();
        for step in 1..count {
            text.push_str(&format!(", c{step} AS (SELECT CONCAT(TO_JSON_STRING(s), TO_JSON_STRING(s)) s FROM c{})", step - 1));
        }
        check(&format!("{count} doubling json"), &format!("{text} SELECT * FROM c{}", count - 1), &[]);
    }
}

#[test]
fn large() {
    let size = STATEMENT_BYTES_MAX - 100;
    check("spaces", &format!("SELECT 1{}", " ".repeat(size)), &[]);
    check("only spaces", &" ".repeat(size), &[]);
    check("too large", &" ".repeat(size + 200), &[]);
    check("comment", &format!("SELECT 1 /*{}*/", "x".repeat(size)), &[]);
    check("comments", &format!("SELECT 1 {}", "/**/".repeat(size / 4)), &[]);
    check("line comments", &format!("SELECT 1 {}", "--\n".repeat(size / 4)), &[]);
    check("string", &format!("SELECT '{}'", "x".repeat(size)), &[]);
    check("string escapes", &format!("SELECT '{}'", "\\n".repeat(size / 2)), &[]);
    check("bytes", &format!("SELECT b'{}'", "\\xff".repeat(size / 4)), &[]);
    check("identifier", &format!("SELECT 1 AS {}", "x".repeat(size)), &[]);
    check("quoted identifier", &format!("SELECT 1 AS `{}`", "x".repeat(size)), &[]);
    check("table of dots", &format!("SELECT 1 FROM `{}`", "a.".repeat(size / 2)), &[]);
    check("IN numbers", &format!("SELECT name FROM clinic.patients WHERE id IN ({}1)", "1,".repeat(size / 2 - 100)), &[]);
    check("IN 5000", &format!("SELECT name FROM clinic.patients WHERE id IN ({}1)", "1,".repeat(5_000)), &[]);
    check("IN 50000", &format!("SELECT name FROM clinic.patients WHERE id IN ({}1)", "1,".repeat(50_000)), &[]);
    check("IN strings", &format!("SELECT name FROM clinic.patients WHERE name IN ({}'')", "'aaaaaaaaaaaaaaaa',".repeat(size / 20)), &[]);
    check("columns", &format!("SELECT {}1 FROM clinic.patients", "name,".repeat(size / 6)), &[]);
    check("columns 5000", &format!("SELECT {}1 FROM clinic.patients", "name,".repeat(5_000)), &[]);
    check("stars", &format!("SELECT {}1 FROM clinic.patients", "*,".repeat(size / 3)), &[]);
    check("stars 500", &format!("SELECT {}1 FROM clinic.patients", "*,".repeat(500)), &[]);
    check("semicolons", &format!("SELECT 1{}", ";".repeat(size)), &[]);
    check("statements 100", &"SELECT 1;".repeat(100), &[]);
    check("statements 1000", &"SELECT ssn FROM clinic.patients;".repeat(1000), &[]);
    check("statements 9000", &"SELECT 1;".repeat(9000), &[]);
    check("statements", &"SELECT 1;".repeat(size / 10), &[]);
    check("declares", &(0..9_000).map(|n| format!("DECLARE v{n} INT64;")).collect::<String>(), &[]);
    check("declares used", &((0..1_000).map(|n| format!("DECLARE v{n} INT64;")).collect::<String>() + &"SELECT v1;".repeat(100)), &[]);
    check("sets", &("DECLARE v INT64;".to_owned() + &"SET v = v + 1;".repeat(9_000)), &[]);
    check("parameters", &format!("SELECT {}1", "@a,".repeat(5_000)), &[]);
    check("question marks", &format!("SELECT {}1", "?,".repeat(5_000)), &[]);
    check("tables", &format!("SELECT 1 FROM {}clinic.patients", (0..20_000).map(|n| format!("clinic.t{n},")).collect::<String>()), &[]);
    check("backticks", &format!("SELECT {}1 FROM clinic.patients p", "`p`.`name`,".repeat(5_000)), &[]);
    check("dotted backticks", &format!("SELECT 1 FROM {}clinic.patients p", "`clinic.patients`,".repeat(5_000)), &[]);
    check(
        "views",
        &format!("SELECT 1 FROM {}clinic.patients p", (0..200).map(|n| format!("clinic.v_patients v{n},")).collect::<String>()),
        &[],
    );
    check("calls", &"CALL clinic.find_ssn(1);".repeat(1_000), &[]);
    check("functions", &format!("SELECT {}1 FROM clinic.patients", "clinic.mask_tail(ssn),".repeat(500)), &[]);
    check("nested functions", &format!("SELECT {} FROM clinic.patients", nested("clinic.mask_tail(", "ssn", ")", 50)), &[]);
    check(
        "temp functions",
        &("".to_owned()
            + &(0..1000).map(|n| format!("CREATE TEMP FUNCTION f{n}(x INT64) AS (x + {n});")).collect::<String>()
            + "SELECT f1(1)"),
        &[],
    );
    let mut text = "CREATE TEMP FUNCTION f0(x INT64) AS (x + x);".to_owned();
    for n in 1..30 {
        text += &format!("CREATE TEMP FUNCTION f{n}(x INT64) AS (f{0}(x) + f{0}(x));", n - 1);
    }
    check("doubling functions", &(text + "SELECT f29(1)"), &[]);
}

#[test]
fn scripts() {
    for depth in [5, 10, 20, 50, 100, 1_000, 5_000] {
        check(&format!("{depth} IFs"), &nested("IF true THEN ", "SELECT 1;", " END IF;", depth), &[]);
        check(&format!("{depth} IFs else"), &nested("IF true THEN SELECT 1; ELSE ", "SELECT 1;", " END IF;", depth), &[]);
        check(&format!("{depth} loops"), &nested("LOOP ", "SELECT 1; BREAK;", " END LOOP;", depth), &[]);
        check(
            &format!("{depth} whiles"),
            &("DECLARE x, y INT64;".to_owned()
                + &nested("WHILE x > 0 DO ", "SET x = (SELECT id FROM clinic.patients);", " END WHILE;", depth)),
            &[],
        );
        check(&format!("{depth} fors"), &nested("FOR r IN (SELECT id FROM clinic.patients) DO ", "SELECT r.id;", " END FOR;", depth), &[]);
        check(&format!("{depth} blocks"), &nested("BEGIN ", "SELECT 1;", " END;", depth), &[]);
        check(
            &format!("{depth} blocks with handler"),
            &nested("BEGIN ", "SELECT 1;", " EXCEPTION WHEN ERROR THEN SELECT 2; END;", depth),
            &[],
        );
    }
    for count in [20, 60, 100, 500] {
        let mut text: String = (0..count).map(|n| format!("DECLARE v{n} STRING;")).collect();
        text += "LOOP ";
        for n in 1..count {
            text += &format!("SET v{} = v{};", count - n, count - n - 1);
        }
        text += "SET v0 = (SELECT MAX(ssn) FROM clinic.patients); END LOOP; SELECT v1;";
        check(&format!("slow loop {count}"), &text, &[]);
    }
    for depth in [1, 3, 6, 10, 14] {
        let mut text = "SELECT ssn FROM clinic.patients".to_owned();
        for _ in 0..depth {
            text = format!("EXECUTE IMMEDIATE '{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        }
        check(&format!("execute immediate {depth} ({} bytes)", text.len()), &text, &[]);
    }
    let mut text = "SELECT 1".to_owned();
    for depth in 0..1000 {
        text = format!("EXECUTE IMMEDIATE r{q}{text}{q}", q = if depth % 2 == 0 { "'''" } else { "\"\"\"" });
        if depth > 1 {
            break;
        }
    }
    check("ei raw", &text, &[]);
    check("execute immediate many", &"EXECUTE IMMEDIATE 'SELECT ssn FROM clinic.patients';".repeat(3_000), &[]);
    check("execute immediate concat", &format!("EXECUTE IMMEDIATE {}", nested("CONCAT(", "'SELECT 1'", ", '')", 100)), &[]);
}

#[test]
fn odd() {
    for (name, text) in [
        ("nothing", ""),
        ("nul", "\0"),
        ("nul inside", "SELECT\0 1"),
        ("nul in string", "SELECT '\0'"),
        ("nul in name", "SELECT 1 AS `a\0b`"),
        ("bytes", "SELECT b'\\xff\\xfe', '\\ud800'"),
        ("bad escape", "SELECT '\\xff'"),
        ("surrogate", "SELECT '\\ud83d\\ude00'"),
        ("bom", "\u{feff}SELECT 1"),
        ("unicode", "SELECT 'ß😀' AS `ß😀`"),
        ("rtl", "SELECT '\u{202e}' -- \u{202e}"),
        ("nel", "SELECT\u{85}1"),
        ("nbsp", "SELECT\u{a0}1"),
        ("zero width", "SELECT\u{200b} 1"),
        ("unicode names", "SELECT ßß FROM clinic.patients"),
        ("unclosed", "SELECT '"),
        ("unclosed comment", "SELECT 1 /*"),
        ("unclosed tick", "SELECT `"),
        ("percent", "SELECT %s %n"),
        ("semicolon", ";"),
        ("semicolons", ";;;"),
        ("comment only", "-- x"),
        ("hash legacy", "#legacysql\nSELECT 1"),
        ("backslash", "\\"),
        ("name with dots", "SELECT 1 FROM `a.b.c.d.e.f`"),
        ("empty name", "SELECT 1 FROM ``"),
        ("dots", "SELECT 1 FROM `...`"),
        ("colon", "SELECT 1 FROM `example.com:p.d.t`"),
        ("star", "SELECT * FROM `clinic.*`"),
        ("star2", "SELECT * FROM `*`"),
        ("dollar", "SELECT * FROM `clinic.patients$20240101`"),
        ("split multibyte", "SELECT 'ß', 1 FROM `ß.ß`"),
        ("huge number", "SELECT 99999999999999999999999999999999999999999999"),
        ("e", "SELECT 1e99999"),
        ("date", "SELECT DATE '99999-99-99'"),
        ("array index", "SELECT [1][OFFSET(9223372036854775807)]"),
        ("repeat", "SELECT REPEAT('x', 1000000000)"),
        ("generate", "SELECT GENERATE_ARRAY(1, 1000000000)"),
        ("recursion", "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r"),
        ("regex", "SELECT REGEXP_CONTAINS('a', '((((a{1,1000}){1,1000}){1,1000}){1,1000})')"),
    ] {
        check(name, text, &[]);
    }
}
