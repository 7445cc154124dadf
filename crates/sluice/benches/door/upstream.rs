//! A warehouse that only answers: one table, one statement, and pages that lie ready in memory. The embedded warehouse analyses each statement and makes
//! each row, so in front of it nobody sees what a gateway costs.

use super::load::Pages;
use super::{MASKED_MEGABYTES, Outcome, streams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

pub const PROJECT: &str = "acme-prod";
pub const STATEMENT: &str = "SELECT id, `at`, account, kind, amount, note FROM bench.events LIMIT 20";
/// With the column that has a label.
pub const MAIL_STATEMENT: &str = "SELECT id, `at`, account, email, kind, amount, note FROM bench.events LIMIT 20";
/// Megabytes of rows in one page: a small one, the largest that BigQuery sends, nearly the largest that the gateway takes.
pub const PAGE_MEGABYTES: [usize; 3] = [1, 10, 60];
/// What a job is called whose result has pages of so many megabytes, and so many of them.
pub fn job_of_pages(of: Pages, pages: usize, number: usize) -> String {
    format!("{}_{}_{pages}_{number}", if of.has_mail { MAIL } else { "pages" }, of.megabytes)
}

/// How the names of jobs begin whose rows have the column with a label.
const MAIL: &str = "mail";

const SMALL_ROWS: usize = 20;
const COLUMNS: [(&str, &str); 7] = [
    ("id", "INTEGER"),
    ("at", "TIMESTAMP"),
    ("account", "STRING"),
    ("email", "STRING"),
    ("kind", "STRING"),
    ("amount", "FLOAT"),
    ("note", "STRING"),
];
const ETAG: &str = "bench-1";
const HEADS_BYTES_MAX: u64 = 64 << 10;

struct Warehouse {
    small: String,
    pages: BTreeMap<usize, String>,
    mail: Mail,
    table: String,
}

/// Rows of a page of masked ones, with where each begins: the gateway asks for those by their numbers.
struct Mail {
    text: String,
    begins: Vec<usize>,
}

struct Request {
    verb: String,
    path: String,
    query: String,
    knows: bool,
    body: Vec<u8>,
}

/// Until standard input is closed.
pub fn serve() -> Outcome<()> {
    let pages = PAGE_MEGABYTES.iter().map(|megabytes| (*megabytes, rows(megabytes * 1_000_000, row))).collect();
    let mail = Mail::of(rows(MASKED_MEGABYTES * 1_000_000, row_with_mail));
    let fields = fields(&COLUMNS);
    let table = json!({
        "kind": "bigquery#table", "etag": ETAG, "id": format!("{PROJECT}:bench.events"), "type": "TABLE", "location": "US",
        "tableReference": { "projectId": PROJECT, "datasetId": "bench", "tableId": "events" },
        "schema": { "fields": fields }, "numRows": "20000000",
    });
    let small = (0..SMALL_ROWS).map(row).collect::<Vec<_>>().join(",");
    let warehouse = Arc::new(Warehouse { small, pages, mail, table: table.to_string() });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // At once: whoever has read the first line finds the second.
    let lines = format!("http://{}\n{}\n", listener.local_addr()?, streams::listen()?);
    std::io::stdout().write_all(lines.as_bytes())?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let warehouse = Arc::clone(&warehouse);
            // A client that leaves ends its conversation.
            std::thread::spawn(move || drop(warehouse.converse(stream)));
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

impl Warehouse {
    fn converse(&self, mut stream: TcpStream) -> Outcome<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = Request::read(&mut reader)? {
            let (status, start, rows, end) = self.answer(&request)?;
            let length = start.len() + rows.len() + end.len();
            let kind = "Content-Type: application/json; charset=UTF-8";
            let head = format!("HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{start}");
            if rows.len() <= self.small.len() {
                stream.write_all([&head, rows, end].concat().as_bytes())?;
            } else {
                // Nobody copies a large page here.
                [&head, rows, end].into_iter().try_for_each(|part| stream.write_all(part.as_bytes()))?;
            }
        }
        Ok(())
    }

    /// Status, and the body in three parts.
    fn answer(&self, request: &Request) -> Outcome<(&'static str, String, &str, &'static str)> {
        let root = format!("/bigquery/v2/projects/{PROJECT}/");
        let path = request.path.strip_prefix(&root).unwrap_or_default();
        let whole = |body: String| Ok(("200 OK", body, "", ""));
        match (request.verb.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
            ("POST", ["queries"]) => {
                let (start, end) = around("bigquery#queryResponse", "direct", SMALL_ROWS, None);
                Ok(("200 OK", start, &self.small, end))
            }
            ("POST", ["jobs"]) => whole(inserted(&request.body)?),
            ("GET", ["jobs", id]) => whole(job(id, "DONE").to_string()),
            ("GET", ["queries", id]) => Ok(self.page(id, &request.query)),
            ("GET", ["datasets", "bench", "tables", "events"]) if request.knows => Ok(("304 Not Modified", String::new(), "", "")),
            ("GET", ["datasets", "bench", "tables", "events"]) => whole(self.table.clone()),
            ("GET", ["datasets", "bench", "tables", "events", "rowAccessPolicies"]) => whole("{}".to_owned()),
            _ => {
                let error = json!({ "error": { "code": 404, "message": "not found", "errors": [{ "reason": "notFound" }] } });
                Ok(("404 Not Found", error.to_string(), "", ""))
            }
        }
    }

    fn page(&self, id: &str, query: &str) -> (&'static str, String, &str, &'static str) {
        let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if id.starts_with(MAIL) {
            return self.page_of_mail(id, asked);
        }
        let mut words = id.split('_').skip(1).filter_map(|word| word.parse::<usize>().ok());
        let large = words.next().zip(words.next()).filter(|_| id.starts_with("pages_"));
        let (rows, pages) = match large {
            Some((megabytes, pages)) => (self.pages.get(&megabytes).map_or("", String::as_str), pages),
            None => (self.small.as_str(), 1),
        };
        let page: usize = asked("pageToken").and_then(|token| token.parse().ok()).unwrap_or_default();
        let next = (page + 1 < pages).then_some(page + 1);
        let (start, end) = around("bigquery#getQueryResultsResponse", id, rows.len() / row(0).len() * pages, next);
        if asked("maxResults") == Some("0") { ("200 OK", start, "", end) } else { ("200 OK", start, rows, end) }
    }
}

impl Warehouse {
    /// From a row on, to the end of its page, or as many as are wanted.
    fn page_of_mail<'q>(&self, id: &str, asked: impl Fn(&str) -> Option<&'q str>) -> (&'static str, String, &str, &'static str) {
        let number = |name: &str| asked(name).and_then(|text| text.parse::<usize>().ok());
        let pages = id.split('_').nth(2).and_then(|word| word.parse::<usize>().ok()).unwrap_or(1);
        let of_one = self.mail.begins.len();
        let from = number("startIndex").or_else(|| number("pageToken")).unwrap_or_default().min(of_one * pages);
        let to = (from / of_one * of_one + of_one).min(from.saturating_add(number("maxResults").unwrap_or(usize::MAX))).min(of_one * pages);
        let (start, end) = around("bigquery#getQueryResultsResponse", id, of_one * pages, (to < of_one * pages).then_some(to));
        ("200 OK", start, self.mail.between(from % of_one, to - from), end)
    }
}

impl Mail {
    fn of(text: String) -> Mail {
        let begins = text.match_indices("{\"f\":").map(|(at, _)| at).collect();
        Mail { text, begins }
    }

    fn between(&self, from: usize, count: usize) -> &str {
        let begin = |row: usize| self.begins.get(row).copied();
        // Before the comma. Nothing is asked for by who wants to know the number of rows alone.
        let end = begin(from + count).map_or(self.text.len(), |next| next.saturating_sub(1));
        begin(from).filter(|_| count > 0).and_then(|begin| self.text.get(begin..end)).unwrap_or_default()
    }
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Outcome<Option<Request>> {
        let mut head = reader.take(HEADS_BYTES_MAX);
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let (verb, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let (mut length, mut knows) = (0, false);
        loop {
            line.clear();
            if head.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
            knows |= name.eq_ignore_ascii_case("if-none-match") && value.contains(ETAG);
        }
        let mut body = Vec::new();
        reader.take(length).read_to_end(&mut body)?;
        Ok(Some(Request { verb, path, query, knows, body }))
    }
}

/// What stands around rows.
fn around(kind: &str, id: &str, rows: usize, next: Option<usize>) -> (String, &'static str) {
    let mut head = json!({
        "kind": kind, "schema": { "fields": shown(id) }, "totalRows": rows.to_string(), "totalBytesProcessed": "0", "cacheHit": true,
        "jobReference": { "projectId": PROJECT, "jobId": id, "location": "US" }, "jobComplete": true,
    });
    if let Some(fields) = head.as_object_mut() {
        fields.extend(next.map(|next| ("pageToken".to_owned(), Value::String(next.to_string()))));
    }
    let text = head.to_string();
    (format!("{},\"rows\":[", text.strip_suffix('}').unwrap_or_default()), "]}")
}

fn inserted(body: &[u8]) -> Outcome<String> {
    let body: Value = serde_json::from_slice(body)?;
    if body.pointer("/configuration/dryRun") == Some(&Value::Bool(true)) {
        let mut dry_run = job("", "DONE");
        if let Some(query) = dry_run.pointer_mut("/statistics/query").and_then(Value::as_object_mut) {
            query.insert("schema".to_owned(), json!({ "fields": shown("") }));
        }
        return Ok(dry_run.to_string());
    }
    let id = body.pointer("/jobReference/jobId").and_then(Value::as_str).ok_or("a job without an id")?;
    Ok(job(id, "RUNNING").to_string())
}

fn job(id: &str, state: &str) -> Value {
    let statement = if id.starts_with(MAIL) { MAIL_STATEMENT } else { STATEMENT };
    let destination = json!({ "projectId": PROJECT, "datasetId": "_bench", "tableId": format!("anon{id}") });
    json!({
        "kind": "bigquery#job", "id": format!("{PROJECT}:US.{id}"), "jobReference": { "projectId": PROJECT, "jobId": id, "location": "US" },
        "configuration": { "jobType": "QUERY", "query": { "query": statement, "useLegacySql": false, "destinationTable": destination } },
        "status": { "state": state },
        "statistics": { "creationTime": "1700000000000", "startTime": "1700000000001", "endTime": "1700000000002", "totalBytesProcessed": "0",
            "query": { "statementType": "SELECT", "cacheHit": true, "totalBytesProcessed": "0", "totalBytesBilled": "0",
                "referencedTables": [{ "projectId": PROJECT, "datasetId": "bench", "tableId": "events" }] } },
    })
}

/// The columns of a job's statement.
fn shown(id: &str) -> Value {
    fields(&COLUMNS.into_iter().filter(|(name, _)| *name != "email" || id.starts_with(MAIL)).collect::<Vec<_>>())
}

fn fields(columns: &[(&str, &str)]) -> Value {
    columns.iter().map(|(name, kind)| json!({ "name": name, "type": kind, "mode": "NULLABLE" })).collect()
}

fn rows(bytes: usize, row: fn(usize) -> String) -> String {
    let mut text = String::with_capacity(bytes + 256);
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(if number == 0 { "" } else { "," });
        text.push_str(&row(number));
    }
    text
}

/// As BigQuery writes it.
fn row(number: usize) -> String {
    written(cells(number).iter())
}

fn row_with_mail(number: usize) -> String {
    let (mut cells, mail) = (cells(number).to_vec(), mail(number));
    cells.insert(3, mail);
    written(cells.iter())
}

pub fn mail(number: usize) -> String {
    format!("{:010x}@canary.example", number.wrapping_mul(0x9e37_79b9) % (1 << 40))
}

fn written<'a>(cells: impl Iterator<Item = &'a String>) -> String {
    let cells: Vec<String> = cells.map(|cell| format!("{{\"v\":\"{cell}\"}}")).collect();
    format!("{{\"f\":[{}]}}", cells.join(","))
}

fn cells(number: usize) -> [String; 6] {
    [
        number.to_string(),
        format!("1.{:09}E9", 700_000_000 + number % 1_000_000),
        format!("acc-{:06}", number * 7919 % 500_000),
        "click".to_owned(),
        format!("{}.25", number % 10_000),
        format!("event {number} of kind {:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
    ]
}
