//! A load: rows out of files, or out of what the client uploads.

use super::super::shape::{COUNT, Message, Shape, TEXT, dropped, kept, refused};
use super::job::LABELS;
use super::query::{CONNECTION_PROPERTY, CREATE_SESSION};
use super::table::{CLUSTERING, CREATE_DISPOSITION, ENCRYPTION, RANGE_PARTITIONING, SCHEMA, SCHEMA_UPDATES};
use super::table::{TABLE_REFERENCE, TIME_PARTITIONING, WRITE_DISPOSITION};

const URIS_MAX: usize = 10_000;
const WORDS_MAX: usize = 100;
const PROPERTIES_MAX: usize = 32;
const WORDS: Shape = Shape::List(&TEXT, WORDS_MAX);

pub(in super::super) static LOAD: Message = Message {
    name: "JobConfigurationLoad",
    fields: &[
        kept("sourceUris", Shape::List(&TEXT, URIS_MAX)),
        kept("destinationTable", Shape::Object(&TABLE_REFERENCE)),
        kept("createDisposition", CREATE_DISPOSITION),
        kept("writeDisposition", WRITE_DISPOSITION),
        kept("schema", Shape::Object(&SCHEMA)),
        kept("schemaUpdateOptions", SCHEMA_UPDATES),
        kept("autodetect", Shape::Flag),
        kept("timePartitioning", Shape::Object(&TIME_PARTITIONING)),
        kept("rangePartitioning", Shape::Object(&RANGE_PARTITIONING)),
        kept("clustering", Shape::Object(&CLUSTERING)),
        kept("destinationEncryptionConfiguration", Shape::Object(&ENCRYPTION)),
        kept("destinationTableProperties", Shape::Object(&DESTINATION_PROPERTIES)),
        kept("sourceFormat", Shape::Words(&["CSV", "NEWLINE_DELIMITED_JSON", "AVRO", "PARQUET", "ORC", "DATASTORE_BACKUP"])),
        kept("allowJaggedRows", Shape::Flag),
        kept("allowQuotedNewlines", Shape::Flag),
        kept("columnNameCharacterMap", Shape::Words(&["COLUMN_NAME_CHARACTER_MAP_UNSPECIFIED", "STRICT", "V1", "V2"])),
        kept("dateFormat", TEXT),
        kept("datetimeFormat", TEXT),
        kept("decimalTargetTypes", Shape::List(&Shape::Words(&["NUMERIC", "BIGNUMERIC", "STRING"]), 3)),
        kept("encoding", TEXT),
        kept("fieldDelimiter", TEXT),
        kept("hivePartitioningOptions", Shape::Object(&HIVE_PARTITIONING)),
        kept("ignoreUnknownValues", Shape::Flag),
        kept("jsonExtension", Shape::Words(&["JSON_EXTENSION_UNSPECIFIED", "GEOJSON"])),
        kept("maxBadRecords", COUNT),
        kept("nullMarker", TEXT),
        kept("nullMarkers", WORDS),
        kept("parquetOptions", Shape::Object(&PARQUET)),
        kept("preserveAsciiControlCharacters", Shape::Flag),
        kept("projectionFields", Shape::List(&TEXT, URIS_MAX)),
        kept("quote", TEXT),
        kept("referenceFileSchemaUri", TEXT),
        kept("skipLeadingRows", COUNT),
        kept("sourceColumnMatch", Shape::Words(&["SOURCE_COLUMN_MATCH_UNSPECIFIED", "POSITION", "NAME"])),
        kept("timeFormat", TEXT),
        kept("timeZone", TEXT),
        kept("timestampFormat", TEXT),
        kept("timestampTargetPrecision", Shape::List(&COUNT, 4)),
        kept("useAvroLogicalTypes", Shape::Flag),
        kept("connectionProperties", Shape::Objects(&CONNECTION_PROPERTY, PROPERTIES_MAX)),
        CREATE_SESSION,
        // A manifest names files that nobody has seen.
        kept("fileSetSpecType", Shape::Words(&["FILE_SET_SPEC_TYPE_FILE_SYSTEM_MATCH"])),
        // Node's client says where once more.
        dropped("location"),
        refused("copyFilesOnly", "moves files instead of rows, which the gateway does not do: take it away"),
        refused("schemaInline", "is a schema as a text, which the gateway does not read: use `schema`"),
        refused("schemaInlineFormat", "goes with `schemaInline`: use `schema`"),
    ],
};

static DESTINATION_PROPERTIES: Message = Message {
    name: "DestinationTableProperties",
    fields: &[
        kept("description", TEXT),
        kept("friendlyName", TEXT),
        kept("labels", LABELS),
        refused("expirationTime", "is for BigQuery's own use: set it by `ALTER TABLE ... SET OPTIONS`"),
    ],
};

static HIVE_PARTITIONING: Message = Message {
    name: "HivePartitioningOptions",
    fields: &[
        kept("mode", Shape::Words(&["AUTO", "STRINGS", "CUSTOM"])),
        kept("sourceUriPrefix", TEXT),
        kept("requirePartitionFilter", Shape::Flag),
        dropped("fields"),
    ],
};

static PARQUET: Message = Message {
    name: "ParquetOptions",
    fields: &[
        kept("enableListInference", Shape::Flag),
        kept("enumAsString", Shape::Flag),
        kept("mapTargetType", Shape::Words(&["MAP_TARGET_TYPE_UNSPECIFIED", "ARRAY_OF_STRUCT"])),
    ],
};
