//! What happens between two pages of BigQuery's that one answer is made of: the next one is asked for as the client asked, decided anew, counted on
//! record; and there is an end to it.

use crate::apart::{Apart, SEEN_WITHIN};
use crate::evidence::Evidence;
use crate::gate::Gate;
use crate::masks::on_record;
use crate::policies::changed;
use crate::program::pause;
use crate::talk::{self, Answer, Link};
use crate::world::{API, World};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const CALLER: &str = "report-job";
const ROWS: usize = 40;
/// Nineteen rows of so many letters are more than a page of the warehouse's.
const HIDDEN_LETTERS: usize = 450_000;
/// With so many beside them thirteen are; and what is shown of thirteen is more than what leaves whole.
const SHOWN_LETTERS: usize = 220_000;
/// On a machine that does much else.
const PLANTED_WITHIN: Duration = Duration::from_secs(180);
const NO_ROWS: &str = "
@id(\"no-rows\")
@reason(\"no table is read any more\")
forbid (principal, action == Action::\"tabledata.list\", resource);
";
const NO_DROPS: &str = "
@id(\"no-drops\")
@reason(\"nothing is dropped today\")
forbid (principal, action == Action::\"drop\", resource);
";
/// Of what BigQuery may send for one answer.
const READ_BYTES_MAX: usize = 1 << 30;
const MEMORY_GROWTH_BYTES_MAX: u64 = 64 << 20;

fn create(table: &str, shown: usize) -> String {
    format!(
        "CREATE TABLE staging.{table} AS SELECT id, TIMESTAMP_SECONDS(id) AS moment, REPEAT('h', {HIDDEN_LETTERS}) AS email, \
         REPEAT('s', {shown}) AS pad FROM clinic.patients"
    )
}

/// It can take longer than a call is held.
fn plant(direct: &dyn Fn(&str, &str, Option<&Value>) -> Answer, table: &str, shown: usize) {
    let body = json!({ "query": create(table, shown), "useLegacySql": false, "timeoutMs": 10_000 });
    let made = direct("POST", &format!("{API}/queries"), Some(&body));
    assert_eq!(made.status, 200, "{}", made.text());
    let started = Instant::now();
    let path = format!("{API}/datasets/staging/tables/{table}");
    while direct("GET", &path, None).json()["numRows"] != json!(ROWS.to_string()) {
        assert!(started.elapsed() < PLANTED_WITHIN, "{table} is not there");
        pause(Duration::from_millis(100));
    }
}

fn data(table: &str) -> String {
    format!("{API}/datasets/staging/tables/{table}/data")
}

/// What the mask of the column leaves: it holds no addresses.
fn masked(letters: usize) -> Value {
    json!(STANDARD.encode(digest(&SHA256, &vec![b'h'; letters])))
}

fn rows(answer: &Value) -> Vec<Value> {
    answer["rows"].as_array().cloned().unwrap_or_default()
}

fn begin(apart: &Apart, caller: &str, path: &str, mark: &str) -> JoinHandle<Answer> {
    let (address, bearer) = (apart.plain, format!("Bearer {}", apart.token(caller)));
    let bytes = talk::request("GET", path, &[("Authorization", &bearer), ("User-Agent", mark)], None);
    std::thread::spawn(move || {
        let mut link = Link::plain(address);
        link.send(&bytes);
        talk::answers(&link.receive_whole(talk::PATIENCE)).pop().unwrap()
    })
}

fn is_whole(answer: &Answer) -> bool {
    serde_json::from_slice::<Value>(&answer.body).is_ok()
}

/// Rows as they came, also of an answer that broke off.
fn came(answer: &Answer) -> usize {
    answer.body.windows(6).filter(|window| window == b"{\"f\":[").count()
}

/// How many pages of BigQuery's the end of a call says.
fn pages(evidence: &Evidence, mark: &str) -> Option<u64> {
    let records = evidence.of_mark(mark);
    records.iter().find(|record| record.kind.is_terminal())?.sections.get("meta")?["counts"]["pages"].as_u64()
}

struct Scene {
    apart: Apart,
    gate: Gate,
    number: usize,
}

/// Two answers that are under way: of one the first page has not come, of the other there is, and a part of it has left.
struct UnderWay {
    mark: String,
    first: Answer,
    second: Answer,
    asked: [usize; 2],
}

impl Scene {
    fn start() -> Scene {
        let mut apart = Apart::prepare("between", &[CALLER, "analyst", "support-agent"]);
        let gate = Gate::start(apart.warehouse_rest);
        apart.set("endpoint", &format!("\"http://{}\"", gate.address));
        apart.serve();
        for (table, shown) in [("wide", 1), ("long", SHOWN_LETTERS)] {
            plant(&|verb, path, body| apart.administer(verb, path, body), table, shown);
        }
        Scene { apart, gate, number: 0 }
    }

    fn under_way(&mut self, caller: &str, change: impl FnOnce(&Apart)) -> UnderWay {
        self.number += 1;
        let mark = format!("door/between-{}", self.number);
        let tables = ["wide", "long"];
        self.gate.hold(&[("/wide/data", 0), ("/long/data", 1)]);
        let begun = tables.map(|table| begin(&self.apart, caller, &data(table), &format!("{mark}-{table}")));
        self.gate.wait_for(2);
        change(&self.apart);
        pause(SEEN_WITHIN);
        self.gate.open();
        let [first, second] = begun.map(|answer| answer.join().unwrap());
        let asked = tables.map(|table| self.gate.asked(&format!("/{table}/data")).len());
        UnderWay { mark, first, second, asked }
    }

    fn activate(&self, rule: &str) {
        let set = changed(&[], &self.apart.folder.join("policy"));
        std::fs::write(set.path().join("later.cedar"), rule).unwrap();
        self.apart.activate(set.path());
    }
}

impl UnderWay {
    /// No further page was asked for: who has seen nothing is told why, for the other it breaks off.
    fn ends(&self, status: u16, text: &str) {
        assert_eq!((self.first.status, self.asked), (status, [1, 2]), "{} {}", self.mark, self.first.text());
        assert!(self.first.text().contains(text), "{} {}", self.mark, self.first.text());
        assert_eq!(came(&self.first), 0, "{}", self.mark);
        let came = came(&self.second);
        assert!(self.second.status == 200 && !is_whole(&self.second), "{}: what broke off looks whole", self.mark);
        assert!((1..ROWS).contains(&came), "{}: {came} rows", self.mark);
    }

    fn is_on_record(&self, evidence: &Evidence, why: &str) {
        let marks = ["wide", "long"].map(|table| format!("{}-{table}", self.mark));
        let ends = marks.each_ref().map(|mark| evidence.ends(mark));
        assert_eq!(ends, [[format!("refused {why}")], [format!("failed {why}")]], "{}", self.mark);
        assert_eq!(marks.each_ref().map(|mark| pages(evidence, mark)), [None, Some(2)], "{}", self.mark);
        let (pieces, _) = on_record(evidence, &marks[1], "email");
        assert!(pieces >= came(&self.second) as u64 && pieces < ROWS as u64, "{}: {pieces}", self.mark);
    }
}

#[test]
fn each_page_of_an_answer_is_decided_anew() {
    let mut scene = Scene::start();
    let before = changed(&[], &scene.apart.folder.join("policy"));
    // Decided again, and let through again.
    let same = {
        let set = changed(&[], &scene.apart.folder.join("policy"));
        std::fs::write(set.path().join("later.cedar"), NO_DROPS).unwrap();
        scene.under_way(CALLER, |apart| apart.activate(set.path()))
    };
    for answer in [&same.first, &same.second] {
        let rows = rows(&answer.json());
        assert_eq!((answer.status, rows.len()), (200, ROWS));
        assert!(rows.iter().all(|row| row["f"][2]["v"] == masked(HIDDEN_LETTERS)), "{}", rows[0]["f"][2]);
    }
    let set = changed(&[], before.path());
    std::fs::write(set.path().join("later.cedar"), NO_ROWS).unwrap();
    let forbidden = scene.under_way(CALLER, |apart| apart.activate(set.path()));
    forbidden.ends(403, "no table is read any more");
    scene.activate(NO_DROPS);
    pause(SEEN_WITHIN);
    let everyone = ["--everyone", "--by", "ana", "--reason", "masks are wrong since noon"];
    let halted = scene.under_way(CALLER, |apart| apart.run(&[&["halt"], &everyone[..]].concat()));
    halted.ends(403, "halted");
    scene.apart.run(&[&["halt", "--release"], &everyone[..]].concat());
    pause(SEEN_WITHIN);
    let revoked = scene.under_way("analyst", |apart| {
        let form = format!("token={}", apart.token("analyst"));
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = crate::world::ask(apart.plain, &talk::request("POST", "/v1/revoke", &headers, Some(form.as_bytes())));
        assert_eq!(answer.status, 200, "{}", answer.text());
    });
    revoked.ends(401, "the session has ended");
    let hidden = scene.under_way(CALLER, |apart| {
        let columns = ["acme-prod.staging.wide.pad", "acme-prod.staging.long.pad"];
        apart.run(&[&["labels", "set", "--label", "home", "--by", "ana", "--reason", "seen in a review"], &columns[..]].concat());
    });
    hidden.ends(403, "rows are withheld");
    // Who asks again gets what is so now.
    let again = begin(&scene.apart, CALLER, &data("long"), "door/between-again").join().unwrap().json();
    assert!(rows(&again).len() == ROWS && rows(&again).iter().all(|row| row["f"][3]["v"] == ""), "{}", again["pageToken"]);
    let evidence = scene.apart.finish();
    let counted = ["wide", "long"].map(|table| pages(&evidence, &format!("{}-{table}", same.mark)));
    assert_eq!(counted, same.asked.map(|asked| Some(asked as u64)));
    assert!(same.asked.iter().all(|asked| *asked > 2), "{:?}", same.asked);
    for (ended, why) in [(&forbidden, "policy"), (&halted, "policy"), (&revoked, "unproven"), (&hidden, "drift")] {
        ended.is_on_record(&evidence, why);
    }
}

/// Eight rows whose hidden values are sixteen megabytes.
fn page(shown: usize) -> Value {
    let row = |id: usize| {
        let cells = [json!(id.to_string()), json!("1.0"), json!("h".repeat(2 << 20)), json!("s".repeat(shown))];
        json!({ "f": cells.map(|cell| json!({ "v": cell })) })
    };
    json!({ "kind": "bigquery#tableDataList", "etag": "e", "totalRows": "100000", "pageToken": "more", "rows": (0..8).map(row).collect::<Vec<_>>() })
}

/// The bound that one answer has, met by answers of which nothing has left and something has.
#[test]
fn an_answer_reads_so_much_and_no_more() {
    let apart = Apart::start("between-bound", &[CALLER]);
    for table in ["whole", "begun"] {
        let columns = "1 AS id, TIMESTAMP_SECONDS(1) AS moment, 'h' AS email, 's' AS pad";
        assert_eq!(apart.query_direct(&format!("CREATE TABLE staging.{table} AS SELECT {columns}")).status, 200);
    }
    let fault = |table: &str, page: &Value| {
        let act = json!({ "kind": "body", "text": page.to_string() });
        let fault = json!({ "verb": "GET", "path": format!("/{table}/data"), "count": 1_000, "act": act });
        let answer = apart.administer("POST", "/sandbox/faults", Some(&fault));
        assert!(answer.status < 300, "{}", answer.text());
    };
    let (whole, begun) = (page(1), page(20_000));
    fault("whole", &whole);
    fault("begun", &begun);
    let ask = |table: &str, more: &str, mark: &str| begin(&apart, CALLER, &format!("{}{more}", data(table)), mark).join().unwrap();
    // Everything that is set up once is set up.
    let few = ask("begun", "?maxResults=20", "door/bound-few");
    assert_eq!((few.status, rows(&few.json()).len()), (200, 20));
    assert!(rows(&few.json()).iter().all(|row| row["f"][2]["v"] == masked(2 << 20)), "{}", rows(&few.json())[0]["f"][2]);
    pause(SEEN_WITHIN);
    let idle = apart.running().resident_bytes();
    let asked = |table: &str| {
        let log = apart.administer("GET", "/sandbox/requests", None).json();
        let targets = log["requests"].as_array().unwrap().iter().filter_map(|entry| entry["target"].as_str().map(str::to_owned));
        targets.filter(|target| target.contains(&format!("/{table}/data"))).count()
    };
    let before = asked("begun");
    apart.running().forget_peak();
    let refused = ask("whole", "", "door/bound-whole");
    let broken = ask("begun", "", "door/bound-begun");
    let grown = apart.running().peak_bytes().saturating_sub(idle);
    assert_eq!(refused.class(), "403 responseTooLarge", "{}", refused.text());
    assert!(refused.text().contains(&format!("more than {READ_BYTES_MAX} bytes before they are masked")), "{}", refused.text());
    assert!(refused.text().contains("`maxResults`"), "{}", refused.text());
    assert!(broken.status == 200 && !is_whole(&broken) && came(&broken) > 100, "{} rows", came(&broken));
    println!("{} MB more than idle; {} rows before it broke off", grown >> 20, came(&broken));
    assert!(grown <= MEMORY_GROWTH_BYTES_MAX, "{grown} bytes more");
    // As many pages as that many bytes are, and none behind them.
    let pages_of = |page: &Value| READ_BYTES_MAX / page["rows"].to_string().len() + 1;
    assert_eq!((asked("whole"), asked("begun") - before), (pages_of(&whole), pages_of(&begun)));
    let evidence = apart.finish();
    assert_eq!(evidence.ends("door/bound-whole"), ["refused answer_too_large"]);
    assert_eq!(evidence.ends("door/bound-begun"), ["failed answer_too_large"]);
    assert_eq!(pages(&evidence, "door/bound-whole"), Some(pages_of(&whole) as u64));
    assert_eq!(pages(&evidence, "door/bound-begun"), Some(pages_of(&begun) as u64));
    let (pieces, ends) = on_record(&evidence, "door/bound-begun", "email");
    assert!(pieces == ends && pieces >= came(&broken) as u64 && pieces < 8 * pages_of(&begun) as u64, "{pieces} {ends}");
}

/// Which rows a client asks for by `tabledata.list`, and what of it further pages are asked with.
struct Asked {
    more: &'static str,
    rows: std::ops::Range<usize>,
    /// Places of the columns.
    columns: &'static [usize],
    /// What stays.
    kept: &'static [&'static str],
}

#[test]
fn further_pages_of_a_table_are_asked_for_as_the_first() {
    let world = World::start("between-sent");
    plant(&|verb, path, body| world.direct(verb, path, body), "wide", 1);
    let all = |more: &str| {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = world.direct("GET", &format!("{}?prettyPrint=false{more}{token}", data("wide")), None).json();
            found.extend(rows(&page));
            let Some(next) = page["pageToken"].as_str() else { return found };
            token = format!("&pageToken={next}");
        }
    };
    let (plain, int64) = (all(""), all("&formatOptions.useInt64Timestamp=true"));
    assert!(plain.len() == ROWS && plain[0]["f"][1] != int64[0]["f"][1]);
    let cases = [
        Asked { more: "", rows: 0..40, columns: &[0, 1, 2, 3], kept: &[] },
        Asked { more: "?maxResults=33", rows: 0..33, columns: &[0, 1, 2, 3], kept: &["maxResults="] },
        Asked { more: "?maxResults=400&startIndex=7", rows: 7..40, columns: &[0, 1, 2, 3], kept: &["maxResults="] },
        Asked { more: "?startIndex=5&maxResults=30", rows: 5..35, columns: &[0, 1, 2, 3], kept: &["maxResults="] },
        Asked { more: "?startIndex=40", rows: 40..40, columns: &[0, 1, 2, 3], kept: &[] },
        Asked {
            more: "?selectedFields=email,id&maxResults=25",
            rows: 0..25,
            columns: &[0, 2],
            kept: &["selectedFields=email%2Cid", "maxResults="],
        },
        Asked { more: "?selectedFields=id", rows: 0..40, columns: &[0], kept: &["selectedFields=id"] },
        Asked {
            more: "?formatOptions.useInt64Timestamp=true&selectedFields=moment,email",
            rows: 0..40,
            columns: &[1, 2],
            kept: &["formatOptions.useInt64Timestamp=true", "selectedFields=moment%2Cemail"],
        },
    ];
    let mut marks = Vec::new();
    for Asked { more, rows: expect, columns, kept } in cases {
        let before = world.warehouse_log().len();
        let answer = world.call(CALLER, "GET", &format!("{}{more}", data("wide")), None);
        assert_eq!(answer.status, 200, "{more}: {}", answer.text());
        let real = if more.contains("useInt64Timestamp") { &int64 } else { &plain };
        let shown = |row: &Value| {
            let cell = |place: &usize| if *place == 2 { json!({ "v": masked(HIDDEN_LETTERS) }) } else { row["f"][place].clone() };
            json!({ "f": columns.iter().map(cell).collect::<Vec<_>>() })
        };
        let wanted: Vec<Value> = real[expect.clone()].iter().map(shown).collect();
        let told = answer.json();
        assert!(rows(&told) == wanted, "{more}: {} rows", rows(&told).len());
        assert_eq!(told["pageToken"].is_string(), expect.end < ROWS, "{more}");
        let log = world.warehouse_log();
        let asked: Vec<&str> =
            log[before..].iter().filter_map(|entry| entry["target"].as_str()).filter(|target| target.contains("/wide/data")).collect();
        let starts = asked[1..].iter().map(|target| number(target, "startIndex").unwrap()).collect::<Vec<usize>>();
        assert!(starts.is_sorted_by(|one, next| one < next) && starts.iter().all(|start| expect.contains(start)), "{more}: {asked:?}");
        for target in &asked[1..] {
            assert!(kept.iter().all(|part| target.contains(part)) && !target.contains("pageToken"), "{more}: {target}");
            let (start, count) = (number(target, "startIndex").unwrap(), number(target, "maxResults"));
            let bounded = more.contains("maxResults");
            assert!(
                !bounded || count.is_some_and(|count| count <= expect.end.max(ROWS) * 10 && start + count >= expect.end.min(ROWS)),
                "{more}: {target}"
            );
        }
        let picked_little = more == "?selectedFields=id" || expect.is_empty();
        assert!(asked.len() > 1 || picked_little, "{more}: {asked:?}");
        marks.push((more, answer.mark, asked.len()));
    }
    let evidence = world.finish();
    for (more, mark, asked) in marks {
        assert_eq!(pages(&evidence, &mark), (asked > 1).then_some(asked as u64), "{more}");
    }
}

fn number(target: &str, name: &str) -> Option<usize> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}
