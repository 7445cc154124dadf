//! Bodies that were never written down: those of the fuzzer, and every case with each of its values replaced.

use super::*;
use serde_json::{Value, json};

/// Whatever comes in, what goes out is read again and says the same.
fn holds(way: &str, body: &[u8]) -> bool {
    let Ok(value) = read(body) else { return false };
    let asked = match way {
        "upload" => insert(&PLACE, &value, Way::Upload),
        "query" => query_request(&PLACE, &value).map(|request| Inserted::Query(Box::new(QueryAsk { request_id: None, ..request.ask }))),
        _ => insert(&PLACE, &value, Way::Insert),
    };
    let Ok(asked) = asked else { return false };
    let sent = sends(&asked).body.clone().unwrap();
    let mut again = read(sent.as_bytes()).unwrap();
    assert_eq!(again["jobReference"]["projectId"], PLACE.project, "{sent}");
    if again["jobReference"]["jobId"] == PLACE.job_id {
        again["jobReference"]["jobId"] = Value::Null;
    }
    let way = if way == "upload" { Way::Upload } else { Way::Insert };
    assert_eq!(insert(&PLACE, &again, way).as_ref(), Ok(&asked), "{sent}");
    true
}

#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/job_body");
    let bodies: Vec<Vec<u8>> = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    let taken = bodies.iter().flat_map(|body| ["insert", "upload", "query"].map(|way| holds(way, body))).filter(|taken| *taken).count();
    assert!(bodies.len() >= 20 && taken >= 10, "{taken} of {}", bodies.len());
}

#[test]
fn every_case_holds_with_any_value_replaced() {
    let instead =
        [json!(null), json!(true), json!(-1), json!(""), json!("x"), json!("7"), json!([]), json!({}), json!([null]), json!({ "a": {} })];
    let (mut tried, mut taken) = (0, 0);
    for (_, text) in files() {
        for case in text.split("\n# ").skip(1) {
            let question = case.split_once('\n').unwrap().1.split_once("\n=>\n").unwrap().0;
            let (way, body) = question.split_once('\n').unwrap();
            let Ok(body) = read(body.as_bytes()) else { continue };
            for pointer in pointers(&body) {
                for value in &instead {
                    let mut body = body.clone();
                    *body.pointer_mut(&pointer).unwrap() = value.clone();
                    tried += 1;
                    taken += usize::from(holds(way, body.to_string().as_bytes()));
                }
            }
        }
    }
    assert!(tried >= 20_000 && taken >= 2_000 && taken < tried, "{taken} of {tried}");
}

/// Where every value is, from the outermost on.
fn pointers(value: &Value) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Array(list) => list.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect(),
        _ => Vec::new(),
    };
    let inner = parts.into_iter().flat_map(|(name, value)| pointers(value).into_iter().map(move |rest| format!("/{name}{rest}")));
    std::iter::once(String::new()).chain(inner).collect()
}
