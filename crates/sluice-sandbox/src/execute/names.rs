//! What a written path means.

use crate::store::DatasetName;
use sluice_model::TableName;

/// What unqualified names are completed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    pub project: String,
    pub dataset: Option<DatasetName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `INFORMATION_SCHEMA.<view>` of a dataset, of a region, or of the project; `__TABLES__` of a dataset.
    InformationSchema {
        project: String,
        qualifier: Option<String>,
        view: String,
    },
    Table(TableName),
    /// One part and no default dataset: a temporary table, or nothing.
    Unqualified(String),
    /// The name without its star.
    Wildcard(TableName),
}

/// What was there before `INFORMATION_SCHEMA.TABLES`, and still is.
pub const TABLES_SUMMARY: &str = "__TABLES__";

/// Views that a project has, or a region of it, and no dataset.
const OF_PROJECT: [&str; 1] = ["SCHEMATA"];
pub const REGION_PREFIX: &str = "region-";

impl Defaults {
    /// `None` for a path with too many parts: an array of an alias, or nothing at all.
    pub fn table(&self, path: &[String]) -> Option<Target> {
        if let Some(position) = path.iter().position(|part| part.eq_ignore_ascii_case("INFORMATION_SCHEMA")) {
            return self.information_schema(path, position);
        }
        let name = match path {
            [table] => match &self.dataset {
                None => return Some(Target::Unqualified(table.clone())),
                Some(default) => TableName::new(&default.project, &default.dataset, table),
            },
            [dataset, table] => TableName::new(&self.project, dataset, table),
            [project, dataset, table] => TableName::new(project, dataset, table),
            _ => return None,
        };
        if name.table.eq_ignore_ascii_case(TABLES_SUMMARY) {
            let view = TABLES_SUMMARY.to_owned();
            return Some(Target::InformationSchema { project: name.project, qualifier: Some(name.dataset), view });
        }
        Some(match name.table.strip_suffix('*') {
            Some(prefix) => Target::Wildcard(TableName { table: prefix.to_owned(), ..name.clone() }),
            None => Target::Table(name),
        })
    }

    /// Routines, and tables that a statement makes: never temporary, never a wildcard.
    pub fn object(&self, path: &[String]) -> Option<TableName> {
        match self.table(path)? {
            Target::Table(name) => Some(name),
            _ => None,
        }
    }

    pub fn dataset(&self, path: &[String]) -> Option<DatasetName> {
        match path {
            [dataset] => Some(DatasetName::new(&self.project, dataset)),
            [project, dataset] => Some(DatasetName::new(project, dataset)),
            _ => None,
        }
    }

    fn information_schema(&self, path: &[String], position: usize) -> Option<Target> {
        let (before, after) = path.split_at_checked(position)?;
        let [_, view] = after else { return None };
        let is_of_project = OF_PROJECT.iter().any(|known| view.eq_ignore_ascii_case(known));
        let is_region = |name: &str| name.to_ascii_lowercase().starts_with(REGION_PREFIX);
        let (project, qualifier) = match before {
            [] if is_of_project => (self.project.clone(), None),
            [project] if is_of_project && !is_region(project) => (project.clone(), None),
            [_, qualifier] if is_of_project && !is_region(qualifier) => return None,
            [] => (self.project.clone(), self.dataset.as_ref().map(|default| default.dataset.clone())),
            [qualifier] => (self.project.clone(), Some(qualifier.clone())),
            [project, qualifier] => (project.clone(), Some(qualifier.clone())),
            _ => return None,
        };
        Some(Target::InformationSchema { project, qualifier, view: view.to_ascii_uppercase() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_completed() {
        let bare = Defaults { project: "p".to_owned(), dataset: None };
        let within = Defaults { dataset: Some(DatasetName::new("q", "d")), ..bare.clone() };
        let check = |defaults: &Defaults, path: &str, expect: Option<Target>| {
            let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
            assert_eq!(defaults.table(&parts), expect, "{path}");
        };
        check(&bare, "t", Some(Target::Unqualified("t".to_owned())));
        check(&within, "t", Some(Target::Table(TableName::new("q", "d", "t"))));
        check(&within, "e.t", Some(Target::Table(TableName::new("p", "e", "t"))));
        check(&bare, "r.e.t_*", Some(Target::Wildcard(TableName::new("r", "e", "t_"))));
        check(&bare, "a.b.c.d", None);
        let schema = |qualifier: Option<&str>| Target::InformationSchema {
            project: "p".to_owned(),
            qualifier: qualifier.map(str::to_owned),
            view: "TABLES".to_owned(),
        };
        check(&bare, "INFORMATION_SCHEMA.tables", Some(schema(None)));
        check(&bare, "p.region-us.information_schema.TABLES", Some(schema(Some("region-us"))));
        check(&bare, "d.INFORMATION_SCHEMA", None);
        let schemata = |project: &str, qualifier: Option<&str>| Target::InformationSchema {
            project: project.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            view: "SCHEMATA".to_owned(),
        };
        check(&within, "INFORMATION_SCHEMA.SCHEMATA", Some(schemata("p", None)));
        check(&bare, "q.information_schema.schemata", Some(schemata("q", None)));
        check(&bare, "region-us.INFORMATION_SCHEMA.SCHEMATA", Some(schemata("p", Some("region-us"))));
        check(&bare, "q.region-us.INFORMATION_SCHEMA.SCHEMATA", Some(schemata("q", Some("region-us"))));
        check(&bare, "q.d.INFORMATION_SCHEMA.SCHEMATA", None);
        let summary =
            Target::InformationSchema { project: "p".to_owned(), qualifier: Some("d".to_owned()), view: TABLES_SUMMARY.to_owned() };
        check(&bare, "d.__tables__", Some(summary));
    }
}
