//! Streams of the Storage API, opened by a caller who may see nothing that is labelled: over results of every attempt of the evasion suite, over labelled
//! tables by every choice of columns, and with conditions that would tell.

use crate::attempts::{self, Attempt};
use crate::canaries::Canaries;
use crate::evasion::masked_marks;
use crate::policies::{WITHOUT_LIMITS, starter_with};
use crate::pool::each;
use crate::storage_wire::{FORMS, Storage, options, session};
use crate::streamed::{Look, table_of};
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tonic::Code;

const CALLER: &str = "support-agent";
/// Below these the suite would mostly show that everything is refused.
const RESULTS_MIN: usize = 800;
const RESULTS_MASKED_PERCENT_MIN: usize = 80;
const PICKED_PERCENT_MIN: usize = 75;
const LABELLED: [(&str, &str); 6] = [
    ("clinic", "cards"),
    ("clinic", "patients"),
    ("clinic", "visits"),
    ("shop", "customers"),
    ("staging", "raw_patients"),
    ("staging", "raw_visits"),
];
/// Columns of these with a label, or with one inside.
const HIDDEN: [&str; 8] = ["address", "contacts", "credit_card", "diagnosis", "email", "notes", "phones", "ssn"];
/// With more, not every subset is asked.
const SUBSETS_PATHS_MAX: usize = 6;
/// Names nothing that is labelled.
const CLEAR: &str = "ward = 'A' AND id > 3";
/// Over `clinic.patients`.
const INJECTED: [&str; 35] = [
    "`ssn` > '5'",
    "patients.ssn > '5'",
    "clinic.patients.ssn > '5'",
    "`acme-prod`.clinic.patients.ssn > '5'",
    "`acme-prod.clinic.patients`.ssn > '5'",
    "SSN > '5'",
    "(SELECT ssn) > '5'",
    "EXISTS(SELECT 1 FROM UNNEST([ssn]) AS x WHERE x > '5')",
    "(SELECT MAX(ssn) FROM clinic.patients) > '5'",
    "id IN (SELECT id FROM clinic.patients WHERE ssn > '5')",
    "IF(ssn > '5', ERROR(ssn), TRUE)",
    "ERROR(ssn)",
    "CAST(ssn AS INT64) > 0",
    "1 / (LENGTH(ssn) - 11) > 0",
    "CASE WHEN ssn > '5' THEN TRUE ELSE ERROR('no') END",
    "TO_JSON_STRING(patients) LIKE '%9%'",
    "TO_JSON(patients) IS NULL",
    "FORMAT('%T', patients) LIKE '%9%'",
    "LENGTH(FORMAT('%t', (SELECT AS STRUCT patients.*))) > 0",
    "TRUE) UNION ALL SELECT 1 FROM clinic.patients WHERE (ssn > '5'",
    "TRUE)) UNION ALL (SELECT 1 FROM clinic.cards WHERE (TRUE",
    "TRUE) OR (ssn > '5'",
    "TRUE][OFFSET(0)] OR [ssn > '5'",
    "TRUE] [SAFE_OFFSET(0)] AND [TRUE",
    "TRUE -- ) AND\n) OR (ssn > '5'",
    "TRUE /* ) */ ) OR (ssn > '5'",
    "TRUE # \n) UNION ALL SELECT 1 FROM clinic.cards WHERE (TRUE",
    "'''\n) OR (ssn > '5' OR '''' = ''",
    "TRUE; SELECT ssn FROM clinic.patients",
    "TRUE; DROP TABLE clinic.patients",
    "TRUE GROUP BY 1 HAVING MAX(ssn) > '5'",
    "TRUE ORDER BY ssn",
    "TRUE QUALIFY RANK() OVER (ORDER BY ssn) < 3",
    "TRUE LIMIT 1",
    "@@error.message = ssn",
];

/// One table of rows, read by the Storage API.
pub struct Streamed {
    name: String,
    /// `read`, or the code of what came instead.
    outcome: String,
    mark: String,
    rows: usize,
    messages: usize,
    sessions: usize,
    /// In what it is another than REST's.
    differs: Option<String>,
}

/// The tables that a statement's rows lie in, as streams: by turns in each form, in several streams, split, from a row on, and by one column alone.
pub fn by_streams(world: &World, canaries: &Canaries, number: usize, attempt: &Attempt, begun: &Answer) -> (Vec<Streamed>, Vec<String>) {
    let job = begun.json()["jobReference"]["jobId"].as_str().map(str::to_owned);
    let Some(job) = job.filter(|_| begun.status == 200) else { return Default::default() };
    let get = |path: &str| world.call(CALLER, "GET", &format!("{API}/{path}"), None);
    let described = get(&format!("jobs/{job}?location=US"));
    let rest = get(&format!("queries/{job}?location=US&maxResults=100000&formatOptions.useInt64Timestamp=true"));
    let mut answers = vec![described.clone(), rest.clone()];
    let own: Vec<(String, String)> = table_of(&described.json()).into_iter().collect();
    // A script has no table. Its parts have some with BigQuery, and none with the embedded warehouse.
    let tables = if own.is_empty() {
        let parts = get(&format!("jobs?parentJobId={job}&projection=full"));
        answers.push(parts.clone());
        parts.json()["jobs"].as_array().into_iter().flatten().filter_map(table_of).collect()
    } else {
        own.clone()
    };
    let expect = rest.json()["rows"].as_array().cloned().filter(|_| rest.status == 200 && !own.is_empty());
    let mut leaks: Vec<String> = answers.iter().filter_map(|answer| canaries.find_in(answer)).collect();
    let mut streams = Vec::new();
    for (dataset, table) in tables {
        let mut look = Look::new(Storage::of(world, CALLER), canaries);
        let read = read_by_turns(&mut look, number, &dataset, &table);
        let (outcome, rows) = match &read {
            Ok(rows) => ("read".to_owned(), rows.len()),
            Err(status) => (format!("{:?}: {}", status.code(), status.message().split(". Quote").next().unwrap_or_default()), 0),
        };
        let other =
            |rows: &Vec<Value>| expect.as_ref().filter(|expect| *expect != rows).map(|expect| format!("{rows:?} is not {expect:?}"));
        let differs = read.as_ref().ok().and_then(other);
        leaks.append(&mut look.leaks);
        let name = format!("{}: {}", attempt.name, attempt.statement);
        streams.push(Streamed { name, outcome, mark: look.mark(), rows, messages: look.messages, sessions: look.sessions, differs });
    }
    (streams, leaks)
}

fn read_by_turns(look: &mut Look<'_>, number: usize, dataset: &str, table: &str) -> Result<Vec<Value>, tonic::Status> {
    let form = FORMS[number % FORMS.len()];
    let mut request = session(dataset, table, form);
    request.max_stream_count = i32::try_from(1 + number / 4 % 3).unwrap();
    let opened = look.create(&request)?;
    let mut all = Vec::new();
    for stream in &opened.streams {
        all.extend(look.rows(&opened, &stream.name, 0)?);
    }
    if number.is_multiple_of(3)
        && let Some(stream) = opened.streams.first()
    {
        look.rows(&opened, &stream.name, 1)?;
        for half in look.split(&stream.name, 0.5)?.into_iter().flatten() {
            look.rows(&opened, &half, 0)?;
        }
    }
    Ok(all)
}

/// Says what was read in streams, and gives what is wrong with it.
pub fn judged_streams<'a>(streams: impl Iterator<Item = &'a Streamed>, masked: &BTreeSet<&str>) -> Vec<String> {
    let all: Vec<&Streamed> = streams.collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    all.iter().for_each(|streamed| *counts.entry(&streamed.outcome).or_default() += 1);
    let sum = |figure: fn(&Streamed) -> usize| all.iter().map(|streamed| figure(streamed)).sum::<usize>();
    let (sessions, messages, rows) = (sum(|one| one.sessions), sum(|one| one.messages), sum(|one| one.rows));
    let hidden = all.iter().filter(|streamed| masked.contains(streamed.mark.as_str())).count();
    println!("{sessions} sessions over results, {messages} messages, {rows} rows, {hidden} with masked cells, by outcome: {counts:#?}");
    let differs = all.iter().filter_map(|streamed| Some(format!("{}: by streams {}", streamed.name, streamed.differs.as_ref()?)));
    let mut wrong: Vec<String> = differs.collect();
    wrong.extend((sessions < RESULTS_MIN).then(|| format!("{sessions} sessions")));
    wrong.extend((hidden * 100 < sessions * RESULTS_MASKED_PERCENT_MIN).then(|| format!("{hidden} of {sessions} sessions masked")));
    wrong
}

/// Paths of columns that a session can pick, those inside of records among them.
fn paths_of(fields: &Value) -> Vec<String> {
    let name = |field: &Value| field["name"].as_str().unwrap().to_owned();
    let inner = |field: &Value| {
        let inside = field["fields"].as_array().cloned().unwrap_or_default();
        inside.iter().map(|inner| format!("{}.{}", name(field), name(inner))).collect::<Vec<_>>()
    };
    fields.as_array().unwrap().iter().flat_map(|field| [vec![name(field)], inner(field)].concat()).collect()
}

/// Every subset where there are few paths; else none, one, two, all of them.
fn combinations(paths: &[String]) -> Vec<Vec<String>> {
    let count = paths.len();
    let picked = |bits: usize| paths.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1).map(|(_, path)| path.clone()).collect();
    let is_taken = |bits: &usize| count <= SUBSETS_PATHS_MAX || bits.count_ones() <= 2 || bits.count_ones() as usize == count;
    (0..1_usize << count).filter(is_taken).map(picked).collect()
}

/// Columns of a labelled table.
struct Choice {
    table: (&'static str, &'static str),
    /// All of the table, in its order.
    columns: Vec<String>,
    fields: Vec<String>,
}

struct Picked {
    what: String,
    /// Nothing where it was refused.
    rows: Option<usize>,
    mark: String,
    wrong: Vec<String>,
}

impl Choice {
    fn all_of(world: &World) -> Vec<Choice> {
        let mut all = Vec::new();
        for table in LABELLED {
            let described = world.direct("GET", &format!("{API}/datasets/{}/tables/{}", table.0, table.1), None).json();
            let fields = &described["schema"]["fields"];
            let columns: Vec<String> = fields.as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect();
            let mut choices = combinations(&paths_of(fields));
            if table.1 == "patients" {
                choices.extend(["SSN", "Address.Street", "CONTACTS.phone"].map(|path| vec![path.to_owned()]));
                choices.push(vec!["address".to_owned(), "address.street".to_owned(), "id".to_owned()]);
            }
            all.extend(choices.into_iter().map(|fields| Choice { table, columns: columns.clone(), fields }));
        }
        all
    }

    /// Whether the column at this place of a row is without a label.
    fn is_clear(&self, place: usize) -> bool {
        let is_picked = |name: &&String| {
            self.fields.is_empty() || self.fields.iter().any(|path| path.split('.').next().unwrap().eq_ignore_ascii_case(name))
        };
        let name = self.columns.iter().filter(is_picked).nth(place).unwrap();
        !HIDDEN.contains(&name.as_str())
    }

    fn clear(&self, rows: &[Value]) -> Vec<Value> {
        let cells = |row: &Value| {
            let cells = row["f"].as_array().unwrap().iter().enumerate();
            cells.filter(|(place, _)| self.is_clear(*place)).map(|(_, cell)| cell.clone()).collect::<Value>()
        };
        rows.iter().map(cells).collect()
    }

    fn pick(&self, world: &World, canaries: &Canaries, number: usize) -> Picked {
        let (form, (dataset, table)) = (FORMS[number % FORMS.len()], self.table);
        let mut request = session(dataset, table, form);
        options(&mut request).selected_fields.clone_from(&self.fields);
        request.max_stream_count = i32::try_from(1 + number % 2).unwrap();
        let what = format!("{form:?} {dataset}.{table} {:?}", self.fields);
        let mut look = Look::new(Storage::of(world, CALLER), canaries);
        let read = look.whole(&request);
        let mut wrong: Vec<String> = look.leaks.iter().map(|leak| format!("{what}: {leak}")).collect();
        if let Ok(rows) = &read {
            let (_, real) = Storage::direct(world).open(request);
            let is_same = rows.len() == real.len() && self.clear(rows) == self.clear(&real);
            wrong.extend((!is_same).then(|| format!("{what}: columns without a label are not the warehouse's")));
        }
        Picked { what, rows: read.ok().map(|rows| rows.len()), mark: look.mark(), wrong }
    }
}

/// Whatever columns are picked of a labelled table, in whatever form: what has no label is the warehouse's, of the rest nothing is seen.
#[test]
fn no_choice_of_columns_shows_what_is_labelled() {
    let policy = starter_with(&WITHOUT_LIMITS);
    let world = World::start_unpaced("streams-columns", policy.path());
    let canaries = Canaries::of(&world);
    let choices: Vec<(usize, Choice)> = Choice::all_of(&world).into_iter().enumerate().collect();
    let picked = each(&choices, |(number, choice)| choice.pick(&world, &canaries, *number));
    let wrong: Vec<&str> = picked.iter().flat_map(|one| one.wrong.iter().map(String::as_str)).collect();
    assert!(wrong.is_empty(), "{} findings\n{}", wrong.len(), wrong.join("\n"));
    let evidence = world.finish();
    let masked = masked_marks(&evidence.records);
    let read = picked.iter().filter(|one| one.rows.is_some_and(|rows| rows > 0)).count();
    let hidden = picked.iter().filter(|one| masked.contains(one.mark.as_str())).count();
    println!("{} choices of columns, {read} read, {hidden} of them with masked cells", picked.len());
    let refused: Vec<&str> = picked.iter().filter(|one| one.rows.is_none()).map(|one| one.what.as_str()).collect();
    assert!(refused.iter().all(|what| what.contains("credit_card") || what.ends_with("cards []")), "{refused:?}");
    assert!(read * 100 >= picked.len() * PICKED_PERCENT_MIN && hidden * 2 > read, "{read} of {}, {hidden} masked", picked.len());
}

/// A condition over a labelled table, and what its refusal must say; of some it is only known that they are refused.
struct Condition {
    table: (&'static str, &'static str),
    text: String,
    expect: Option<String>,
}

/// Those of the predicates that are refused over REST that fit, as they are and inside of others.
fn conditions() -> Vec<Condition> {
    let mut all = Vec::new();
    for predicate in attempts::predicates().iter().filter(|predicate| predicate.clause == "filter") {
        let parts = predicate.statement.strip_prefix("SELECT id FROM ").and_then(|rest| rest.split_once(" WHERE "));
        let Some((table, condition)) = parts.filter(|(table, _)| !table.contains([' ', '('])) else { continue };
        let expect = format!("deciding rows by column {} (filter)", predicate.column);
        for (before, behind) in [("", ""), ("id > 0 AND (", ")"), ("/* x */ (", ") -- y"), ("id < 0 OR NOT (", ")")] {
            let expect = (!condition.contains("SELECT")).then(|| expect.clone());
            all.push(Condition { table: table.split_once('.').unwrap(), text: format!("{before}{condition}{behind}"), expect });
        }
    }
    all
}

impl Condition {
    fn ask(&self, world: &World, canaries: &Canaries) -> Vec<String> {
        let Condition { table: (dataset, table), text, expect } = self;
        let mut look = Look::new(Storage::of(world, CALLER), canaries);
        let mut request = session(dataset, table, FORMS[text.len() % FORMS.len()]);
        options(&mut request).selected_fields = vec!["id".to_owned()];
        options(&mut request).row_restriction.clone_from(text);
        let status = look.whole(&request).err();
        let is_refused = status.as_ref().is_some_and(|status| match expect {
            Some(expect) => status.code() == Code::PermissionDenied && status.message().contains(expect),
            None => [Code::PermissionDenied, Code::InvalidArgument].contains(&status.code()),
        });
        let mut wrong: Vec<String> = look.leaks.iter().map(|leak| format!("{text}: {leak}")).collect();
        wrong.extend((!is_refused).then(|| format!("{dataset}.{table} {text}: {status:?}, and not {expect:?}")));
        wrong
    }
}

#[test]
fn no_restriction_tells_of_what_is_labelled() {
    let policy = starter_with(&WITHOUT_LIMITS);
    let world = World::start_unpaced("streams-restrictions", policy.path());
    let canaries = Canaries::of(&world);
    let mut asked = conditions();
    let count = asked.len();
    let injected = INJECTED.iter().map(|text| Condition { table: ("clinic", "patients"), text: (*text).to_owned(), expect: None });
    asked.extend(injected);
    let wrong: Vec<String> = each(&asked, |condition| condition.ask(&world, &canaries)).concat();
    println!("{count} conditions over labelled columns, {} texts that are more than one", INJECTED.len());
    assert!(count > 60 && wrong.is_empty(), "{} of {}\n{}", wrong.len(), asked.len(), wrong.join("\n"));
    // What names nothing labelled is served: it was not the door that was shut.
    let mut request = session("clinic", "patients", FORMS[0]);
    options(&mut request).row_restriction = CLEAR.to_owned();
    let mut look = Look::new(Storage::of(&world, CALLER), &canaries);
    assert!(!look.whole(&request).unwrap().is_empty() && look.leaks.is_empty());
    let log = world.warehouse_log();
    let sent = log.iter().filter(|entry| entry["target"].as_str().unwrap_or_default().ends_with("CreateReadSession"));
    let sent: Vec<&str> = sent.map(|entry| entry["body"].as_str().unwrap()).filter(|body| !body.contains(CLEAR)).collect();
    assert!(sent.is_empty(), "restrictions that are refused were sent: {sent:?}");
    world.finish();
}
