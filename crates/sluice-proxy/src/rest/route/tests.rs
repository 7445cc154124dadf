use super::*;

fn told(route: Result<Route, RouteFault>) -> String {
    let line = |matched: Matched| {
        let names: Vec<String> = matched.names.into_iter().map(|(_, value)| value).collect();
        format!("{} {}", matched.method.name, names.join("|")).trim_end().to_owned()
    };
    match route {
        Ok(Route::Batch) => "batch".to_owned(),
        Ok(Route::Discovery) => "discovery".to_owned(),
        Ok(Route::Method(matched)) => line(matched),
        Ok(Route::Upload(matched)) => format!("upload: {}", line(matched)),
        Err(fault) => format!("{fault:?}"),
    }
}

/// Lines of `verb path -> what it leads to`.
const LEADS: &str = "
GET /bigquery/v2/projects -> projects.list
GET /projects -> projects.list
GET /bigquery/v2/projects/p/datasets/d/tables/t -> tables.get p|d|t
GET /projects/p/datasets/d/tables/t -> tables.get p|d|t
GET /bigquery/v2/projects/p/datasets/d/tables/t%2420240101/data -> tabledata.list p|d|t$20240101
GET /bigquery/v2/projects/p/datasets/d/tables/t$20240101/data -> tabledata.list p|d|t$20240101
GET /projects/example.com:p/datasets -> datasets.list example.com:p
GET /projects/example.com%3Ap/datasets -> datasets.list example.com:p
POST /projects/p/queries -> jobs.query p
GET /projects/p/queries/j -> jobs.getQueryResults p|j
POST /projects/p/jobs -> jobs.insert p
POST /bigquery/v2/projects/p/jobs/j/cancel -> jobs.cancel p|j
DELETE /bigquery/v2/projects/p/jobs/j/delete -> jobs.delete p|j
POST /projects/p/datasets/d/tables/t:getIamPolicy -> tables.getIamPolicy p|d|t
POST /projects/p/datasets/d/tables/t:setIamPolicy -> tables.setIamPolicy p|d|t
POST /projects/p/datasets/d:undelete -> datasets.undelete p|d
POST /projects/p/datasets/d/tables/t/rowAccessPolicies:batchDelete -> rowAccessPolicies.batchDelete p|d|t
POST /projects/p/datasets/d/tables/t/rowAccessPolicies/r:testIamPermissions -> rowAccessPolicies.testIamPermissions p|d|t|r
POST /projects/p/datasets/d/tables -> tables.insert p|d
POST /upload/bigquery/v2/projects/p/jobs -> upload: jobs.insert p
PUT /upload/bigquery/v2/projects/p/jobs -> upload: jobs.insert p
POST /resumable/upload/bigquery/v2/projects/p/jobs -> upload: jobs.insert p
POST /upload/projects/p/jobs -> upload: jobs.insert p
GET /discovery/v1/apis/bigquery/v2/rest -> discovery
GET /$discovery/rest -> discovery
POST /batch/bigquery/v2 -> batch
POST /batch -> batch
";

const REFUSED: &str = "
GET / -> None
GET /bigquery/v2 -> None
GET /bigquery/v2/ -> None
GET /bigquery/v1/projects -> None
GET /bigquery/v2/bigquery/v2/projects -> None
GET /bigquery/v2/projects/ -> None
GET //projects -> None
GET /bigquery//v2/projects -> None
GET /bigquery/v2//projects -> None
GET /bigquery/v2/projects//datasets -> None
GET /bigquery/v2/projects/p/datasets/ -> None
GET /bigquery/v2/./projects -> None
GET /bigquery/v2/../v2/projects -> None
GET /bigquery/v2/projects/p/../q/datasets -> None
GET /bigquery/v2/projects/../datasets -> Name(\"projectId\")
GET /bigquery/v2/projects/%2e%2e/datasets -> Name(\"projectId\")
GET /bigquery/v2/projects/p/datasets/.. -> Name(\"datasetId\")
GET /bigquery/v2/projects/p/datasets/%2e -> Name(\"datasetId\")
GET /bigquery/v2/%70rojects -> None
GET /bigquery%2Fv2/projects -> None
GET /Projects -> None
GET /projects/P/datasets -> Name(\"projectId\")
GET /projects/p%2Fdatasets%2Fd -> None
GET /projects/p%2Fq/datasets -> Encoding(Slash)
GET /projects/p%5Cq/datasets -> Encoding(Slash)
GET /projects/p%00/datasets -> Encoding(Control)
GET /projects/p%0d%0aHost:%20x/datasets -> Encoding(Control)
GET /projects/p%/datasets -> Encoding(Broken)
GET /projects/p%zz/datasets -> Encoding(Broken)
GET /projects/p/datasets/%c0%ae%c0%ae -> Encoding(Utf8)
GET /projects/p/datasets/%ff -> Encoding(Utf8)
GET /projects/p/datasets/d%252e -> Name(\"datasetId\")
GET /projects/p/datasets/d;x=1 -> Encoding(Stray)
GET /projects/p/datasets/d\\x -> Encoding(Stray)
GET /projects/p/datasets/d.tables -> Name(\"datasetId\")
GET /projects/p/datasets/d/tables/t@0/data -> Name(\"tableId\")
GET /projects/p/datasets/d/tables/t%40-3600000/data -> Name(\"tableId\")
GET /projects/p/datasets/d/tables/t*/data -> Name(\"tableId\")
GET /projects/p/datasets/d/tables/t%60/data -> Name(\"tableId\")
GET /projects/p/datasets/d/tables/t:getIamPolicy -> Name(\"tableId\")
POST /projects/p/datasets/d/tables/t%3AgetIamPolicy -> None
POST /projects/p/datasets/d/tables/t:dropTable -> None
POST /projects/p/datasets/d/tables/:getIamPolicy -> None
PATCH /projects/p/datasets/d/tables/t$20240101 -> Name(\"tableId\")
POST /projects/p/datasets/d/tables/t$p:getIamPolicy -> Name(\"tableId\")
DELETE /projects -> None
BREW /projects -> None
get /projects -> None
HEAD /projects -> None
OPTIONS /projects -> None
TRACE /projects -> None
CONNECT /projects -> None
GET /projects/p/jobs/j/delete -> None
DELETE /projects/p/jobs/j -> None
GET /upload/bigquery/v2/projects/p/jobs -> None
POST /upload/bigquery/v2/projects/p/queries -> None
POST /upload/bigquery/v2/projects/p/datasets -> None
POST /discovery/v1/apis/bigquery/v2/rest -> None
GET /discovery/v1/apis/storage/v1/rest -> None
GET /healthz -> None
";

#[test]
fn paths_lead_where_the_table_says() {
    for line in LEADS.lines().chain(REFUSED.lines()).filter(|line| !line.is_empty()) {
        let (request, expect) = line.split_once(" -> ").unwrap();
        let (verb, path) = request.split_once(' ').unwrap();
        assert_eq!(told(find(verb, path)), expect, "{request}");
    }
    assert_eq!(find("GET", &format!("/projects/{}", "p".repeat(PATH_BYTES_MAX))), Err(RouteFault::TooLong));
}

#[test]
fn every_method_is_found_by_its_own_path_and_by_no_other_verb() {
    for method in METHODS {
        let mut path = format!("/bigquery/v2/{}", method.path);
        for name in method.names() {
            path = path.replace(&format!("{{{name}}}"), "x1");
        }
        let Ok(Route::Method(matched)) = find(method.verb, &path) else { panic!("{path}") };
        assert_eq!(matched.method.name, method.name);
        assert_eq!(format!("/bigquery/v2/{}", matched.path()), path);
        for verb in ["DELETE", "GET", "PATCH", "POST", "PUT", "HEAD", "OPTIONS"] {
            let expected = METHODS.iter().find(|other| other.verb == verb && other.path == method.path).map(|other| other.name);
            let found = match find(verb, &path) {
                Ok(Route::Method(matched)) => Some(matched.method.name),
                _ => None,
            };
            assert_eq!(found, expected, "{verb} {path}");
        }
    }
}

#[test]
fn a_path_upstream_is_encoded_again() {
    let Ok(Route::Method(matched)) = find("GET", "/projects/example.com%3Ap/datasets/d/tables/T%C3%A4g%20lich$20240101/data") else {
        panic!()
    };
    assert_eq!(matched.path(), "projects/example.com:p/datasets/d/tables/T%C3%A4g%20lich$20240101/data");
}
