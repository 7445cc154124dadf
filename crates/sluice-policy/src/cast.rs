//! Who and what a decision is about, by name and by what it is in; and the same as Cedar's entities, made when Cedar is asked.

use crate::fact::{Fact, Fault};
use crate::labels::{Found, Known, canonical_table};
use crate::question::{About, Question};
use crate::request::{Request, Resource};
use crate::set::PolicySet;
use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use sluice_model::principal::{CallerKind, Principal};
use sluice_model::{ColumnPath, TableName};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

/// One of the schema's entities with everything above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub kind: &'static str,
    pub id: Cow<'a, str>,
    pub above: Vec<(&'static str, Cow<'a, str>)>,
}

/// Knows what each thing of one decision is in, and which labels it has.
pub(crate) struct Cast<'a> {
    set: &'a PolicySet,
    request: &'a Request,
    known: &'a Known,
    found: &'a Found<'a>,
    /// By canonical name, the labels of the columns that are read. Nothing for a table that is not read.
    read: HashMap<TableName, BTreeSet<&'a str>>,
}

impl<'a> Cast<'a> {
    pub fn new(set: &'a PolicySet, request: &'a Request, known: &'a Known, found: &'a Found<'a>, columns: &[ColumnPath]) -> Cast<'a> {
        let mut read: HashMap<TableName, BTreeSet<&'a str>> = HashMap::new();
        let mut last: Option<(&TableName, TableName)> = None;
        for column in columns {
            if last.as_ref().is_none_or(|(table, _)| **table != column.table) {
                last = Some((&column.table, canonical_table(&column.table)));
            }
            let Some((_, table)) = &last else { continue };
            let labels = found.of(column);
            match read.get_mut(table) {
                Some(all) => all.extend(labels.iter().map(|label| label.name.as_str())),
                None => drop(read.insert(table.clone(), labels.iter().map(|label| label.name.as_str()).collect())),
            }
        }
        Cast { set, request, known, found, read }
    }

    pub fn about(&self, question: &Question) -> Member<'a> {
        match &question.about {
            About::Column(column) => self.column(column, question),
            About::Resource(resource) => self.resource(resource),
        }
    }

    /// Those that a question is about.
    pub fn labels(&self, question: &Question) -> Vec<&'a str> {
        match &question.about {
            About::Column(column) => {
                let labels = self.labels_of_column(column);
                labels.filter(|label| question.label.as_deref().is_none_or(|asked| asked == *label)).collect()
            }
            About::Resource(_) => Vec::new(),
        }
    }

    /// Questions about the same column with another label, counted: Cedar takes them for different columns.
    pub fn layer(&self, question: &Question) -> usize {
        match (&question.about, &question.label) {
            (About::Column(column), Some(asked)) => self.labels_of_column(column).position(|label| label == asked).unwrap_or_default(),
            _ => 0,
        }
    }

    /// What conditions can read of the thing that a question is about.
    pub fn attributes(&self, question: &Question) -> Fact<'a> {
        Fact::Record(match &question.about {
            About::Column(_) => vec![("labels", Fact::Texts(self.labels(question).into_iter().collect()))],
            About::Resource(Resource::Job { mine, .. }) => vec![("mine", Fact::Flag(*mine))],
            About::Resource(Resource::Table(table)) => vec![("labels", Fact::Texts(self.labels_of_table(table)))],
            About::Resource(_) => Vec::new(),
        })
    }

    fn resource(&self, resource: &Resource) -> Member<'a> {
        match resource {
            Resource::Connection => Member::new("Connection", Cow::Borrowed(self.request.connection.as_str()), None),
            Resource::Project(project) => self.project(project),
            Resource::Dataset { project, dataset } => self.dataset(project, dataset),
            Resource::Table(table) => self.table(table),
            Resource::Routine(name) => self.in_dataset("Routine", name),
            Resource::Model(name) => self.in_dataset("Model", name),
            Resource::Job { project, id, .. } => Member::new("Job", format!("{project}.{id}"), Some(self.project(project))),
        }
    }

    fn project(&self, project: &str) -> Member<'a> {
        let connection = self.resource(&Resource::Connection);
        if project.is_empty() { connection } else { Member::new("Project", project.to_owned(), Some(connection)) }
    }

    fn dataset(&self, project: &str, dataset: &str) -> Member<'a> {
        let parent = self.project(project);
        if dataset.is_empty() { parent } else { Member::new("Dataset", format!("{project}.{dataset}"), Some(parent)) }
    }

    fn in_dataset(&self, kind: &'static str, name: &TableName) -> Member<'a> {
        // What is in no dataset is in no project either: `AI.GENERATE`, a connection.
        if name.dataset.is_empty() {
            return Member::new(kind, name.table.clone(), None);
        }
        Member::new(kind, name.to_string(), Some(self.dataset(&name.project, &name.dataset)))
    }

    fn table(&self, table: &TableName) -> Member<'a> {
        let bare = table.bare();
        Member::new("Table", bare.to_string(), Some(self.dataset(&bare.project, &bare.dataset)))
    }

    fn column(&self, column: &ColumnPath, question: &Question) -> Member<'a> {
        let table = self.table(&column.table);
        let bare = ColumnPath { table: column.table.bare(), path: column.path.clone() };
        let mut member = Member::new("Column", bare.to_string(), Some(table));
        member.above.extend(self.labels(question).into_iter().map(|label| ("Label", Cow::Borrowed(label))));
        member
    }

    fn labels_of_column(&self, column: &ColumnPath) -> impl Iterator<Item = &'a str> + use<'a> {
        self.found.of(column).into_iter().map(|label| label.name.as_str())
    }

    /// Labels of the columns that are read; of a table that is not read, those that any of its columns may have.
    fn labels_of_table(&self, table: &TableName) -> BTreeSet<&'a str> {
        let table = canonical_table(table);
        self.read.get(&table).cloned().unwrap_or_else(|| self.set.labels.of_table(&table, self.known))
    }
}

impl<'a> Member<'a> {
    fn new(kind: &'static str, id: impl Into<Cow<'a, str>>, parent: Option<Member<'a>>) -> Member<'a> {
        let mut above = Vec::new();
        if let Some(parent) = parent {
            above = parent.above;
            above.push((parent.kind, parent.id));
        }
        Member { kind, id: id.into(), above }
    }

    pub fn principal(principal: &'a Principal) -> Member<'a> {
        let kind = match principal.kind {
            CallerKind::Agent => "Agent",
            CallerKind::Person => "Person",
            CallerKind::Pipeline => "Pipeline",
            CallerKind::Service => "Service",
        };
        let above = principal.groups.iter().map(|group| ("Group", Cow::Borrowed(group.as_str())));
        Member { kind, id: principal.to_string().into(), above: above.collect() }
    }

    /// As Cedar's `in` has it: of itself too.
    pub fn is_in(&self, kind: &str, id: &str) -> bool {
        let own = (self.kind, self.id.as_ref());
        self.above.iter().map(|(kind, id)| (*kind, id.as_ref())).chain([own]).any(|known| known == (kind, id))
    }

    pub fn uid(&self, set: &PolicySet) -> Result<EntityUid, Fault> {
        uid(set, self.kind, &self.id)
    }

    /// Everything above it is named at once, so nothing is left to be closed over.
    pub fn entity(&self, set: &PolicySet, attributes: &Fact<'_>, tags: Vec<(String, RestrictedExpression)>) -> Result<Entity, Fault> {
        let above = self.above.iter().map(|(kind, id)| uid(set, kind, id)).collect::<Result<HashSet<_>, _>>()?;
        let attributes = attributes.fields()?.into_iter().collect::<HashMap<_, _>>();
        Entity::new_with_tags(self.uid(set)?, attributes, above, tags).map_err(|error| error.to_string())
    }
}

fn uid(set: &PolicySet, kind: &'static str, id: &str) -> Result<EntityUid, Fault> {
    set.vocabulary.uid(kind, id).ok_or_else(|| format!("`{kind}` is no type of the schema"))
}
