//! Placeholder until the data table carries them.
use sluice_model::Type;

pub(crate) fn all() -> Vec<(&'static str, Type)> {
    vec![
        ("project_id", Type::String),
        ("dataset_id", Type::String),
        ("dataset_project_id", Type::String),
        ("query_label", Type::String),
        ("time_zone", Type::String),
        ("session_id", Type::String),
        ("row_count", Type::Int64),
        ("error.message", Type::String),
        ("error.statement_text", Type::String),
        ("error.formatted_stack_trace", Type::String),
        ("script.job_id", Type::String),
        ("last_job_id", Type::String),
    ]
}
