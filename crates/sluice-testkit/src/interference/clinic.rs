//! The clinic: its tables, and the columns whose values are labelled.

use sluice_model::{ColumnPath, TableName, Type};

pub struct ClinicTable {
    pub name: &'static str,
    /// Columns with their types, in order.
    pub columns: &'static [(&'static str, &'static str)],
    /// Columns that tell the rows apart and are not labelled.
    pub key: &'static [&'static str],
    pub labelled: &'static [&'static str],
}

pub const PROJECT: &str = "acme-prod";
pub const DATASET: &str = "clinic";

/// The view's query; `TABLES` lists what it gives.
pub const VIEW: (&str, &str) = ("v_patients", "SELECT id, ssn AS national_id, name FROM `acme-prod.clinic.patients`");

pub const TABLES: &[ClinicTable] = &[
    ClinicTable {
        name: "patients",
        columns: &[
            ("id", "INT64"),
            ("name", "STRING"),
            ("ssn", "STRING"),
            ("dob", "DATE"),
            ("email", "STRING"),
            ("address", "STRUCT<street STRING, city STRING, zip STRING>"),
            ("phones", "ARRAY<STRING>"),
            ("contacts", "ARRAY<STRUCT<name STRING, phone STRING>>"),
            ("notes", "JSON"),
            ("ward", "STRING"),
            ("admitted_at", "TIMESTAMP"),
        ],
        key: &["id"],
        labelled: &["ssn", "email", "address.street", "phones", "contacts.phone", "notes"],
    },
    ClinicTable {
        name: "visits",
        columns: &[
            ("id", "INT64"),
            ("patient_id", "INT64"),
            ("cost", "NUMERIC"),
            ("diagnosis", "STRING"),
            ("doctor", "STRING"),
            ("at", "TIMESTAMP"),
        ],
        key: &["id"],
        labelled: &["diagnosis"],
    },
    ClinicTable {
        name: "cards",
        columns: &[("patient_id", "INT64"), ("credit_card", "STRING"), ("exp", "DATE"), ("limit_usd", "NUMERIC")],
        key: &["exp"],
        labelled: &["credit_card"],
    },
    ClinicTable {
        name: "v_patients",
        columns: &[("id", "INT64"), ("national_id", "STRING"), ("name", "STRING")],
        key: &["id"],
        labelled: &["national_id"],
    },
];

pub fn table_name(table: &str) -> TableName {
    TableName::new(PROJECT, DATASET, table)
}

/// Every labelled column of a base table, by its canonical path.
pub fn labels() -> Vec<ColumnPath> {
    let base = TABLES.iter().filter(|table| table.name != VIEW.0);
    base.flat_map(|table| table.labelled.iter().map(|path| column_path(table.name, path))).collect()
}

pub fn column_path(table: &str, path: &str) -> ColumnPath {
    ColumnPath { table: table_name(table), path: path.split('.').map(str::to_owned).collect() }
}

impl ClinicTable {
    /// Columns and types. A type that does not parse would be left out: a test keeps that from happening.
    pub fn kinds(&self) -> Vec<(&'static str, Type)> {
        self.columns.iter().filter_map(|(name, kind)| Some((*name, Type::parse(kind).ok()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_type() {
        for table in TABLES {
            assert_eq!(table.kinds().len(), table.columns.len(), "{}", table.name);
        }
        assert_eq!(labels().len(), 8);
    }
}
