//! When one request is another one again: by the id that its client gave it, and by everything else that it says.

use crate::asked::QueryAsk;
use crate::record::{hex, sha256};
use serde_json::{Value, json};

/// What a repetition is found by. Nothing where the client gave no id, nor for a dry run: that does nothing, however often.
///
/// BigQuery's own rule: another statement, parameter, default dataset, destination or setting under the same id is another request. How long its
/// client waits, and how it wants its rows, changes nothing about what is done.
pub(crate) fn key(ask: &QueryAsk) -> Option<String> {
    let request_id = ask.request_id.as_ref().filter(|_| !ask.dry_run)?;
    // As the door wrote it, out of what it understood: all but the job's own name.
    let body: Value = serde_json::from_str(ask.sends.body.as_deref()?).ok()?;
    let said = json!([request_id, ask.location, body.get("configuration")?]);
    Some(hex(&sha256(said.to_string().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobName;
    use sluice_policy::Sends;

    fn ask(request_id: &str, location: &str, configuration: &Value) -> QueryAsk {
        let body = json!({ "jobReference": { "jobId": "of this one" }, "configuration": configuration });
        QueryAsk {
            connection: "c".to_owned(),
            job: JobName::default(),
            query: sluice_sql::Request::default(),
            parameters: Vec::new(),
            location: Some(location.to_owned()),
            dry_run: false,
            request_id: Some(request_id.to_owned()),
            sends: Sends { body: Some(body.to_string()), ..Sends::default() },
            also: Vec::new(),
            partitions: Vec::new(),
            adds: false,
        }
    }

    #[test]
    fn a_repetition_says_all_the_same() {
        let query = json!({ "query": { "query": "SELECT @a", "queryParameters": [{ "name": "a", "parameterValue": { "value": "1" } }] } });
        let first = key(&ask("r", "EU", &query));
        assert!(first.is_some());
        let mut again = ask("r", "EU", &query);
        again.sends.body = again.sends.body.map(|body| body.replace("of this one", "of another"));
        assert_eq!(key(&again), first, "the name is minted for each");
        for (pointer, value) in [
            ("/query/query", json!("SELECT @a, 2")),
            ("/query/queryParameters/0/parameterValue/value", json!("2")),
            ("/query/queryParameters/0/parameterType", json!({ "type": "STRING" })),
            ("/query/defaultDataset", json!({ "datasetId": "d" })),
            ("/query/destinationTable", json!({ "tableId": "t" })),
            ("/query/connectionProperties", json!([{ "key": "time_zone", "value": "UTC" }])),
            ("/labels", json!({ "a": "b" })),
        ] {
            let mut other = query.clone();
            let (place, name) = pointer.rsplit_once('/').unwrap();
            other.pointer_mut(place).unwrap()[name] = value;
            assert_ne!(key(&ask("r", "EU", &other)), first, "{pointer}");
        }
        assert_ne!(key(&ask("R", "EU", &query)), first);
        assert_ne!(key(&ask("r", "US", &query)), first);
    }

    #[test]
    fn what_is_never_one_has_no_key() {
        let query = json!({ "query": { "query": "SELECT 1" } });
        assert_eq!(key(&QueryAsk { dry_run: true, ..ask("r", "EU", &query) }), None);
        assert_eq!(key(&QueryAsk { request_id: None, ..ask("r", "EU", &query) }), None);
    }
}
