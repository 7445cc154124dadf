//! Masks that leave a part of a value: two warehouses whose labelled values differ in what is hidden and are the same in what is shown. A masked caller
//! is told the same by both.
//!
//! `SLUICE_DOOR_KEPT_COUNT` asks for more statements.

use crate::interference::CLEAR_SIGHTED_ONES;
use crate::pair::{Case, Hidden, Pair, STREAMED_STEP, Twins};
use crate::policies::Change;
use crate::pool::each;
use crate::twins::Tables;
use crate::world::World;
use sluice_model::Type;
use sluice_testkit::interference::clinic::{ClinicTable, TABLES};
use sluice_testkit::interference::generate::statement;
use sluice_testkit::interference::handmade;
use sluice_testkit::interference::value::Value;
use sluice_testkit::interference::variants::content;
use std::collections::BTreeMap;

/// The patterns of the starter set would lay a second mask on columns of these names.
const WITHOUT_PATTERNS: [Change; 2] = [
    ("columns = [\"*.*.*.ssn\", \"*.*.*.national_id\"]", "columns = [\"acme-prod.clinic.*.ssn\", \"acme-prod.staging.*.ssn\"]"),
    (
        "columns = [\"*.*.*.email\"]",
        "columns = [\"acme-prod.clinic.*.email\", \"acme-prod.shop.*.email\", \"acme-prod.staging.*.email\", \"acme-prod.bench.*.email\"]",
    ),
];
/// What hides text, and what leaves the year of a moment.
const MASKS: [Kept; 6] = [
    Kept { name: "last", mask: "last_four", part: Part::Last },
    Kept { name: "first", mask: "first_four", part: Part::First },
    Kept { name: "mail", mask: "email", part: Part::Domain },
    Kept { name: "tail", mask: "partial(last, 4, *)", part: Part::LastOfLength },
    Kept { name: "head", mask: "partial(first, 3, #)", part: Part::FirstOfLength },
    Kept { name: "year", mask: "date_year", part: Part::Year },
];
const MOMENTS: [(&str, &str); 3] = [("patients", "dob"), ("patients", "admitted_at"), ("visits", "at")];
/// In each variant what is hidden is another: turned and longer; the same in every row; a number.
const VARIANTS: usize = 3;
const PREFIXES: [&str; 10] = ["9", "05-", "zz", "A1b", "9", "100", "x", "77", "q", "05-"];
/// A partial mask shows how long a value is.
const HIDDEN_LETTERS: usize = 5;
const CALLER: &str = "support-agent";
const CLEAR_SIGHTED: &str = "analyst";
const GENERATED_COUNT: u64 = 24;
/// Of those that are written by hand one in so many.
const HANDMADE_STEP: usize = 16;
const ANSWERED_PERCENT_MIN: usize = 40;
/// Of all answers, those in which a part of a value is seen: without one nothing is compared.
const PARTS_PERCENT_MIN: usize = 20;
/// One in so many is asked by whoever sees clear.
const CLEAR_STEP: usize = 3;
const CLEAR_DIFFERENT_PERCENT_MIN: usize = 50;
const STREAMED_PERCENT_MIN: usize = 3;
/// Whole values in many places, where the mask of a label is what is shown. `{}` is a labelled column of `{t}`.
const WHOLE: [&str; 24] = [
    "SELECT id, {} AS x FROM {t} ORDER BY id",
    "SELECT * FROM {t} ORDER BY id",
    "SELECT AS STRUCT id, {} AS x FROM {t} ORDER BY id",
    "SELECT id, STRUCT({} AS x, id AS n) AS s FROM {t} ORDER BY id",
    "SELECT id, STRUCT(id, {}) AS s FROM {t} ORDER BY id",
    "SELECT id, [{}, {}] AS a FROM {t} WHERE id < 9 ORDER BY id",
    "SELECT id, ARRAY_CONCAT([COALESCE({}, NULL)], [{}]) AS a FROM {t} WHERE id < 9 ORDER BY id",
    "SELECT id, IF(id > 4, {}, NULL) AS x FROM {t} ORDER BY id",
    "SELECT id, CASE WHEN MOD(id, 2) = 0 THEN {} END AS x FROM {t} ORDER BY id",
    "SELECT id, COALESCE(NULL, {}) AS x FROM {t} ORDER BY id",
    "SELECT id, ANY_VALUE({}) AS x FROM {t} GROUP BY id ORDER BY id",
    "SELECT id, MAX({}) AS x FROM {t} GROUP BY id ORDER BY id",
    "SELECT ARRAY_AGG({} IGNORE NULLS ORDER BY id) AS a FROM {t}",
    "SELECT id, LAG({}) OVER (ORDER BY id) AS x FROM {t} ORDER BY id",
    "SELECT id, FIRST_VALUE({}) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS x FROM {t} ORDER BY id",
    "SELECT id, (SELECT o.{} FROM {t} AS o WHERE o.id = p.id + 1) AS x FROM {t} AS p ORDER BY id",
    "WITH w AS (SELECT id, {} AS x FROM {t}) SELECT w.id, w.x, o.x AS y FROM w, w AS o WHERE o.id = w.id + 1 ORDER BY w.id",
    "SELECT x FROM (SELECT {} AS x, id FROM {t} UNION ALL SELECT {} AS x, -id FROM {t}) ORDER BY id",
    "SELECT e FROM (SELECT ARRAY_AGG({} IGNORE NULLS ORDER BY id) AS a FROM {t} WHERE id < 8), UNNEST(a) AS e WITH OFFSET AS o ORDER BY o",
    "CREATE TEMP TABLE kept AS SELECT id, {} AS x FROM {t}; SELECT x, id FROM kept ORDER BY id",
    "DECLARE v ARRAY<STRUCT<n INT64>>; SELECT {} AS x, id FROM {t} ORDER BY id",
    "FROM {t} |> SELECT id, {} AS x |> ORDER BY id |> LIMIT 7",
    "SELECT id, x, y FROM {t} UNPIVOT (x FOR y IN ({})) ORDER BY id",
    "SELECT id, {} AS x, COUNT(*) OVER () AS n, TO_JSON_STRING({}) AS j FROM {t} ORDER BY id LIMIT 5",
];

#[derive(Clone, Copy)]
enum Part {
    Domain,
    First,
    FirstOfLength,
    Last,
    LastOfLength,
    Year,
}

#[derive(Clone, Copy)]
struct Kept {
    name: &'static str,
    mask: &'static str,
    part: Part,
}

impl Kept {
    fn hidden(self) -> Hidden {
        match self.part {
            Part::Year => Hidden { name: self.name, mask: self.mask, columns: MOMENTS.to_vec() },
            _ => Hidden::everywhere(self.name, self.mask),
        }
    }

    fn dataset(self, variant: usize) -> String {
        format!("{}_{variant}", self.name)
    }

    /// The clinic's tables. `variant` says what is hidden, everything else does not depend on it.
    fn content(self, variant: usize) -> Tables {
        let mut tables = content(0);
        for (table, (_, rows)) in TABLES.iter().zip(&mut tables) {
            let labelled = self.columns_of(table);
            for (number, row) in rows.iter_mut().enumerate() {
                for ((name, kind), value) in table.kinds().into_iter().zip(row) {
                    let inside: Vec<&[&str]> = labelled.iter().filter(|path| path[0] == name).map(|path| &path[1..]).collect();
                    for path in inside {
                        *value = self.replaced(&kind, value, path, variant, number);
                    }
                }
            }
        }
        tables
    }

    fn columns_of(self, table: &ClinicTable) -> Vec<Vec<&'static str>> {
        let columns = self.hidden().columns;
        columns.into_iter().filter(|(name, _)| *name == table.name).map(|(_, path)| path.split('.').collect()).collect()
    }

    fn replaced(self, kind: &Type, value: &Value, path: &[&str], variant: usize, row: usize) -> Value {
        match (kind, value) {
            (_, Value::Null) => Value::Null,
            (Type::Array(element), Value::List(values)) => {
                let each = values.iter().enumerate();
                Value::List(each.map(|(place, value)| self.replaced(element, value, path, variant, row + place)).collect())
            }
            (Type::Struct(fields), Value::Record(values)) => {
                let each = fields.iter().zip(values);
                let replaced = each.map(|(field, value)| match path.split_first() {
                    Some((first, rest)) if *first == field.name => self.replaced(&field.kind, value, rest, variant, row),
                    _ => value.clone(),
                });
                Value::Record(replaced.collect())
            }
            // No mask keeps a part of JSON.
            (Type::Json, _) => Value::Text(format!(r#"{{"k":"{}","n":{}}}"#, letters(variant, row), row * (variant + 1))),
            (_, Value::Text(text)) => Value::Text(self.text(text, variant, row)),
            (kind, value) => panic!("{value} of {kind}"),
        }
    }

    fn text(self, text: &str, variant: usize, row: usize) -> String {
        let letters = letters(variant, row);
        // Four letters of it, whatever it is.
        let shown: String = format!("0000{text}").chars().rev().take(4).collect();
        let filled = format!("{letters:_<HIDDEN_LETTERS$}");
        match self.part {
            Part::Domain => format!("{}@{}.example", letters.replace(|letter: char| !letter.is_ascii_alphanumeric(), "n"), host(&shown)),
            Part::First => format!("{shown}{letters}"),
            Part::FirstOfLength => format!("{shown}{filled}"),
            Part::Last => format!("{letters}{shown}"),
            Part::LastOfLength => format!("{filled}{shown}"),
            Part::Year => moment(text, variant, row),
        }
    }
}

fn host(shown: &str) -> String {
    shown.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { 'o' }).collect()
}

/// What is hidden of a value. In the first variant some rows have the same, some read as numbers, and their order is another than that of the second.
fn letters(variant: usize, row: usize) -> String {
    match variant {
        0 => PREFIXES[row % PREFIXES.len()].to_owned(),
        1 => format!("{}{}", PREFIXES[(row * 3 + 4) % PREFIXES.len()], row % 2),
        2 => "5".to_owned(),
        _ => format!("{}", 900 - 7 * row),
    }
}

/// The same year, as its calendar begins and ends in any zone.
fn moment(text: &str, variant: usize, row: usize) -> String {
    let (year, turn) = (text.split_at(4).0, row + variant * 5);
    let day = ["01-01", "12-31", "02-28", "07-04", "06-30", "10-09"][turn % 6];
    let hour = ["00:00:00", "23:59:59", "08:30:00", "12:00:00"][turn % 4];
    if text.len() > "2024-01-01".len() { format!("{year}-{day} {hour}+00") } else { format!("{year}-{day}") }
}

fn twins() -> Vec<Twins> {
    let of = |kept: Kept| {
        (1..=VARIANTS).map(move |variant| Twins { dataset: kept.dataset(variant), contents: [0, variant].map(|which| kept.content(which)) })
    };
    MASKS.into_iter().flat_map(of).collect()
}

/// Every text by masks, columns and variants by turns: by every second mask, or in a campaign by every one.
fn whole() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, text) in WHOLE.iter().enumerate() {
        for (turn, kept) in MASKS.into_iter().enumerate() {
            let columns: Vec<(&str, &str)> = kept
                .hidden()
                .columns
                .into_iter()
                .filter(|(table, path)| *table != "cards" && !path.contains('.') && *path != "phones" && *path != "notes")
                .collect();
            let (table, column) = columns[(number + turn) % columns.len()];
            let dataset = kept.dataset(1 + (number + turn) % VARIANTS);
            if count() == GENERATED_COUNT && (number + turn).is_multiple_of(2) {
                continue;
            }
            let text = text.replace("{}", column).replace("{t}", &format!("{dataset}.{table}"));
            let seed = (number * MASKS.len() + turn) as u64;
            cases.push(Case { seed, is_streamed: seed.is_multiple_of(STREAMED_STEP), mask: kept.mask, dataset, text });
        }
    }
    cases
}

fn of_clinic(seed: u64, text: &str) -> Case {
    let turn = usize::try_from(seed).unwrap();
    let kept = MASKS[turn % MASKS.len()];
    let dataset = kept.dataset(1 + turn / MASKS.len() % VARIANTS);
    let text = text.replace("clinic.", &format!("{dataset}."));
    Case { seed, is_streamed: seed.is_multiple_of(STREAMED_STEP), mask: kept.mask, dataset, text }
}

#[expect(clippy::disallowed_methods, reason = "a longer campaign is asked for by the environment")]
fn count() -> u64 {
    std::env::var("SLUICE_DOOR_KEPT_COUNT").map_or(GENERATED_COUNT, |text| text.parse().unwrap())
}

/// What a mask leaves, as an answer shows it.
fn shows_a_part(body: &str) -> bool {
    ["XXXXX", "*****", "######", "-01-01\\\"", "-01-01\""].iter().any(|mark| body.contains(mark))
}

#[test]
fn what_a_mask_leaves_tells_nothing_of_the_rest() {
    let hidden = MASKS.map(Kept::hidden);
    let pair = Pair::start("kept", &WITHOUT_PATTERNS, &hidden, &twins(), CLEAR_SIGHTED_ONES);
    let step = usize::try_from(GENERATED_COUNT * HANDMADE_STEP as u64 / count()).unwrap().max(1);
    let written = handmade::statements();
    let written = written.iter().zip(1_000_000..).step_by(step).map(|(made, seed)| of_clinic(seed, &made.text));
    let generated = (1..=count()).map(|seed| of_clinic(seed, &statement(seed, true).text));
    let mut cases: Vec<Case> = whole().into_iter().chain(generated).chain(written).collect();
    cases.sort_by_key(Case::neighbours);
    let (mut wrong, mut counts, mut streamed, mut parts) = (Vec::new(), BTreeMap::<(&str, u64), usize>::new(), 0, 0);
    for (case, [base, variant]) in cases.iter().zip(each(&cases, |case| pair.ask(CALLER, case))) {
        let status = base["status"].as_u64().unwrap();
        *counts.entry((case.mask, status)).or_default() += 1;
        streamed += usize::from(base["streams"]["rows"].as_array().is_some_and(|rows| !rows.is_empty()));
        parts += usize::from(shows_a_part(base["body"].as_str().unwrap()));
        if base != variant {
            wrong.push(format!("seed {} under {} in {}: {}\n  {base}\n  {variant}", case.seed, case.mask, case.dataset, case.text));
        }
    }
    pair.worlds.iter().for_each(World::take_over_log);
    println!("{} statements, by mask and status: {counts:?}; {parts} show parts, {streamed} read as streams too", cases.len());
    let some: Vec<&Case> = cases.iter().step_by(CLEAR_STEP).collect();
    let sighted = each(&some, |case| pair.ask(CLEAR_SIGHTED, case));
    let clear = sighted.iter().filter(|[base, variant]| base != variant).count();
    println!("{clear} of {} differ for whoever sees clear", some.len());
    let answered: usize = counts.iter().filter(|((_, status), _)| *status == 200).map(|(_, count)| count).sum();
    let failed: Vec<_> = counts.keys().filter(|(_, status)| *status >= 500 && *status != 501).collect();
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(clear * 100 >= some.len() * CLEAR_DIFFERENT_PERCENT_MIN, "the comparison does not bite: {clear} of {}", some.len());
    assert!(parts * 100 >= cases.len() * PARTS_PERCENT_MIN, "{parts} of {} show a part", cases.len());
    assert!(streamed * 100 >= cases.len() * STREAMED_PERCENT_MIN, "{streamed} read as streams");
    assert!(answered * 100 >= cases.len() * ANSWERED_PERCENT_MIN && failed.is_empty(), "{answered} of {}, {failed:?}", cases.len());
}

/// Otherwise the test above would compare two of the same, or two that may differ.
#[test]
fn twins_differ_in_what_is_hidden_alone() {
    let base = MASKS.map(|kept| kept.content(0));
    for (kept, base) in MASKS.into_iter().zip(&base) {
        for variant in 1..=VARIANTS {
            let other = kept.content(variant);
            assert_ne!(&other, base, "{} {variant}", kept.name);
            for ((name, one), (_, rows)) in base.iter().zip(&other) {
                let same = one.iter().flatten().zip(rows.iter().flatten()).filter(|(one, other)| one == other).count();
                assert!(same * 2 > one.iter().flatten().count() && one.len() == rows.len(), "{} {name}", kept.name);
            }
        }
    }
    let shown = |part: Part, text: &str| {
        let kept = Kept { name: "", mask: "", part };
        (0..=VARIANTS).map(|variant| kept.text(text, variant, 3)).collect::<Vec<String>>()
    };
    let all = |values: &[String], same: &dyn Fn(&String) -> String| {
        assert!(values.iter().skip(1).all(|value| same(value) == same(&values[0]) && *value != values[0]), "{values:?}");
    };
    all(&shown(Part::Last, "205"), &|value| value.split_at(value.len() - 4).1.to_owned());
    all(&shown(Part::First, "205"), &|value| value.split_at(4).0.to_owned());
    all(&shown(Part::Domain, "ann@a.org"), &|value| value.split('@').nth(1).unwrap().to_owned());
    all(&shown(Part::LastOfLength, "205"), &|value| format!("{}{}", value.len(), value.split_at(value.len() - 4).1));
    all(&shown(Part::FirstOfLength, "205"), &|value| format!("{}{}", value.len(), value.split_at(3).0));
    all(&shown(Part::Year, "2024-05-02 10:00:00+00"), &|value| value.split_at(4).0.to_owned());
}
