//! `sluice labels import`: a list of columns with their labels, or the policy tags of a catalog. One act of a person, on record.

use super::{Responsible, UNCHECKED, column, failure, labels_in_force, open, say};
use crate::command::{EXIT_REFUSED, Failure};
use crate::{catalog_folder, configuration};
use clap::Args;
use serde_json::{Value, json};
use sluice_model::ColumnPath;
use sluice_store::{KeptLabels, Labelling, Origin};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const BYTE_ORDER_MARK: char = '\u{feff}';
const LIST_BYTES_MAX: u64 = 4 << 20;
/// In one act: its record names each of them.
const COLUMNS_AT_ONCE_MAX: usize = 1_000;

/// Put labels on the columns of a list, or take over BigQuery's policy tags.
///
/// A list is CSV (`column,label` in each line), JSON (`[{"column": .., "label": ..}]`) or TOML (`[[columns]]` with `column` and `label`), told by
/// the end of its name. It is taken whole or not at all. What a column has already is left out. A running gateway holds to it within a second,
/// and puts it on record.
///
/// Each column is named in full: patterns (`*`) stand in labels.toml. Whether a column is there is not checked, for it may come later.
///
/// With --catalog the policy tags of the tables in a folder count from now on, as if the gateway had seen them.
///
/// Exit code 0: it is so. 2: the list is wrong, and nothing has changed. 1: it could not be done.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice labels import columns.csv --config /etc/sluice --by ana --reason 'the data catalogue of November'
  sluice labels import --catalog exported --config /etc/sluice --by ana --reason 'tags of the old project'")]
pub struct Import {
    /// The list
    #[arg(value_name = "FILE", required_unless_present = "catalog", conflicts_with = "catalog")]
    list: Option<PathBuf>,
    /// A folder of table resources, as `tables.get` returns them, one JSON file each
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// The columns hold what was computed from such values: no part of it is shown to whoever may not see them
    #[arg(long, conflicts_with = "catalog")]
    computed: bool,
    #[command(flatten)]
    responsible: Responsible,
}

pub fn run(asked: &Import) -> Result<ExitCode, Failure> {
    let responsible = &asked.responsible;
    let configuration = configuration::read_sound(&responsible.config)?;
    let file = open(&configuration)?;
    let kept = file.current().map_err(|fault| failure(&fault))?;
    let (found, is_tagged) = match (&asked.list, &asked.catalog) {
        (Some(list), _) => match read(list, &labels_in_force(&configuration)?)? {
            Ok(found) => (found, false),
            Err(problems) => {
                let text = format!("refused, nothing has changed:\n  {}", problems.join("\n  "));
                say(responsible.said.json, &json!({ "refused": problems }), &text);
                return Ok(ExitCode::from(EXIT_REFUSED));
            }
        },
        (None, Some(folder)) => (catalog_folder::policy_tags(folder)?, true),
        (None, None) => return Err(Failure::new("neither a list nor a catalog")),
    };
    let count = found.len();
    let fresh = without_known(found, &kept, is_tagged, asked.computed);
    let at = super::now();
    for part in fresh.chunks(COLUMNS_AT_ONCE_MAX) {
        let (by, reason) = (responsible.said.by.clone(), responsible.said.reason.clone());
        let origin = if is_tagged { Origin::TagsImported { by, reason } } else { Origin::Imported { by, reason } };
        file.add(&Labelling { origin, computed: asked.computed, at, columns: part.to_vec() }).map_err(|fault| failure(&fault))?;
    }
    let (record, code) = responsible.record(&file, !fresh.is_empty());
    let columns: Vec<Value> = fresh.iter().map(|(column, label)| json!({ "column": column.to_string(), "label": label })).collect();
    let value = json!({ "imported": columns, "had_already": count - fresh.len(), "tags": is_tagged, "columns_checked": is_tagged, "at": at, "record": record });
    let what = if is_tagged { "policy tags" } else { "labels" };
    let unchecked = if is_tagged || fresh.is_empty() { String::new() } else { format!("\n{UNCHECKED}") };
    let text = format!("{} {what} imported, {} were there already{unchecked}\n{record}", fresh.len(), count - fresh.len());
    say(responsible.said.json, &value, &text);
    Ok(code)
}

fn without_known(found: Vec<(ColumnPath, String)>, kept: &KeptLabels, is_tagged: bool, computed: bool) -> Vec<(ColumnPath, String)> {
    let written = |(column, label): &(ColumnPath, String)| (column.to_string().to_lowercase(), label.clone());
    let is_tag = |origin: &Origin| matches!(origin, Origin::Tagged | Origin::TagsImported { .. });
    let same = kept.labellings().iter().filter(|labelling| is_tag(&labelling.origin) == is_tagged && (labelling.computed || !computed));
    let mut known: BTreeSet<(String, String)> = same.flat_map(|labelling| labelling.columns.iter().map(written)).collect();
    found.into_iter().filter(|entry| known.insert(written(entry))).collect()
}

/// Columns with their labels, or every problem at once.
type List = Result<Vec<(ColumnPath, String)>, Vec<String>>;

fn read(path: &Path, known: &[String]) -> Result<List, Failure> {
    let failed = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > LIST_BYTES_MAX {
        return Err(failed(format!("the list has {size} bytes, more than {LIST_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    // Spreadsheets begin a file so.
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let entries = match path.extension().and_then(|end| end.to_str()) {
        Some("csv") => csv(text),
        Some("json") => json(text),
        Some("toml") => toml(text),
        _ => Err("a list ends in .csv, .json or .toml".to_owned()),
    };
    let entries = match entries {
        Ok(entries) => entries,
        Err(problem) => return Ok(Err(vec![format!("{}: {problem}", path.display())])),
    };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (place, name, label) in entries {
        let said = column(&name);
        if !known.contains(&label) {
            problems.push(format!("{place}: `{}` is no label of the policy set in force", label.escape_debug()));
        }
        match said {
            Ok(column) => found.push((column, label)),
            Err(problem) => problems.push(format!("{place}: {problem}")),
        }
    }
    Ok(if problems.is_empty() { Ok(found) } else { Err(problems) })
}

/// Where it stands, the column, the label.
type Entries = Result<Vec<(String, String, String)>, String>;

fn csv(text: &str) -> Entries {
    let plain = |field: &str| field.trim().trim_matches('"').to_owned();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let lines = lines.filter(|(number, line)| !(*number == 0 && line.replace([' ', '"'], "").eq_ignore_ascii_case("column,label")));
    let entry = |(number, line): (usize, &str)| match line.split(',').map(plain).collect::<Vec<_>>().as_slice() {
        [column, label] => Ok((format!("line {}", number + 1), column.clone(), label.clone())),
        _ => Err(format!("line {}: it is not `column,label`", number + 1)),
    };
    lines.map(entry).collect()
}

fn json(text: &str) -> Entries {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    listed(value.as_array().map(Vec::as_slice).ok_or("it is no list")?)
}

fn toml(text: &str) -> Entries {
    let value: Value = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    listed(value.get("columns").and_then(Value::as_array).map(Vec::as_slice).ok_or("it has no [[columns]]")?)
}

fn listed(entries: &[Value]) -> Entries {
    let entry = |(number, entry): (usize, &Value)| {
        let field = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let place = format!("entry {}", number + 1);
        match (field("column"), field("label")) {
            (Some(column), Some(label)) => Ok((place, column, label)),
            _ => Err(format!("{place}: it has no `column` or no `label`")),
        }
    };
    entries.iter().enumerate().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, text: &str, expect: Result<usize, &str>| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            match (read(&path, &["contact".to_owned()]).unwrap_or_else(|_| panic!("{name}")), expect) {
                (Ok(found), Ok(count)) => assert_eq!(found.len(), count, "{text}"),
                (Err(problems), Err(part)) => assert!(problems.iter().any(|problem| problem.contains(part)), "{problems:?}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        check("a.csv", "column,label\np.d.t.a,contact\n", Ok(1));
        check("a.csv", "\u{feff}column,label\r\np.d.t.a,contact\r\n", Ok(1));
        check("a.json", "\u{feff}[]", Ok(0));
        check("a.csv", "p.d.t.a;contact\n", Err("it is not `column,label`"));
        check("a.csv", "p.d.*.a,contact\n", Err("line 1: `p.d.*.a` is a pattern"));
        check("a.csv", "p.d.t.a,other\n", Err("is no label"));
        check("a.json", "{}", Err("it is no list"));
        check("a.txt", "p.d.t.a,contact\n", Err("ends in .csv"));
    }

    #[test]
    fn three_forms_say_the_same() {
        let expect = vec![("p.d.t.a".to_owned(), "contact".to_owned()), ("p.d.t.b.c".to_owned(), "health".to_owned())];
        let forms = [
            csv("column,label\n# seen\np.d.t.a, contact\n\n\"p.d.t.b.c\",\"health\"\n"),
            json(r#"[{"column":"p.d.t.a","label":"contact"},{"column":"p.d.t.b.c","label":"health","by":"x"}]"#),
            toml("[[columns]]\ncolumn = \"p.d.t.a\"\nlabel = \"contact\"\n[[columns]]\ncolumn = \"p.d.t.b.c\"\nlabel = \"health\"\n"),
        ];
        for form in forms {
            let found: Vec<(String, String)> = form.unwrap().into_iter().map(|(_, column, label)| (column, label)).collect();
            assert_eq!(found, expect);
        }
        for wrong in
            [csv("p.d.t.a"), csv("a,b,c"), json("{}"), json("[1]"), json("["), toml("x = 1"), toml("[[columns]]\ncolumn = \"a\"\n")]
        {
            assert!(wrong.is_err(), "{wrong:?}");
        }
    }
}
