//! Two warehouses that differ only in labelled values, a gateway in front of each: what both say of one statement.

use crate::policies::{Change, WITHOUT_LIMITS, starter_with};
use crate::storage_wire::{FORMS, Storage, bytes, rows, session};
use crate::streamed::table_of;
use crate::talk::Answer;
use crate::twins::{Tables, fill};
use crate::world::{API, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use sluice_testkit::interference::clinic::{TABLES, VIEW};
use std::fmt::Write as _;

/// What policy permits of a labelled column, a masked caller may learn: agents count values.
const WITHOUT_COUNTS: Change = (
    "permit (principal is Agent, action == Action::\"count\", resource);",
    "permit (principal is Agent, action == Action::\"connect\", resource);",
);
/// Of one statement in so many the rows are read as streams, too.
pub const STREAMED_STEP: u64 = 8;

/// A mask, and what the label is called that lies it on columns; so begin the names of the datasets that have it.
pub struct Hidden {
    pub name: &'static str,
    pub mask: &'static str,
    /// Tables and paths.
    pub columns: Vec<(&'static str, &'static str)>,
}

impl Hidden {
    /// On everything that is labelled in the test kit's clinic.
    pub fn everywhere(name: &'static str, mask: &'static str) -> Hidden {
        let base = TABLES.iter().filter(|table| table.name != VIEW.0);
        let columns = base.flat_map(|table| table.labelled.iter().map(|path| (table.name, *path))).collect();
        Hidden { name, mask, columns }
    }

    fn label(&self) -> String {
        let Hidden { name, mask, columns } = self;
        let columns: Vec<String> = columns.iter().map(|(table, path)| format!("\"acme-prod.{name}_*.{table}.{path}\"")).collect();
        format!("\n[labels.{name}]\nmask = \"{mask}\"\nreason = \"hides what differs\"\ncolumns = [{}]\n", columns.join(", "))
    }
}

/// A dataset of both warehouses.
pub struct Twins {
    pub dataset: String,
    pub contents: [Tables; 2],
}

pub struct Case {
    pub seed: u64,
    /// Its rows are read as streams, too.
    pub is_streamed: bool,
    pub mask: &'static str,
    pub dataset: String,
    pub text: String,
}

impl Case {
    /// Statements over the same tables come one behind the other: the engine builds all of its functions anew for tables that it does not remember,
    /// which takes longer than a statement.
    pub fn neighbours(&self) -> (String, Vec<bool>, u64) {
        let names = TABLES.iter().map(|table| self.text.contains(&format!("{}.{}", self.dataset, table.name)));
        (self.dataset.clone(), names.collect(), self.seed)
    }
}

pub struct Pair {
    pub worlds: [World; 2],
}

impl Pair {
    /// Whoever is `clear_sighted` sees what is hidden, so that the comparison is known to bite.
    pub fn start(name: &str, changes: &[Change], hidden: &[Hidden], twins: &[Twins], clear_sighted: &str) -> Pair {
        let policy = starter_with(&[&[WITHOUT_COUNTS], changes, &WITHOUT_LIMITS[..]].concat());
        let labels = policy.path().join("labels.toml");
        let text = hidden.iter().fold(std::fs::read_to_string(&labels).unwrap(), |text, hidden| text + &hidden.label());
        std::fs::write(&labels, text).unwrap();
        std::fs::write(policy.path().join("clear.cedar"), clear_sight(hidden, clear_sighted)).unwrap();
        let worlds = ["base", "variant"].map(|side| World::start_unpaced(&format!("{name}-{side}"), policy.path()));
        for (world, position) in worlds.iter().zip(0..) {
            for twins in twins {
                fill(world, &twins.dataset, &twins.contents[position]);
            }
        }
        Pair { worlds }
    }

    /// What both say, as far as it may be compared.
    pub fn ask(&self, caller: &str, case: &Case) -> [Json; 2] {
        let mut answers = self.worlds.each_ref().map(|world| ask(world, caller, case));
        // A call is held for ten seconds at most: what took longer in one of them is asked for in both.
        if answers.iter().any(|answer| answer.status == 200 && answer.json()["jobComplete"] == false) {
            answers = [0, 1].map(|side| ended(&self.worlds[side], caller, &answers[side]));
        }
        [0, 1].map(|side| {
            let (world, answer) = (&self.worlds[side], &answers[side]);
            let mut said = told(answer);
            if case.is_streamed && answer.status == 200 {
                said["streams"] = streamed(world, caller, case, answer);
            }
            said
        })
    }
}

fn clear_sight(hidden: &[Hidden], who: &str) -> String {
    let mut labels = String::new();
    for hidden in hidden {
        write!(labels, "{}Label::\"{}\"", if labels.is_empty() { "" } else { ", " }, hidden.name).unwrap();
    }
    format!(
        "@id(\"clear-sight\")\n@reason(\"sees what the masks of this test hide\")\npermit ({who}, \
         action in [Action::\"see\", Action::\"decide_by\"], resource)\nwhen {{ resource in [{labels}] }};\n"
    )
}

fn ask(world: &World, caller: &str, case: &Case) -> Answer {
    let body = json!({
        "query": case.text,
        "useLegacySql": false,
        "timeoutMs": 20_000,
        "defaultDataset": { "projectId": "acme-prod", "datasetId": case.dataset },
    });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// The rows of a job that was begun, when they are there.
fn ended(world: &World, caller: &str, begun: &Answer) -> Answer {
    let Some(job) = begun.json()["jobReference"]["jobId"].as_str().map(str::to_owned) else { return begun.clone() };
    loop {
        let answer = world.call(caller, "GET", &format!("{API}/queries/{job}?location=US"), None);
        if answer.status != 200 || answer.json()["jobComplete"] != false {
            return answer;
        }
    }
}

/// What a client is told that reads the result by the Storage API: its schema, its messages as they came, and its cells.
fn streamed(world: &World, caller: &str, case: &Case, answer: &Answer) -> Json {
    let job = answer.json()["jobReference"]["jobId"].as_str().unwrap_or_default().to_owned();
    let described = world.call(caller, "GET", &format!("{API}/jobs/{job}?location=US"), None);
    let Some((dataset, table)) = table_of(&described.json()) else { return Json::Null };
    let (storage, form) = (Storage::of(world, caller), FORMS[usize::try_from(case.seed / STREAMED_STEP).unwrap() % FORMS.len()]);
    let read = storage.create(session(&dataset, &table, form)).and_then(|opened| {
        let messages = opened.streams.iter().map(|stream| storage.messages(&stream.name, 0)).collect::<Result<Vec<_>, _>>()?.concat();
        Ok((opened, messages))
    });
    let (opened, messages) = match read {
        Ok(read) => read,
        Err(status) => return json!({ "code": format!("{:?}", status.code()), "message": without_ids(status.message()) }),
    };
    let cells = json!(rows(&opened, &messages));
    let packed: Vec<String> = messages.iter().map(|message| STANDARD.encode(bytes(message))).collect();
    json!({ "rows": cells, "schema": format!("{:?}", opened.schema), "count": opened.estimated_row_count,
        "bytes": opened.estimated_total_bytes_scanned, "messages": packed })
}

/// Without ids and times. Every count of bytes stays: where a labelled column can be counted it is told by steps, and elsewhere exactly.
fn told(answer: &Answer) -> Json {
    let mut body = answer.json();
    for name in ["jobReference", "queryId", "creationTime", "startTime", "endTime", "totalSlotMs"] {
        body.as_object_mut().unwrap().remove(name);
    }
    json!({ "status": answer.status, "body": without_ids(&body.to_string()) })
}

fn without_ids(told: &str) -> String {
    let mut parts = told.split("Quote `");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('`').map_or(part, |(_, rest)| rest));
    rest.fold(first, |all, part| all + "Quote it" + part)
}
