//! Tables as jobs name and describe them.

use super::super::shape::{Message, Shape, TEXT, dropped, kept, refused};

/// BigQuery takes 10 000 columns of a table.
const FIELDS_MAX: usize = 10_000;
const LONG: Shape = Shape::Long { least: 0 };

pub(super) const CREATE_DISPOSITION: Shape = Shape::Words(&["CREATE_IF_NEEDED", "CREATE_NEVER"]);
pub(super) const WRITE_DISPOSITION: Shape = Shape::Words(&["WRITE_APPEND", "WRITE_EMPTY", "WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"]);
pub(super) const SCHEMA_UPDATES: Shape = Shape::List(&Shape::Words(&["ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"]), 2);

pub(in crate::rest) static TABLE_REFERENCE: Message =
    Message { name: "TableReference", fields: &[kept("projectId", TEXT), kept("datasetId", TEXT), kept("tableId", TEXT)] };

pub(in crate::rest) static DATASET_REFERENCE: Message =
    Message { name: "DatasetReference", fields: &[kept("projectId", TEXT), kept("datasetId", TEXT)] };

pub(in crate::rest) static MODEL_REFERENCE: Message =
    Message { name: "ModelReference", fields: &[kept("projectId", TEXT), kept("datasetId", TEXT), kept("modelId", TEXT)] };

pub(super) static ENCRYPTION: Message = Message { name: "EncryptionConfiguration", fields: &[kept("kmsKeyName", TEXT)] };

pub(in crate::rest) static CLUSTERING: Message = Message { name: "Clustering", fields: &[kept("fields", Shape::List(&TEXT, 4))] };

pub(in crate::rest) static TIME_PARTITIONING: Message = Message {
    name: "TimePartitioning",
    fields: &[
        kept("type", Shape::Words(&["DAY", "HOUR", "MONTH", "YEAR"])),
        kept("field", TEXT),
        kept("expirationMs", LONG),
        kept("requirePartitionFilter", Shape::Flag),
    ],
};

pub(in crate::rest) static RANGE_PARTITIONING: Message =
    Message { name: "RangePartitioning", fields: &[kept("field", TEXT), kept("range", Shape::Object(&RANGE))] };

const BOUND: Shape = Shape::Long { least: i64::MIN };

static RANGE: Message =
    Message { name: "RangePartitioning.range", fields: &[kept("start", BOUND), kept("end", BOUND), kept("interval", BOUND)] };

pub(in crate::rest) static SCHEMA: Message =
    Message { name: "TableSchema", fields: &[kept("fields", Shape::Objects(&FIELD, FIELDS_MAX)), refused("foreignTypeInfo", FOREIGN)] };

const FOREIGN: &str = "describes types of another system, which the gateway does not read: take it away";
const DATA_POLICIES: &str = "sets who sees a column, which a load job may not: use a statement or the console";

static FIELD: Message = Message {
    name: "TableFieldSchema",
    fields: &[
        kept("name", TEXT),
        kept("type", TEXT),
        kept("mode", Shape::Words(&["NULLABLE", "REQUIRED", "REPEATED"])),
        kept("fields", Shape::Objects(&FIELD, FIELDS_MAX)),
        kept("description", TEXT),
        kept("policyTags", Shape::Object(&POLICY_TAGS)),
        kept("maxLength", LONG),
        kept("precision", LONG),
        kept("scale", LONG),
        kept("timestampPrecision", LONG),
        kept("collation", TEXT),
        kept("roundingMode", Shape::Words(&["ROUNDING_MODE_UNSPECIFIED", "ROUND_HALF_AWAY_FROM_ZERO", "ROUND_HALF_EVEN"])),
        kept("rangeElementType", Shape::Object(&RANGE_ELEMENT)),
        dropped("categories"),
        refused("dataGovernanceTagsInfo", DATA_POLICIES),
        refused("dataPolicies", DATA_POLICIES),
        refused("dataPolicyList", DATA_POLICIES),
        kept("defaultValueExpression", TEXT),
        refused("foreignTypeDefinition", FOREIGN),
        refused("generatedColumn", "is SQL outside of a statement: use `CREATE TABLE`"),
    ],
};

static POLICY_TAGS: Message = Message { name: "TableFieldSchema.policyTags", fields: &[kept("names", Shape::List(&TEXT, 8))] };

static RANGE_ELEMENT: Message = Message { name: "TableFieldSchema.rangeElementType", fields: &[kept("type", TEXT)] };
