//! BigQuery's name for each kind of statement, and the effects that its kind alone has.

use crate::tree::{NodeId, Tree};
use sluice_model::Effect;

/// Nothing for kinds that BigQuery does not have: they are unresolved.
pub(crate) fn statement_type(tree: &Tree, root: NodeId) -> Option<(String, Vec<Effect>)> {
    use Effect::{
        Administration, Alter, Assert, Create, Delete, Drop, Export, Grant, Insert, Load, Merge, Model, Restore, Revoke, Transaction,
        Truncate, Update,
    };
    let object = tree.text(root, "object_type").or_else(|| tree.text(root, "entity_type")).unwrap_or_default();
    let object = object.to_ascii_uppercase().replace(' ', "_");
    let schema_object = tree.text(root, "schema_object_kind").unwrap_or("SCHEMA").to_ascii_uppercase().replace(' ', "_");
    let index = if tree.boolean(root, "is_vector") { "VECTOR" } else { "SEARCH" };
    let dropped_index = if tree.enumerator(root, "index_type") == Some("INDEX_VECTOR") { "VECTOR" } else { "SEARCH" };
    let (name, effects): (&str, &[Effect]) = match tree.kind(root) {
        "ResolvedQueryStmt" => ("SELECT", &[]),
        "ResolvedInsertStmt" => ("INSERT", &[Insert]),
        "ResolvedUpdateStmt" => ("UPDATE", &[Update]),
        "ResolvedDeleteStmt" => ("DELETE", &[Delete]),
        "ResolvedMergeStmt" => ("MERGE", &[Merge]),
        "ResolvedTruncateStmt" => ("TRUNCATE_TABLE", &[Truncate]),
        "ResolvedAssertStmt" => ("ASSERT", &[Assert]),
        "ResolvedCreateTableAsSelectStmt" => ("CREATE_TABLE_AS_SELECT", &[Create]),
        "ResolvedCreateTableStmt" => ("CREATE_TABLE", &[Create]),
        "ResolvedCreateSnapshotTableStmt" => ("CREATE_SNAPSHOT_TABLE", &[Create]),
        "ResolvedCreateExternalTableStmt" => ("CREATE_EXTERNAL_TABLE", &[Create]),
        "ResolvedCreateViewStmt" => ("CREATE_VIEW", &[Create]),
        "ResolvedCreateMaterializedViewStmt" => ("CREATE_MATERIALIZED_VIEW", &[Create]),
        "ResolvedCreateFunctionStmt" => ("CREATE_FUNCTION", &[Create]),
        "ResolvedCreateTableFunctionStmt" => ("CREATE_TABLE_FUNCTION", &[Create]),
        "ResolvedCreateProcedureStmt" => ("CREATE_PROCEDURE", &[Create]),
        "ResolvedCreateModelStmt" => ("CREATE_MODEL", &[Create, Model]),
        "ResolvedCreateSchemaStmt" => ("CREATE_SCHEMA", &[Create]),
        "ResolvedCreateExternalSchemaStmt" => ("CREATE_EXTERNAL_SCHEMA", &[Create]),
        "ResolvedCreateRowAccessPolicyStmt" => ("CREATE_ROW_ACCESS_POLICY", &[Create, Grant]),
        "ResolvedCreateIndexStmt" => return Some((format!("CREATE_{index}_INDEX"), vec![Create])),
        "ResolvedCreateEntityStmt" => return Some((format!("CREATE_{object}"), administrative(&object, Create))),
        "ResolvedCreateConnectionStmt" => ("CREATE_CONNECTION", &[Administration, Create]),
        "ResolvedCreatePropertyGraphStmt" => ("CREATE_PROPERTY_GRAPH", &[Create]),
        "ResolvedDropStmt" => return Some((format!("DROP_{object}"), administrative(&object, Drop))),
        "ResolvedDropFunctionStmt" => ("DROP_FUNCTION", &[Drop]),
        "ResolvedDropTableFunctionStmt" => ("DROP_TABLE_FUNCTION", &[Drop]),
        "ResolvedDropMaterializedViewStmt" => ("DROP_MATERIALIZED_VIEW", &[Drop]),
        "ResolvedDropSnapshotTableStmt" => ("DROP_SNAPSHOT_TABLE", &[Drop]),
        "ResolvedDropRowAccessPolicyStmt" => ("DROP_ROW_ACCESS_POLICY", &[Drop, Grant]),
        "ResolvedDropIndexStmt" => return Some((format!("DROP_{dropped_index}_INDEX"), vec![Drop])),
        "ResolvedAlterTableStmt" | "ResolvedAlterTableSetOptionsStmt" => ("ALTER_TABLE", &[Alter]),
        "ResolvedAlterViewStmt" => ("ALTER_VIEW", &[Alter]),
        "ResolvedAlterMaterializedViewStmt" => ("ALTER_MATERIALIZED_VIEW", &[Alter]),
        "ResolvedAlterSchemaStmt" => ("ALTER_SCHEMA", &[Alter]),
        "ResolvedAlterExternalSchemaStmt" => ("ALTER_EXTERNAL_SCHEMA", &[Alter]),
        "ResolvedAlterModelStmt" => ("ALTER_MODEL", &[Alter, Model]),
        "ResolvedAlterConnectionStmt" => ("ALTER_CONNECTION", &[Administration, Alter]),
        "ResolvedAlterIndexStmt" => return Some((format!("ALTER_{dropped_index}_INDEX"), vec![Alter])),
        "ResolvedAlterRowAccessPolicyStmt" | "ResolvedAlterAllRowAccessPoliciesStmt" => ("ALTER_ROW_ACCESS_POLICY", &[Alter, Grant]),
        "ResolvedAlterEntityStmt" => return Some((format!("ALTER_{object}"), administrative(&object, Alter))),
        "ResolvedRenameStmt" => ("ALTER_TABLE", &[Alter]),
        "ResolvedUndropStmt" => return Some((format!("UNDROP_{schema_object}"), vec![Restore])),
        "ResolvedExportDataStmt" => ("EXPORT_DATA", &[Export]),
        "ResolvedExportModelStmt" => ("EXPORT_MODEL", &[Export, Model]),
        "ResolvedAuxLoadDataStmt" => ("LOAD_DATA", &[Load]),
        "ResolvedGrantStmt" => return Some((format!("GRANT_ON_{}", granted(tree, root)), granting(&granted(tree, root), Grant))),
        "ResolvedRevokeStmt" => return Some((format!("REVOKE_ON_{}", granted(tree, root)), granting(&granted(tree, root), Revoke))),
        "ResolvedExportMetadataStmt" => ("EXPORT_METADATA", &[Export]),
        "ResolvedBeginStmt" => ("BEGIN_TRANSACTION", &[Transaction]),
        "ResolvedCommitStmt" => ("COMMIT_TRANSACTION", &[Transaction]),
        "ResolvedRollbackStmt" => ("ROLLBACK_TRANSACTION", &[Transaction]),
        _ => return None,
    };
    Some((name.to_owned(), effects.to_vec()))
}

/// What a GRANT or REVOKE is on.
fn granted(tree: &Tree, root: NodeId) -> String {
    let words = tree.texts(root, "object_type_list");
    words.last().map(|word| word.to_ascii_uppercase()).unwrap_or_default()
}

fn granting(object: &str, effect: Effect) -> Vec<Effect> {
    match object {
        "TABLE" | "VIEW" | "SCHEMA" | "MODEL" | "FUNCTION" | "PROCEDURE" => vec![effect],
        _ => vec![Effect::Administration, effect],
    }
}

/// What lives in a dataset is data; everything else that has a name is BigQuery's administration.
fn administrative(object: &str, effect: Effect) -> Vec<Effect> {
    match object {
        "TABLE" | "VIEW" | "EXTERNAL_TABLE" | "MATERIALIZED_VIEW" | "SCHEMA" | "EXTERNAL_SCHEMA" | "FUNCTION" | "PROCEDURE"
        | "PROPERTY_GRAPH" => {
            vec![effect]
        }
        "MODEL" => vec![effect, Effect::Model],
        "DATA_POLICY" => vec![Effect::Administration, effect, Effect::Grant],
        _ => vec![Effect::Administration, effect],
    }
}
