//! What leaves: resources as far as their fields are known, with links of ours.

mod job;
mod known;
mod link;
mod page;
mod resources;

pub use job::{job, job_list};
pub use page::{query_response, query_results, query_tail, table_rows};

use super::methods::Method;
use serde_json::Value;

/// The known part of a resource, and how many fields stayed behind.
pub fn resource(method: &Method, value: Value, base: &str) -> (Value, u64) {
    let (mut kept, dropped) = known::keep(method.gives, value);
    link::rewrite(&mut kept, base);
    (kept, dropped)
}

/// `projects.list`: those that the gateway serves, and no others.
pub fn projects(value: Value, serves: impl Fn(&str) -> bool) -> (Vec<Value>, u64) {
    let (mut kept, dropped) = known::keep("ProjectList", value);
    let projects = kept.get_mut("projects").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let id = |project: &Value| {
        let reference = project.get("projectReference").and_then(|reference| reference.get("projectId"));
        reference.or_else(|| project.get("id")).and_then(Value::as_str).map(str::to_owned)
    };
    (projects.into_iter().filter(|project| id(project).is_some_and(|id| serves(&id))).collect(), dropped)
}
