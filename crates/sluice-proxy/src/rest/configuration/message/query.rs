//! A query, as a job and as `jobs.query` has it.

use super::super::shape::{COUNT, Field, Message, Shape, TEXT, dropped, kept, refused};
use super::job::{DRY_RUN, JOB_LABELS, JOB_TIMEOUT, MAX_SLOTS, RESERVATION, TIMEOUT};
use super::table::{CLUSTERING, CREATE_DISPOSITION, DATASET_REFERENCE, ENCRYPTION, RANGE_PARTITIONING, SCHEMA_UPDATES};
use super::table::{TABLE_REFERENCE, TIME_PARTITIONING, WRITE_DISPOSITION};
use sluice_sql::STATEMENT_BYTES_MAX;

const PARAMETERS_MAX: usize = 10_000;
/// Of one array.
const ELEMENTS_MAX: usize = 100_000;
/// Of one struct.
const FIELDS_MAX: usize = 500;
const PROPERTIES_MAX: usize = 32;

pub(in super::super) static QUERY: Message = Message {
    name: "JobConfigurationQuery",
    fields: &[
        TEXT_OF_QUERY,
        USE_LEGACY_SQL,
        DEFAULT_DATASET,
        PARAMETER_MODE,
        PARAMETERS,
        kept("destinationTable", Shape::Object(&TABLE_REFERENCE)),
        kept("createDisposition", CREATE_DISPOSITION),
        kept("writeDisposition", WRITE_DISPOSITION),
        kept("schemaUpdateOptions", SCHEMA_UPDATES),
        kept("timePartitioning", Shape::Object(&TIME_PARTITIONING)),
        kept("rangePartitioning", Shape::Object(&RANGE_PARTITIONING)),
        kept("clustering", Shape::Object(&CLUSTERING)),
        KEY,
        CONNECTION_PROPERTIES,
        CREATE_SESSION,
        CONTINUOUS,
        WRITE_INCREMENTAL_RESULTS,
        SECURE_CONTEXT,
        MAXIMUM_BYTES_BILLED,
        USE_QUERY_CACHE,
        kept("priority", Shape::Words(&["INTERACTIVE", "BATCH"])),
        kept("scriptOptions", Shape::Object(&SCRIPT_OPTIONS)),
        // GoogleSQL takes no notice of these three.
        kept("allowLargeResults", Shape::Flag),
        kept("flattenResults", Shape::Flag),
        kept("maximumBillingTier", COUNT),
        PRESERVE_NULLS,
        refused(
            "tableDefinitions",
            "brings tables with the query, which the gateway cannot know: make an external table, or load the data",
        ),
        refused("userDefinedFunctionResources", "brings code with the query: write `CREATE TEMP FUNCTION` into its text"),
        dropped("systemVariables"),
        // Settings of Node's client for itself, which it forgets to take out.
        refused("dryRun", "stands in `configuration`, not in `query`: move it there"),
        dropped("maxResults"),
        dropped("parseJSON"),
        dropped("skipParsing"),
        dropped("timeoutMs"),
        dropped("wrapIntegers"),
    ],
};

pub(in super::super) static QUERY_REQUEST: Message = Message {
    name: "QueryRequest",
    fields: &[
        TEXT_OF_QUERY,
        USE_LEGACY_SQL,
        DEFAULT_DATASET,
        PARAMETER_MODE,
        PARAMETERS,
        KEY,
        CONNECTION_PROPERTIES,
        CREATE_SESSION,
        CONTINUOUS,
        WRITE_INCREMENTAL_RESULTS,
        SECURE_CONTEXT,
        MAXIMUM_BYTES_BILLED,
        USE_QUERY_CACHE,
        PRESERVE_NULLS,
        DRY_RUN,
        JOB_TIMEOUT,
        JOB_LABELS,
        MAX_SLOTS,
        RESERVATION,
        kept("location", TEXT),
        kept("requestId", TEXT),
        kept("maxResults", UNSIGNED),
        kept("timeoutMs", UNSIGNED),
        kept("formatOptions", Shape::Object(&FORMAT_OPTIONS)),
        // A job there always is: it is what a caller comes back to.
        kept("jobCreationMode", Shape::Words(&["JOB_CREATION_MODE_UNSPECIFIED", "JOB_CREATION_REQUIRED", "JOB_CREATION_OPTIONAL"])),
        kept("queryResultsFormat", Shape::Words(&["QUERY_RESULTS_FORMAT_UNSPECIFIED", "STRUCT_ENCODING"])),
        refused("arrowSerializationOptions", "goes with results in Arrow, which the gateway does not give here: take it away"),
        dropped("kind"),
    ],
};

/// The fields of a query that stand in both, in the order in which they are sent.
pub(in super::super) const OF_ANY_QUERY: [&str; 9] = [
    "query",
    "useLegacySql",
    "defaultDataset",
    "parameterMode",
    "queryParameters",
    "destinationEncryptionConfiguration",
    "connectionProperties",
    "maximumBytesBilled",
    "useQueryCache",
];

const TEXT_OF_QUERY: Field = kept("query", Shape::Text { bytes_max: STATEMENT_BYTES_MAX });
const USE_LEGACY_SQL: Field = kept("useLegacySql", Shape::Flag);
const DEFAULT_DATASET: Field = kept("defaultDataset", Shape::Object(&DATASET_REFERENCE));
const PARAMETER_MODE: Field = kept("parameterMode", Shape::Words(&["NAMED", "POSITIONAL"]));
const PARAMETERS: Field = kept("queryParameters", Shape::Objects(&PARAMETER, PARAMETERS_MAX));
const KEY: Field = kept("destinationEncryptionConfiguration", Shape::Object(&ENCRYPTION));
const CONNECTION_PROPERTIES: Field = kept("connectionProperties", Shape::Objects(&CONNECTION_PROPERTY, PROPERTIES_MAX));
const MAXIMUM_BYTES_BILLED: Field = kept("maximumBytesBilled", Shape::Long { least: 1 });
const USE_QUERY_CACHE: Field = kept("useQueryCache", Shape::Flag);
const PRESERVE_NULLS: Field = dropped("preserveNulls");
pub(super) const CREATE_SESSION: Field = refused("createSession", SESSIONS);
const CONTINUOUS: Field = refused("continuous", "makes a query that never ends, and the gateway answers for those that do: take it away");
const WRITE_INCREMENTAL_RESULTS: Field =
    refused("writeIncrementalResults", "shows rows before the job is done, and the gateway shows none before: take it away");
pub(super) const SECURE_CONTEXT: Field =
    refused("secureContext", "tells row access policies who asks, which is not for the client to say: take it away");

pub(in super::super) const SESSIONS: &str =
    "carries tables and variables from one query to the next, and the gateway cannot follow them: write the steps as one script";

const UNSIGNED: Shape = Shape::Number { least: 0, most: u32::MAX as i64 };

pub(super) static CONNECTION_PROPERTY: Message = Message { name: "ConnectionProperty", fields: &[kept("key", TEXT), kept("value", TEXT)] };

static FORMAT_OPTIONS: Message = Message {
    name: "DataFormatOptions",
    fields: &[
        kept("useInt64Timestamp", Shape::Flag),
        kept("timestampOutputFormat", Shape::Words(&["TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED", "FLOAT64", "INT64", "ISO8601_STRING"])),
    ],
};

static SCRIPT_OPTIONS: Message = Message {
    name: "ScriptOptions",
    fields: &[
        kept("statementTimeoutMs", TIMEOUT),
        kept("statementByteBudget", TIMEOUT),
        // Another result than the last one would be masked as the last one.
        kept("keyResultStatement", Shape::Words(&["KEY_RESULT_STATEMENT_KIND_UNSPECIFIED", "LAST"])),
    ],
};

static PARAMETER: Message = Message {
    name: "QueryParameter",
    fields: &[
        kept("name", TEXT),
        kept("parameterType", Shape::Object(&PARAMETER_TYPE)),
        kept("parameterValue", Shape::Object(&PARAMETER_VALUE)),
    ],
};

static PARAMETER_TYPE: Message = Message {
    name: "QueryParameterType",
    fields: &[
        kept("type", TEXT),
        kept("arrayType", Shape::Object(&PARAMETER_TYPE)),
        kept("structTypes", Shape::Objects(&PARAMETER_FIELD, FIELDS_MAX)),
        kept("rangeElementType", Shape::Object(&PARAMETER_TYPE)),
        kept("timestampPrecision", TIMEOUT),
    ],
};

static PARAMETER_FIELD: Message = Message {
    name: "QueryParameterType.structTypes",
    fields: &[kept("name", TEXT), kept("type", Shape::Object(&PARAMETER_TYPE)), dropped("description")],
};

static PARAMETER_VALUE: Message = Message {
    name: "QueryParameterValue",
    fields: &[
        kept("value", Shape::Scalar),
        kept("arrayValues", Shape::Objects(&PARAMETER_VALUE, ELEMENTS_MAX)),
        kept("structValues", Shape::Map(&PARAMETER_VALUE, FIELDS_MAX)),
        kept("rangeValue", Shape::Object(&RANGE_VALUE)),
    ],
};

static RANGE_VALUE: Message =
    Message { name: "RangeValue", fields: &[kept("start", Shape::Object(&PARAMETER_VALUE)), kept("end", Shape::Object(&PARAMETER_VALUE))] };
