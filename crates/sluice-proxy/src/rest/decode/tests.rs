use super::super::parameters::Address;
use super::super::route::{self, Route};
use super::*;
use serde_json::json;

/// `action on resource`, then what else is asked, then what is sent.
fn told(verb: &str, path: &str, query: &str, body: &Value) -> Result<String, String> {
    let Ok(Route::Method(matched)) = route::find(verb, path) else { panic!("{verb} {path}") };
    let parameters = Parameters::read(query, Some(matched.method), Address::Plain).unwrap();
    let call = Call { connection: "warehouse", matched: &matched, parameters: &parameters, body, if_match: Some("\"e\"") };
    let ask = ask(&call).map_err(|fault| fault.to_string())?;
    assert_eq!((ask.connection.as_str(), ask.project.as_str()), ("warehouse", matched.project()));
    assert_eq!(ask.sends.if_match.as_deref(), Some("\"e\""));
    let mut lines = vec![format!("{} on {}", ask.name, ask.resource)];
    lines.extend(ask.also.iter().map(|(action, resource)| format!("{action} on {resource}")));
    lines.extend(ask.expressions.iter().map(|expression| format!("{} {}", expression.field, expression.text)));
    lines.extend(ask.untags.iter().map(|table| format!("untags {table}")));
    lines.extend(ask.changes.iter().map(|changed| format!("changes {changed}")));
    lines.extend(ask.partitions.iter().map(|table| format!("a partition of {table}")));
    match ask.reads {
        Reads::All(tables) => lines.extend(tables.iter().map(|table| format!("reads {table}"))),
        Reads::Nothing => {}
        Reads::Some(table, paths) => {
            lines.push(format!("reads {} of {table}", paths.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(",")))
        }
    }
    let query: Vec<String> = ask.sends.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.push(format!("{:?} {}?{} {}", ask.sends.verb, ask.sends.path, query.join("&"), ask.sends.body.unwrap_or_default()));
    Ok(lines.join("; "))
}

fn check(verb: &str, path: &str, query: &str, body: Value, expect: Result<&str, &str>) {
    match (told(verb, path, query, &body), expect) {
        (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{verb} {path} {body}"),
        (Err(fault), Err(part)) => assert!(fault.contains(part), "{verb} {path} {body}: {fault}"),
        (found, _) => panic!("{verb} {path} {body}: {found:?}"),
    }
}

const TABLES: &str = "/projects/p/datasets/d/tables";
const TABLE: &str = "/projects/p/datasets/d/tables/t";
const DATASET: &str = "/projects/p/datasets/d";

#[test]
fn methods_without_a_body() {
    let none = || json!({});
    check("GET", DATASET, "", none(), Ok("datasets.get on dataset p.d; Get projects/p/datasets/d? "));
    check("DELETE", DATASET, "", none(), Ok("datasets.delete on dataset p.d; changes p.d; Delete projects/p/datasets/d? "));
    check(
        "DELETE",
        DATASET,
        "deleteContents=true",
        none(),
        Ok("datasets.delete on dataset p.d; drop on dataset p.d; changes p.d; Delete projects/p/datasets/d?deleteContents=true "),
    );
    check(
        "DELETE",
        DATASET,
        "deleteContents=false",
        none(),
        Ok("datasets.delete on dataset p.d; changes p.d; Delete projects/p/datasets/d?deleteContents=false "),
    );
    check(
        "GET",
        "/projects/p/datasets",
        "all=True&maxResults=5",
        none(),
        Ok("datasets.list on project p; Get projects/p/datasets?all=true&maxResults=5 "),
    );
    check(
        "DELETE",
        "/projects/p/datasets/d/tables/t$20240101",
        "",
        none(),
        Ok("tables.delete on table p.d.t; changes p.d.t; a partition of p.d.t; Delete projects/p/datasets/d/tables/t$20240101? "),
    );
    check(
        "DELETE",
        "/projects/p/datasets/d/routines/r",
        "",
        none(),
        Ok("routines.delete on routine p.d.r; changes p.d.r; Delete projects/p/datasets/d/routines/r? "),
    );
    check(
        "DELETE",
        "/projects/p/datasets/d/models/m",
        "",
        none(),
        Ok("models.delete on model p.d.m; changes p.d.m; Delete projects/p/datasets/d/models/m? "),
    );
    check(
        "DELETE",
        "/projects/p/jobs/j/delete",
        "location=US",
        none(),
        Ok("jobs.delete on job p.j; Delete projects/p/jobs/j/delete?location=US "),
    );
    check("GET", "/projects/p/serviceAccount", "", none(), Ok("projects.getServiceAccount on project p; Get projects/p/serviceAccount? "));
    check("GET", TABLE, "", json!({ "view": 1 }), Err("takes no body"));
    check("DELETE", DATASET, "", json!({ "deleteContents": true }), Err("takes no body"));
}

#[test]
fn rows_are_read_as_what_they_are() {
    let path = "/projects/p/datasets/d/tables/t$20240101/data";
    check(
        "GET",
        path,
        "maxResults=7",
        json!({}),
        Ok(
            "tabledata.list on table p.d.t; a partition of p.d.t; reads p.d.t; Get projects/p/datasets/d/tables/t$20240101/data?maxResults=7 ",
        ),
    );
    check(
        "GET",
        path,
        "selectedFields=a%2Cb.c",
        json!({}),
        Ok(
            "tabledata.list on table p.d.t; a partition of p.d.t; reads a,b.c of p.d.t; Get projects/p/datasets/d/tables/t$20240101/data?selectedFields=a,b.c ",
        ),
    );
    check("GET", path, "selectedFields=*", json!({}), Err("no list of fields"));
    check("GET", path, "selectedFields=a,", json!({}), Err("no list of fields"));
}

#[test]
fn tables_are_written_anew() {
    let reference = json!({ "projectId": "p", "datasetId": "d", "tableId": "t" });
    let asked = "tables.insert on dataset p.d; create on table p.d.t";
    let sent = |rest: &str| {
        format!(
            "changes p.d.t; Post projects/p/datasets/d/tables? {{\"tableReference\":{{\"projectId\":\"p\",\"datasetId\":\"d\",\"tableId\":\"t\"}}{rest}}}"
        )
    };
    check("POST", TABLES, "", json!({ "tableReference": reference }), Ok(&format!("{asked}; {}", sent(""))));
    check(
        "POST",
        TABLES,
        "",
        json!({ "tableReference": { "tableId": "t" }, "kind": "bigquery#table", "etag": "x", "numRows": "7" }),
        Ok(&format!("{asked}; {}", sent(""))),
    );
    check(
        "POST",
        TABLES,
        "",
        json!({ "tableReference": reference, "schema": { "fields": [{ "name": "a", "type": "STRING" }] } }),
        Ok(&format!("{asked}; {}", sent(",\"schema\":{\"fields\":[{\"name\":\"a\",\"type\":\"STRING\"}]}"))),
    );
    check(
        "POST",
        TABLES,
        "",
        json!({ "tableReference": reference, "expirationTime": "1" }),
        Ok(&format!("{asked}; drop on table p.d.t; {}", sent(",\"expirationTime\":\"1\""))),
    );
    check(
        "POST",
        TABLES,
        "",
        json!({ "tableReference": reference, "timePartitioning": { "type": "DAY", "expirationMs": "1" } }),
        Ok(&format!("{asked}; delete on table p.d.t; {}", sent(",\"timePartitioning\":{\"type\":\"DAY\",\"expirationMs\":\"1\"}"))),
    );
    let tagged = json!({ "fields": [{ "name": "a", "type": "RECORD", "fields": [{ "name": "b", "type": "STRING", "policyTags": { "names": ["t"] } }] }] });
    let found = told("POST", TABLES, "", &json!({ "tableReference": reference, "schema": tagged })).unwrap();
    assert!(found.contains("administration on table p.d.t"), "{found}");
    let untagged = json!({ "fields": [{ "name": "a", "type": "STRING", "policyTags": { "names": [] } }] });
    let found = told("POST", TABLES, "", &json!({ "tableReference": reference, "schema": untagged })).unwrap();
    assert!(!found.contains("administration"), "{found}");
    let other = json!({ "foreignKeys": [{ "referencedTable": { "projectId": "p", "datasetId": "secret", "tableId": "s" }, "columnReferences": [] }] });
    let found = told("POST", TABLES, "", &json!({ "tableReference": reference, "tableConstraints": other })).unwrap();
    assert!(found.contains("metadata on table p.secret.s"), "{found}");
}

#[test]
fn tables_that_hide_something_are_refused() {
    let refused = [
        (json!({}), "`tableReference.tableId` is missing"),
        (json!({ "tableReference": { "projectId": "q", "tableId": "t" } }), "is not `p`"),
        (json!({ "tableReference": { "datasetId": "other", "tableId": "t" } }), "is not `d`"),
        (json!({ "tableReference": { "tableId": "t$20240101" } }), "not a well-formed name"),
        (json!({ "tableReference": { "tableId": "t*" } }), "not a well-formed name"),
        (json!({ "tableReference": { "tableId": "a.b" } }), "not a well-formed name"),
        (json!({ "tableReference": { "tableId": "t", "x": 1 } }), "`tableReference.x`"),
        (json!({ "tableReference": { "tableId": "t" }, "view": { "query": "SELECT 1" } }), "CREATE OR REPLACE VIEW"),
        (json!({ "tableReference": { "tableId": "t" }, "materializedView": { "query": "SELECT 1" } }), "CREATE MATERIALIZED VIEW"),
        (
            json!({ "tableReference": { "tableId": "t" }, "externalDataConfiguration": { "sourceUris": ["gs://x"] } }),
            "CREATE EXTERNAL TABLE",
        ),
        (json!({ "tableReference": { "tableId": "t" }, "biglakeConfiguration": { "storageUri": "gs://x" } }), "bucket"),
        (json!({ "tableReference": { "tableId": "t" }, "encryptionConfiguration": { "kmsKeyName": "k" } }), "encryption key"),
        (json!({ "tableReference": { "tableId": "t" }, "resourceTags": { "a": "b" } }), "tags"),
        (
            json!({ "tableReference": { "tableId": "t" }, "tableReplicationInfo": { "sourceTable": {} , "replicationIntervalMs": "1"} }),
            "another table",
        ),
        (json!({ "tableReference": { "tableId": "t" }, "newThing": true }), "`newThing`"),
        (json!({ "tableReference": { "tableId": "t" }, "Schema": {} }), "`schema`"),
        (
            json!({ "tableReference": { "tableId": "t" }, "schema": { "fields": [{ "name": "a", "dataPolicies": [{ "name": "x" }] }] } }),
            "dataPolicies",
        ),
        (json!({ "tableReference": "t" }), "accepted is an object"),
        (json!({ "tableReference": { "tableId": ["t"] } }), "accepted is a text"),
    ];
    for (body, part) in refused {
        check("POST", TABLES, "", body, Err(part));
    }
}

#[test]
fn patches_keep_what_takes_away() {
    let sent = |body: &str| format!("tables.patch on table p.d.t; changes p.d.t; Patch projects/p/datasets/d/tables/t? {body}");
    check("PATCH", TABLE, "", json!({ "description": null }), Ok(&sent("{\"description\":null}")));
    check("PATCH", TABLE, "", json!({ "expirationTime": null }), Ok(&sent("{\"expirationTime\":null}")));
    check("PATCH", TABLE, "", json!({ "labels": { "a": null, "b": "c" } }), Ok(&sent("{\"labels\":{\"b\":\"c\",\"a\":null}}")));
    check("PATCH", TABLE, "", json!({ "view": null, "kind": null }), Ok(&sent("{}")));
    check(
        "PATCH",
        TABLE,
        "",
        json!({ "expirationTime": "5" }),
        Ok(
            "tables.patch on table p.d.t; drop on table p.d.t; changes p.d.t; Patch projects/p/datasets/d/tables/t? {\"expirationTime\":\"5\"}",
        ),
    );
    for (verb, query, body) in [
        ("PATCH", "", json!({ "schema": { "fields": [{ "name": "a", "type": "STRING" }] } })),
        ("PATCH", "", json!({ "schema": null })),
        ("PATCH", "autodetect_schema=true", json!({})),
        ("PUT", "", json!({ "description": "x" })),
    ] {
        let found = told(verb, TABLE, query, &body).unwrap();
        assert!(found.contains("alter on table p.d.t; untags p.d.t"), "{found}");
    }
    let nested = json!({ "name": "b", "type": "RECORD", "fields": [{ "name": "c", "type": "STRING", "defaultValueExpression": "GENERATE_UUID()" }] });
    let body = json!({ "schema": { "fields": [{ "name": "a", "type": "INTEGER", "defaultValueExpression": "1 + 1" }, nested] } });
    let found = told("PATCH", TABLE, "", &body).unwrap();
    let expect = "alter on table p.d.t; schema.fields[0].defaultValueExpression 1 + 1; \
                  schema.fields[1].fields[0].defaultValueExpression GENERATE_UUID(); untags p.d.t";
    assert!(found.contains(expect), "{found}");
    let tagged = json!({ "schema": { "fields": [{ "name": "a", "type": "STRING", "policyTags": { "names": ["t"] } }] } });
    let found = told("PATCH", TABLE, "", &tagged).unwrap();
    assert!(found.contains("alter on table p.d.t; administration on table p.d.t; untags p.d.t"), "{found}");
    check("PATCH", TABLE, "", json!({ "tableReference": { "tableId": "other" } }), Err("is not `t`"));
    check("PATCH", TABLE, "", json!({ "unknown": null }), Err("`unknown`"));
    check("PATCH", TABLE, "", json!({ "view": { "query": "SELECT 1" } }), Err("CREATE OR REPLACE VIEW"));
}

#[test]
fn datasets() {
    let of = |path: &str, verb: &str, body: Value| told(verb, path, "", &body).unwrap();
    let found = of("/projects/p/datasets", "POST", json!({ "datasetReference": { "datasetId": "d" }, "location": "EU" }));
    assert_eq!(
        found,
        "datasets.insert on dataset p.d; Post projects/p/datasets? {\"datasetReference\":{\"projectId\":\"p\",\"datasetId\":\"d\"},\"location\":\"EU\"}"
    );
    let asks = |body: Value, expect: &[&str]| {
        let found = of(DATASET, "PATCH", body.clone());
        let found: Vec<&str> = found.split("; ").skip(1).take_while(|line| !line.starts_with("Patch")).collect();
        assert_eq!(found, expect, "{body}");
    };
    asks(json!({ "description": "x", "labels": {} }), &[]);
    asks(json!({ "access": [{ "role": "READER", "userByEmail": "eve@example.com" }] }), &["grant on dataset p.d", "revoke on dataset p.d"]);
    asks(json!({ "access": [] }), &["grant on dataset p.d", "revoke on dataset p.d"]);
    asks(json!({ "access": null }), &["grant on dataset p.d", "revoke on dataset p.d"]);
    asks(json!({ "defaultTableExpirationMs": "3600000" }), &["drop on dataset p.d"]);
    asks(json!({ "defaultTableExpirationMs": null }), &[]);
    asks(json!({ "defaultPartitionExpirationMs": "1" }), &["delete on dataset p.d"]);
    asks(json!({ "maxTimeTravelHours": "48" }), &["delete on dataset p.d"]);
    assert!(of(DATASET, "PUT", json!({ "description": "x" })).contains("grant on dataset p.d; revoke on dataset p.d"));
    assert_eq!(
        of("/projects/p/datasets/d:undelete", "POST", json!({ "deletionTime": "2026-01-01T00:00:00Z" })),
        "datasets.undelete on dataset p.d; changes p.d; Post projects/p/datasets/d:undelete? {\"deletionTime\":\"2026-01-01T00:00:00Z\"}"
    );
    let refused = [
        (json!({ "defaultEncryptionConfiguration": { "kmsKeyName": "k" } }), "encryption key"),
        (json!({ "linkedDatasetSource": { "sourceDataset": { "datasetId": "x" } } }), "elsewhere"),
        (json!({ "externalDatasetReference": { "externalSource": "x" } }), "elsewhere"),
        (json!({ "isCaseInsensitive": true }), "many names"),
        (json!({ "resourceTags": { "a": "b" } }), "tags"),
        (json!({ "datasetReference": { "datasetId": "other" } }), "is not `d`"),
        (json!({ "access": [{ "role": "READER", "everyone": true }] }), "everyone"),
        (json!({ "access": {} }), "accepted is a list"),
        (json!({ "defaultTableExpirationMs": -1 }), "whole number"),
    ];
    for (body, part) in refused {
        check("PATCH", DATASET, "", body, Err(part));
    }
    check("POST", "/projects/p/datasets", "", json!({}), Err("`datasetReference.datasetId` is missing"));
}

#[test]
fn rows_that_are_streamed() {
    let path = "/projects/p/datasets/d/tables/t/insertAll";
    let row = json!({ "insertId": "1", "json": { "a": 1, "b": { "c": [1, null] } } });
    check(
        "POST",
        path,
        "",
        json!({ "rows": [row], "skipInvalidRows": true, "kind": "x" }),
        Ok(
            "tabledata.insertAll on table p.d.t; Post projects/p/datasets/d/tables/t/insertAll? {\"skipInvalidRows\":true,\"rows\":[{\"insertId\":\"1\",\"json\":{\"a\":1,\"b\":{\"c\":[1,null]}}}]}",
        ),
    );
    for name in ["_CHANGE_TYPE", "_change_type", " _Change_Type"] {
        let found = told("POST", path, "", &json!({ "rows": [{ "json": { name: "DELETE" } }] })).unwrap();
        assert!(found.contains("delete on table p.d.t; update on table p.d.t"), "{found}");
    }
    let refused = [
        (json!({}), "`rows` is not a list"),
        (json!({ "rows": {} }), "`rows` is not a list"),
        (json!({ "rows": [1] }), "`rows[0]` is not an object"),
        (json!({ "rows": [{}] }), "`rows[0].json` is missing"),
        (json!({ "rows": [{ "json": [] }] }), "`rows[0].json` is not an object"),
        (json!({ "rows": [{ "json": {}, "other": 1 }] }), "`rows[0].other`"),
        (json!({ "rows": [{ "json": {}, "insertId": 1 }] }), "`rows[0].insertId`"),
        (json!({ "rows": [], "templateSuffix": "_x" }), "another table"),
        (json!({ "rows": [], "new": 1 }), "`new`"),
        (json!({ "rows": vec![json!({ "json": {} }); rows::INSERTED_ROWS_MAX + 1] }), "at most 50000"),
    ];
    for (body, part) in refused {
        check("POST", path, "", body, Err(part));
    }
}

#[test]
fn access_and_models() {
    let policy = json!({ "policy": { "bindings": [{ "role": "roles/x", "members": ["user:a"] }], "etag": "e", "version": 1 } });
    let found = told("POST", "/projects/p/datasets/d/tables/t:setIamPolicy", "", &policy).unwrap();
    assert!(found.starts_with("tables.setIamPolicy on table p.d.t; grant on table p.d.t; revoke on table p.d.t; Post"), "{found}");
    check("POST", "/projects/p/datasets/d/tables/t:setIamPolicy", "", json!({}), Err("`policy` is missing"));
    check("POST", "/projects/p/datasets/d/tables/t:setIamPolicy", "", json!({ "policy": { "x": 1 } }), Err("`policy.x`"));
    check(
        "POST",
        "/projects/p/datasets/d/routines/r:getIamPolicy",
        "",
        json!({ "options": { "requestedPolicyVersion": 3 } }),
        Ok(
            "routines.getIamPolicy on routine p.d.r; Post projects/p/datasets/d/routines/r:getIamPolicy? {\"options\":{\"requestedPolicyVersion\":3}}",
        ),
    );
    let path = "/projects/p/datasets/d/tables/t/rowAccessPolicies:batchDelete";
    check(
        "POST",
        path,
        "",
        json!({ "policyIds": ["a", "b"] }),
        Ok(
            "rowAccessPolicies.batchDelete on table p.d.t; changes p.d.t; Post projects/p/datasets/d/tables/t/rowAccessPolicies:batchDelete? {\"policyIds\":[\"a\",\"b\"]}",
        ),
    );
    for body in [json!({}), json!({ "policyIds": [] }), json!({ "policyIds": ["../x"] })] {
        check("POST", path, "", body, Err("`policyIds`"));
    }
    let model = "/projects/p/datasets/d/models/m";
    check(
        "PATCH",
        model,
        "",
        json!({ "expirationTime": "1" }),
        Ok(
            "models.patch on model p.d.m; models.delete on model p.d.m; changes p.d.m; Patch projects/p/datasets/d/models/m? {\"expirationTime\":\"1\"}",
        ),
    );
    check("PATCH", model, "", json!({ "encryptionConfiguration": { "kmsKeyName": "k" } }), Err("encryption key"));
    check("PATCH", model, "", json!({ "modelReference": { "modelId": "n" } }), Err("is not `m`"));
}
