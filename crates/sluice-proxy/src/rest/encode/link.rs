//! Links lead to us: a client that follows one must not go round the gateway.

use super::super::names;
use super::super::percent::{self, Place};
use serde_json::Value;

/// `selfLink` of a resource. One that is not understood is taken out.
pub fn rewrite(resource: &mut Value, base: &str) {
    let Some(fields) = resource.as_object_mut() else { return };
    let Some(link) = fields.get("selfLink") else { return };
    match link.as_str().and_then(path).map(|path| format!("{base}/bigquery/v2/{path}")) {
        Some(link) => {
            fields.insert("selfLink".to_owned(), Value::String(link));
        }
        None => {
            fields.remove("selfLink");
        }
    }
}

pub fn of_job(base: &str, project: &str, id: &str, location: Option<&str>) -> String {
    let location = location.map_or(String::new(), |location| format!("?location={}", percent::encode(location)));
    format!("{base}/bigquery/v2/projects/{}/jobs/{}{location}", percent::encode(project), percent::encode(id))
}

/// What stands behind the version of the API, if it is made of names.
fn path(link: &str) -> Option<String> {
    let (_, path) = link.split_once("/bigquery/v2/")?;
    let parts: Option<Vec<String>> = path.split('/').map(|part| percent::decode(part, Place::Path).ok()).collect();
    let is_name = |part: &String| names::is_plain(part) || names::is_project(part) || names::decorated(part).is_some();
    let parts = parts.filter(|parts| parts.iter().all(is_name))?;
    let parts: Vec<String> = parts.iter().map(|part| percent::encode(part)).collect();
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn links_lead_to_us() {
        let check = |link: Value, expect: Value| {
            let mut resource = json!({ "selfLink": link, "id": "x" });
            rewrite(&mut resource, "https://gateway.example");
            assert_eq!(resource, expect);
        };
        let ours = |path: &str| json!({ "selfLink": format!("https://gateway.example/bigquery/v2/{path}"), "id": "x" });
        check(json!("https://bigquery.googleapis.com/bigquery/v2/projects/p/datasets/d"), ours("projects/p/datasets/d"));
        check(json!("https://x/bigquery/v2/projects/e.com:p/datasets/d/tables/t$p"), ours("projects/e.com:p/datasets/d/tables/t$p"));
        for strange in [
            json!("https://bigquery.googleapis.com/"),
            json!("https://x/bigquery/v2/../y"),
            json!("https://x/bigquery/v2/a?b=c"),
            json!(7),
            json!(null),
        ] {
            check(strange, json!({ "id": "x" }));
        }
    }
}
