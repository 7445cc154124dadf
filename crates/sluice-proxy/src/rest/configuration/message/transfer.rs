//! Copies and extracts.

use super::super::shape::{Message, Shape, TEXT, kept};
use super::query::SECURE_CONTEXT;
use super::table::{CREATE_DISPOSITION, ENCRYPTION, MODEL_REFERENCE, TABLE_REFERENCE, WRITE_DISPOSITION};

/// BigQuery takes 1200 source tables.
const SOURCES_MAX: usize = 1_200;
const URIS_MAX: usize = 10_000;

pub(in super::super) static COPY: Message = Message {
    name: "JobConfigurationTableCopy",
    fields: &[
        kept("sourceTable", Shape::Object(&TABLE_REFERENCE)),
        kept("sourceTables", Shape::Objects(&TABLE_REFERENCE, SOURCES_MAX)),
        kept("destinationTable", Shape::Object(&TABLE_REFERENCE)),
        kept("operationType", Shape::Words(&["OPERATION_TYPE_UNSPECIFIED", "COPY", "SNAPSHOT", "RESTORE", "CLONE"])),
        kept("createDisposition", CREATE_DISPOSITION),
        kept("writeDisposition", WRITE_DISPOSITION),
        kept("destinationExpirationTime", TEXT),
        kept("destinationEncryptionConfiguration", Shape::Object(&ENCRYPTION)),
    ],
};

pub(in super::super) static EXTRACT: Message = Message {
    name: "JobConfigurationExtract",
    fields: &[
        kept("sourceTable", Shape::Object(&TABLE_REFERENCE)),
        kept("sourceModel", Shape::Object(&MODEL_REFERENCE)),
        kept("destinationUri", TEXT),
        kept("destinationUris", Shape::List(&TEXT, URIS_MAX)),
        kept(
            "destinationFormat",
            Shape::Words(&["CSV", "NEWLINE_DELIMITED_JSON", "PARQUET", "AVRO", "ML_TF_SAVED_MODEL", "ML_XGBOOST_BOOSTER"]),
        ),
        kept("compression", Shape::Words(&["NONE", "GZIP", "DEFLATE", "SNAPPY", "ZSTD"])),
        kept("fieldDelimiter", TEXT),
        kept("printHeader", Shape::Flag),
        kept("useAvroLogicalTypes", Shape::Flag),
        kept("nativeGeographyExportEnabled", Shape::Flag),
        kept("modelExtractOptions", Shape::Object(&MODEL_OPTIONS)),
        SECURE_CONTEXT,
    ],
};

static MODEL_OPTIONS: Message = Message { name: "ModelExtractOptions", fields: &[kept("trialId", Shape::Long { least: 0 })] };
