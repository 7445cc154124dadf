//! Bodies that are too long to write down, and what they may cost.

use super::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Far above what any of them takes, and far below what one that multiplies would.
const PATIENCE: Duration = Duration::from_secs(20);

fn check(name: &str, query: Value, expect: Result<usize, &str>) {
    let body = json!({ "configuration": { "query": query } });
    let began = Instant::now();
    match (insert(&PLACE, &body, Way::Insert), expect) {
        (Ok(asked), Ok(bytes_max)) => {
            let bytes = sends(&asked).body.as_ref().unwrap().len();
            assert!(bytes <= bytes_max, "{name}: {bytes} bytes of at most {bytes_max}");
        }
        (Err(fault), Err(expect)) => assert_eq!(fault.to_string(), expect, "{name}"),
        (found, _) => panic!("{name}: {:.300}", format!("{found:?}")),
    }
    assert!(began.elapsed() < PATIENCE, "{name}: {:?}", began.elapsed());
}

fn query(extra: Value) -> Value {
    let mut query = json!({ "query": "SELECT 1", "useLegacySql": false });
    query.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    query
}

#[test]
fn limits_are_said() {
    let text = "x".repeat(sluice_sql::STATEMENT_BYTES_MAX);
    check("the largest text", json!({ "query": text, "useLegacySql": false }), Ok(text.len() + 1_000));
    let fault = "`configuration.query.query` has 1048577 bytes, accepted are at most 1048576";
    check("a text too large", json!({ "query": format!("{text}x"), "useLegacySql": false }), Err(fault));
    let parameter =
        |place: usize| json!({ "name": format!("p{place}"), "parameterType": { "type": "INT64" }, "parameterValue": { "value": "7" } });
    let parameters = |count: usize| query(json!({ "queryParameters": (0..count).map(parameter).collect::<Vec<_>>() }));
    check("the most parameters", parameters(10_000), Ok(2_000_000));
    check(
        "too many parameters",
        parameters(10_001),
        Err("`configuration.query.queryParameters` has 10001 elements, accepted are at most 10000"),
    );
    let labels = |count: usize| (0..count).map(|place| (format!("k{place}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let body = |count: usize| json!({ "configuration": { "labels": labels(count), "query": query(json!({})) } });
    assert!(insert(&PLACE, &body(56), Way::Insert).is_ok());
    let fault = insert(&PLACE, &body(57), Way::Insert).unwrap_err();
    assert_eq!(fault.to_string(), "`configuration.labels` has 57 entries, accepted are at most 56");
    assert_eq!(fault.reason, FormReason::TooLarge);
    let fault = "`configuration.query.priority` is the text `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`, accepted is `INTERACTIVE` or `BATCH`";
    check("a fault repeats little", query(json!({ "priority": "x".repeat(1 << 20) })), Err(fault));
    let name = "x".repeat(1 << 20);
    let fault =
        format!("`configuration.query.{}…` is no field of JobConfigurationQuery that the gateway knows: take it away", "x".repeat(80));
    check("also of a name", query(json!({ name: 1 })), Err(&fault));
}

#[test]
fn large_types_times_many_values_stay_small() {
    let fields: Vec<Value> = (0..500).map(|place| json!({ "name": format!("field_{place}"), "type": { "type": "INT64" } })).collect();
    let structure = json!({ "type": "STRUCT", "structTypes": fields });
    let array = |elements: Vec<Value>| {
        let kind = json!({ "type": "ARRAY", "arrayType": structure });
        query(json!({ "queryParameters": [{ "name": "a", "parameterType": kind, "parameterValue": { "arrayValues": elements } }] }))
    };
    check("empty structs", array(vec![json!({ "structValues": {} }); 100_000]), Ok(10 << 20));
    check("no structs", array(vec![json!({}); 100_000]), Ok(10 << 20));
    let last = json!({ "structValues": { "field_499": { "value": "7" } } });
    check("the last field of each", array(vec![last; 100_000]), Ok(10 << 20));
    check(
        "too many elements",
        array(vec![json!({}); 100_001]),
        Err("`configuration.query.queryParameters[0].parameterValue.arrayValues` has 100001 elements, accepted are at most 100000"),
    );
    let nested = |depth: usize| {
        let deeper = |kind: Value| json!({ "type": "STRUCT", "structTypes": [{ "name": "f", "type": kind }] });
        let kind = (0..depth).fold(json!({ "type": "INT64" }), |kind, _| deeper(kind));
        query(json!({ "queryParameters": [{ "name": "a", "parameterType": kind, "parameterValue": {} }] }))
    };
    check("structs in structs", nested(14), Ok(2_000));
    let place = ".structTypes[0].type".repeat(15);
    let fault = format!("`configuration.query.queryParameters[0].parameterType{place}` is nested deeper than 15 levels");
    check("structs too deep", nested(15), Err(&fault));
}
