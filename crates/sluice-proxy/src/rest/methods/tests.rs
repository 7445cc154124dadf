use super::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn no_method_stands_twice_and_every_action_is_one_of_policy() {
    let names: BTreeSet<&str> = METHODS.iter().map(|method| method.name).collect();
    let routes: BTreeSet<(&str, &str)> = METHODS.iter().map(|method| (method.verb, method.path)).collect();
    assert_eq!((names.len(), routes.len()), (METHODS.len(), METHODS.len()));
    for method in METHODS {
        let known = sluice_policy::SCHEMA.contains(&format!("\"{}\"", method.action));
        assert!(known || matches!(method.duty, Duty::Insert | Duty::Query), "{} asks policy nothing that it knows", method.name);
    }
}

/// `SLUICE_DISCOVERY` names the file; otherwise a Python that has the package `google-api-python-client` is asked.
#[expect(clippy::disallowed_methods, reason = "where the document is depends on the machine that tests")]
fn path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SLUICE_DISCOVERY") {
        return Some(PathBuf::from(path));
    }
    let code = "import googleapiclient, os; print(os.path.dirname(googleapiclient.__file__))";
    let output = Command::new("python3").args(["-c", code]).output().ok().filter(|output| output.status.success())?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim()).join("discovery_cache/documents/bigquery.v2.json"))
}

/// BigQuery's own document; nothing, said aloud, where it is not.
pub(in crate::rest) fn document() -> Option<Value> {
    let text = path().and_then(|path| std::fs::read_to_string(path).ok());
    if text.is_none() {
        // Not through `eprintln!`: the harness would keep it for itself.
        let said = "SKIPPED: BigQuery's discovery document is not here: install google-api-python-client or set SLUICE_DISCOVERY";
        writeln!(std::io::stderr(), "{said}").unwrap();
    }
    serde_json::from_str(&text?).ok()
}

fn walk<'a>(resources: &'a Value, found: &mut Vec<&'a Value>) {
    for resource in resources.as_object().into_iter().flat_map(|resources| resources.values()) {
        found.extend(resource["methods"].as_object().into_iter().flat_map(|methods| methods.values()));
        walk(&resource["resources"], found);
    }
}

#[test]
fn the_table_is_that_of_the_public_document() {
    let Some(document) = document() else { return };
    let mut public = Vec::new();
    walk(&document["resources"], &mut public);
    let mut seen = BTreeSet::new();
    for method in public {
        let name = method["id"].as_str().unwrap().strip_prefix("bigquery.").unwrap();
        let ours = METHODS.iter().find(|ours| ours.name == name).unwrap_or_else(|| panic!("`{name}` is not in the table"));
        let flat: String = method["flatPath"]
            .as_str()
            .unwrap()
            .split('/')
            .map(|part| if part.starts_with('{') { part.split_once('}').unwrap().1 } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let own: String = ours
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { part.split_once('}').unwrap().1 } else { part })
            .collect::<Vec<_>>()
            .join("/");
        assert_eq!((ours.verb, own.as_str()), (method["httpMethod"].as_str().unwrap(), flat.as_str()), "{name}");
        assert_eq!(ours.takes, method["request"]["$ref"].as_str().unwrap_or_default(), "{name}");
        assert_eq!(ours.gives, method["response"]["$ref"].as_str().unwrap_or_default(), "{name}");
        for (parameter, described) in
            method["parameters"].as_object().into_iter().flatten().filter(|(_, described)| described["location"] == "query")
        {
            let (_, kind) = ours.parameter(parameter).unwrap_or_else(|| panic!("`{name}` takes `{parameter}`"));
            let expected = match (described["type"].as_str().unwrap(), described["enum"].is_array(), described["format"].as_str()) {
                ("boolean", ..) => matches!(kind, Type::Flag),
                ("integer", ..) | (_, _, Some("uint64")) => matches!(kind, Type::Number(_)),
                (_, true, _) => matches!(kind, Type::Word(_) | Type::Words(_)),
                _ => matches!(kind, Type::Text),
            };
            assert!(expected, "{name}: {parameter} is {described}");
            if let Type::Word(words) | Type::Words(words) = kind {
                for word in described["enum"].as_array().unwrap() {
                    assert!(words.contains(&word.as_str().unwrap()), "{name}: {parameter}: {word}");
                }
            }
        }
        seen.insert(name.to_owned());
    }
    assert!(seen.len() >= 46, "the document has {} methods only", seen.len());
    for method in METHODS {
        // Older revisions lack this one.
        assert!(
            seen.contains(method.name) || method.name == "routines.testIamPermissions",
            "`{}` is not in the public document",
            method.name
        );
    }
}
