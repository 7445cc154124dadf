//! What random input is thrown at: the functions behind the targets of `fuzz/` and behind the replayed corpora.
//!
//! Each takes whatever bytes there are and fails by a panic alone: an answer and a refusal are both fine.

use crate::ground;
use sluice_googlesql::artefact::{Place, SCHEMA_FILE};
use sluice_googlesql::decode::{Limits, decode};
use sluice_googlesql::schema::Schema;
use sluice_model::Type;
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Request, analyze};
use std::sync::OnceLock;

/// Answers that the reader meets, by the first byte of its input.
const ANSWERS: [&str; 4] = ["AnalyzeResponse", "ParseResponse", "ExtractTableNamesFromStatementResponse", "RegisterResponse"];
/// Larger than what is fed, so that each limit can be met.
const ANSWER_LIMITS: Limits = Limits { answer_bytes_max: 1 << 20, nodes_max: 20_000, depth_max: 1_000 };

pub type Target = fn(&[u8]);

/// Every target with the folder of its corpus.
pub const TARGETS: [(&str, Target); 4] =
    [("analyze", analyze_text), ("answer_reader", answer_reader), ("table_resource", table_resource), ("type_text", type_text)];

/// Bytes that the engine might answer.
pub fn answer_reader(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let message = ANSWERS.get(usize::from(*first) % ANSWERS.len()).copied().unwrap_or_default();
    if let Ok(tree) = decode(schema(), &format!("zetasql.local_service.{message}"), rest, &ANSWER_LIMITS) {
        let root = tree.root.map(|root| tree.all_children(root));
        assert!(root.is_some(), "a tree without a root");
        assert!(tree.nodes.len() <= ANSWER_LIMITS.nodes_max, "{} nodes", tree.nodes.len());
    }
}

/// A statement over the demo's catalog.
pub fn analyze_text(bytes: &[u8]) {
    static CATALOG: OnceLock<Snapshot> = OnceLock::new();
    let text = String::from_utf8_lossy(bytes).into_owned();
    let request = Request { text, project: "acme-prod".to_owned(), ..Request::default() };
    let analysis = analyze(ground::engine(), &request, CATALOG.get_or_init(ground::clinic));
    assert_eq!(analysis.refused.is_some(), analysis.statements.is_empty(), "statements or a refusal, one of both");
    // What a panic inside an analysis turns into.
    let reason = analysis.refused.map(|refused| refused.reason).unwrap_or_default();
    assert!(!reason.contains("the analysis broke off") && !reason.contains("a worker failed"), "{reason}");
}

/// A type as routines and schemas spell it. What is read is written so that it reads the same.
pub fn type_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(kind) = Type::parse(&text) {
        assert_eq!(Type::parse(&kind.to_string()), Ok(kind), "{text}");
    }
}

/// A resource as the REST API might send it.
pub fn table_resource(bytes: &[u8]) {
    if let Ok(resource) = serde_json::from_slice(bytes) {
        // Whatever it is: a table, a routine or a model.
        let _ = sluice_wire::table(&resource);
        let _ = sluice_wire::routine(&resource);
        let _ = sluice_wire::model(&resource);
    }
}

fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Result<Schema, String>> = OnceLock::new();
    let read = SCHEMA.get_or_init(|| {
        let path = Place::from_environment().artefact().join(SCHEMA_FILE);
        let bytes = std::fs::read(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
        Schema::read(&bytes).map_err(|fault| fault.to_string())
    });
    read.as_ref().unwrap_or_else(|why| ground::abandon(why))
}
