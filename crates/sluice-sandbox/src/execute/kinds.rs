//! BigQuery's `statementType` of a syntax node.

use super::text::Script;
use sluice_sql::tree::NodeId;

/// Whether statements of that type give rows of their own.
pub fn has_result(kind: &str) -> bool {
    matches!(kind, "SELECT" | "CREATE_TABLE_AS_SELECT" | "CREATE_VIEW")
}

/// Nothing for statements that only steer a script.
pub fn statement_type(script: &Script, node: NodeId) -> Option<&'static str> {
    let tree = &script.tree;
    Some(match tree.kind(node) {
        "ASTQueryStatement" => "SELECT",
        "ASTInsertStatement" => "INSERT",
        "ASTUpdateStatement" => "UPDATE",
        "ASTDeleteStatement" => "DELETE",
        "ASTMergeStatement" => "MERGE",
        "ASTTruncateStatement" => "TRUNCATE_TABLE",
        "ASTCreateTableStatement" if tree.child(node, "query").is_some() => "CREATE_TABLE_AS_SELECT",
        "ASTCreateTableStatement" => "CREATE_TABLE",
        "ASTCreateViewStatement" => "CREATE_VIEW",
        "ASTCreateMaterializedViewStatement" => "CREATE_MATERIALIZED_VIEW",
        "ASTCreateFunctionStatement" => "CREATE_FUNCTION",
        "ASTCreateTableFunctionStatement" => "CREATE_TABLE_FUNCTION",
        "ASTCreateProcedureStatement" => "CREATE_PROCEDURE",
        "ASTCreateSchemaStatement" => "CREATE_SCHEMA",
        "ASTCreateModelStatement" => "CREATE_MODEL",
        "ASTCreateSnapshotTableStatement" => "CREATE_SNAPSHOT_TABLE",
        "ASTCreateExternalTableStatement" => "CREATE_EXTERNAL_TABLE",
        "ASTCreateRowAccessPolicyStatement" => "CREATE_ROW_ACCESS_POLICY",
        "ASTDropStatement" => dropped(tree.enumerator(node, "schema_object_kind")),
        "ASTDropFunctionStatement" => "DROP_FUNCTION",
        "ASTDropTableFunctionStatement" => "DROP_TABLE_FUNCTION",
        "ASTDropSnapshotTableStatement" => "DROP_SNAPSHOT_TABLE",
        "ASTDropMaterializedViewStatement" => "DROP_MATERIALIZED_VIEW",
        "ASTAlterTableStatement" => "ALTER_TABLE",
        "ASTAlterViewStatement" => "ALTER_VIEW",
        "ASTAlterSchemaStatement" => "ALTER_SCHEMA",
        "ASTExportDataStatement" => "EXPORT_DATA",
        "ASTExportModelStatement" => "EXPORT_MODEL",
        "ASTAuxLoadDataStatement" => "LOAD_DATA",
        "ASTAssertStatement" => "ASSERT",
        "ASTBeginStatement" => "BEGIN_TRANSACTION",
        "ASTCommitStatement" => "COMMIT_TRANSACTION",
        "ASTRollbackStatement" => "ROLLBACK_TRANSACTION",
        _ => return None,
    })
}

/// The type of a whole text, and the one statement that it is about. A query behind temporary functions is still a query.
pub fn whole(script: &Script) -> (&'static str, Option<NodeId>) {
    let statements = script.statements();
    let Some((last, before)) = statements.split_last() else { return ("SCRIPT", None) };
    let functions_only = before.iter().all(|node| is_temporary_function(script, *node));
    match statement_type(script, *last) {
        Some(kind) if functions_only && !kind.ends_with("_TRANSACTION") => (kind, Some(*last)),
        _ => ("SCRIPT", None),
    }
}

pub fn is_temporary(script: &Script, node: NodeId) -> bool {
    script.tree.enumerator(node, "scope") == Some("TEMPORARY")
}

fn is_temporary_function(script: &Script, node: NodeId) -> bool {
    matches!(script.tree.kind(node), "ASTCreateFunctionStatement" | "ASTCreateTableFunctionStatement") && is_temporary(script, node)
}

fn dropped(kind: Option<&str>) -> &'static str {
    match kind {
        Some("kTable") => "DROP_TABLE",
        Some("kView") => "DROP_VIEW",
        Some("kSchema") => "DROP_SCHEMA",
        Some("kProcedure") => "DROP_PROCEDURE",
        Some("kMaterializedView") => "DROP_MATERIALIZED_VIEW",
        Some("kModel") => "DROP_MODEL",
        Some("kExternalTable") => "DROP_EXTERNAL_TABLE",
        _ => "DROP",
    }
}
