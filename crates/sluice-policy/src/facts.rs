//! A request in Cedar's words: entities and context, as the schema has them.

use crate::ask::Matter;
use crate::labels::{Found, Known, canonical_table};
use crate::question::{self, About, Question, effect_word};
use crate::request::{Request, Resource, Work};
use crate::set::PolicySet;
use cedar_policy::{Context, Entity, EntityUid, RestrictedExpression};
use sluice_model::principal::{CallerKind, Principal, Run};
use sluice_model::{Analysis, ColumnPath, StatementAnalysis, TableName};
use std::collections::{BTreeSet, HashMap, HashSet};

const SECONDS_PER_HOUR: i64 = 60 * 60;
const HOURS_PER_DAY: i64 = 24;
const DAYS_PER_WEEK: i64 = 7;
/// What BigQuery calls a text of several statements.
const SCRIPT: &str = "SCRIPT";

/// The entities of one decision, each once, with everything above it.
pub(crate) struct Cast<'a> {
    set: &'a PolicySet,
    request: &'a Request,
    known: &'a Known,
    found: &'a Found<'a>,
    /// By canonical name, the labels of the columns that are read. Nothing for a table that is not read.
    read: HashMap<TableName, BTreeSet<&'a str>>,
    above: HashMap<EntityUid, Vec<EntityUid>>,
    entities: Vec<Entity>,
}

/// What could not be put into Cedar's words. It refuses.
pub(crate) type Fault = String;

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
        Cast { set, request, known, found, read, above: HashMap::new(), entities: Vec::new() }
    }

    pub fn into_entities(self) -> Vec<Entity> {
        self.entities
    }

    /// An entity and everything above it, the entity first.
    pub fn within(&self, uid: &EntityUid) -> impl Iterator<Item = &EntityUid> {
        self.above.get_key_value(uid).into_iter().flat_map(|(own, above)| std::iter::once(own).chain(above))
    }

    pub fn principal(&mut self, principal: &Principal) -> Result<EntityUid, Fault> {
        let kind = match principal.kind {
            CallerKind::Agent => "Agent",
            CallerKind::Person => "Person",
            CallerKind::Pipeline => "Pipeline",
            CallerKind::Service => "Service",
        };
        let mut groups = Vec::new();
        for group in &principal.groups {
            groups.push(self.add("Group", group, &[], Vec::new(), Vec::new())?);
        }
        let attributes = vec![("issuer", text(&principal.issuer)), ("subject", text(&principal.subject))];
        let tags = principal.facts.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        self.add(kind, &principal.to_string(), &groups, attributes, tags)
    }

    pub fn about(&mut self, question: &Question) -> Result<EntityUid, Fault> {
        match &question.about {
            About::Column(column) => self.column(column),
            About::Resource(resource) => self.resource(resource),
        }
    }

    pub fn action(&mut self, name: &str) -> Result<EntityUid, Fault> {
        let action = self.set.vocabulary.action(name).ok_or_else(|| format!("`{name}` is nothing that policy knows"))?;
        if self.above.insert(action.uid.clone(), action.groups.clone()).is_none() {
            self.entities.push(action.entity.clone());
        }
        Ok(action.uid.clone())
    }

    fn resource(&mut self, resource: &Resource) -> Result<EntityUid, Fault> {
        match resource {
            Resource::Connection => self.add("Connection", &self.request.connection, &[], Vec::new(), Vec::new()),
            Resource::Project(project) => self.project(project),
            Resource::Dataset { project, dataset } => self.dataset(project, dataset),
            Resource::Table(table) => self.table(table),
            Resource::Routine(name) => self.in_dataset("Routine", name),
            Resource::Model(name) => self.in_dataset("Model", name),
            Resource::Job { project, id, mine } => {
                let parent = self.project(project)?;
                self.add("Job", &format!("{project}.{id}"), &[parent], vec![("mine", RestrictedExpression::new_bool(*mine))], Vec::new())
            }
        }
    }

    fn project(&mut self, project: &str) -> Result<EntityUid, Fault> {
        let connection = self.resource(&Resource::Connection)?;
        if project.is_empty() {
            return Ok(connection);
        }
        self.add("Project", project, &[connection], Vec::new(), Vec::new())
    }

    fn dataset(&mut self, project: &str, dataset: &str) -> Result<EntityUid, Fault> {
        let parent = self.project(project)?;
        if dataset.is_empty() {
            return Ok(parent);
        }
        self.add("Dataset", &format!("{project}.{dataset}"), &[parent], Vec::new(), Vec::new())
    }

    fn in_dataset(&mut self, kind: &'static str, name: &TableName) -> Result<EntityUid, Fault> {
        // What is in no dataset is in no project either: `AI.GENERATE`, a connection.
        if name.dataset.is_empty() {
            return self.add(kind, &name.table, &[], Vec::new(), Vec::new());
        }
        let parent = self.dataset(&name.project, &name.dataset)?;
        self.add(kind, &name.to_string(), &[parent], Vec::new(), Vec::new())
    }

    fn table(&mut self, table: &TableName) -> Result<EntityUid, Fault> {
        let bare = without_decorator(table);
        let parent = self.dataset(&bare.project, &bare.dataset)?;
        let labels = self.labels_of(&bare);
        self.add("Table", &bare.to_string(), &[parent], vec![("labels", texts(labels))], Vec::new())
    }

    /// Labels of the columns that are read; of a table that is not read, those that any of its columns may have.
    fn labels_of(&self, table: &TableName) -> BTreeSet<&'a str> {
        self.read.get(&canonical_table(table)).cloned().unwrap_or_else(|| self.set.labels.of_table(table, self.known))
    }

    fn column(&mut self, column: &ColumnPath) -> Result<EntityUid, Fault> {
        let labels: Vec<&str> = self.found.of(column).into_iter().map(|label| label.name.as_str()).collect();
        let mut parents = vec![self.table(&column.table)?];
        for label in &labels {
            parents.push(self.add("Label", label, &[], Vec::new(), Vec::new())?);
        }
        let column = ColumnPath { table: without_decorator(&column.table), path: column.path.clone() };
        self.add("Column", &column.to_string(), &parents, vec![("labels", texts(labels))], Vec::new())
    }

    fn add(
        &mut self,
        kind: &'static str,
        id: &str,
        parents: &[EntityUid],
        attributes: Vec<(&str, RestrictedExpression)>,
        tags: Vec<(String, RestrictedExpression)>,
    ) -> Result<EntityUid, Fault> {
        let uid = self.set.vocabulary.uid(kind, id).ok_or_else(|| format!("`{kind}` is no type of the schema"))?;
        if self.above.contains_key(&uid) {
            return Ok(uid);
        }
        let above: BTreeSet<EntityUid> = parents.iter().flat_map(|parent| self.within(parent)).cloned().collect();
        // Everything above is named at once, so nothing is left to be closed over.
        let attributes: HashMap<String, RestrictedExpression> =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let ancestors: HashSet<EntityUid> = above.iter().cloned().collect();
        let entity = Entity::new_with_tags(uid.clone(), attributes, ancestors, tags).map_err(|error| error.to_string())?;
        self.above.insert(uid.clone(), above.into_iter().collect());
        self.entities.push(entity);
        Ok(uid)
    }
}

/// What all questions of a decision have in common.
pub(crate) fn context(matter: &Matter<'_>) -> Result<Context, Fault> {
    let Matter { principal, request, circumstances, estimated, .. } = *matter;
    let now = circumstances.now;
    let hours = now.div_euclid(SECONDS_PER_HOUR);
    // 1970 began on a Thursday.
    let weekday = (hours.div_euclid(HOURS_PER_DAY) + 3).rem_euclid(DAYS_PER_WEEK) + 1;
    let ended = |expires_at: u64| i64::try_from(expires_at).is_ok_and(|expires_at| expires_at <= now);
    let grants = principal.grants.iter().filter(|grant| !ended(grant.expires_at)).map(|grant| grant.id.as_str());
    let mut pairs = vec![
        ("now".to_owned(), number(now)),
        ("hour".to_owned(), number(hours.rem_euclid(HOURS_PER_DAY))),
        ("weekday".to_owned(), number(weekday)),
        ("door".to_owned(), text(circumstances.door)),
        ("grants".to_owned(), texts(grants)),
    ];
    if let Some(address) = circumstances.address {
        pairs.push(("address".to_owned(), RestrictedExpression::new_ip(address.to_string())));
    }
    if let Some(run) = &principal.run {
        pairs.push(("run".to_owned(), record(run_fields(run))?));
    }
    if let Some(delegation) = &principal.delegation {
        let behind = &delegation.on_behalf_of;
        let fields = vec![
            ("depth", whole(principal.delegation_depth())),
            ("id", text(&behind.to_string())),
            ("kind", text(behind.kind.word())),
            ("groups", texts(behind.groups.iter().map(String::as_str))),
        ];
        pairs.push(("on_behalf_of".to_owned(), record(fields)?));
    }
    if let Work::Statement(statement) = &request.work {
        pairs.push(("statement".to_owned(), statement_record(&statement.analysis)?));
    }
    if let Some(estimated) = estimated {
        let fields = vec![
            ("bytes", counted(estimated.bytes)),
            ("cost_micros", counted(estimated.cost_micros)),
            ("agreed", RestrictedExpression::new_bool(estimated.differences.is_empty())),
        ];
        pairs.push(("dry_run".to_owned(), record(fields)?));
    }
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

/// The same with what is particular to a column.
pub(crate) fn context_of(question: &Question, base: &Context) -> Result<Context, Fault> {
    let how = question.how.map(|how| ("how".to_owned(), text(how)));
    let destination = question.destination.as_deref().map(|destination| ("destination".to_owned(), text(destination)));
    if how.is_none() && destination.is_none() {
        return Ok(base.clone());
    }
    base.clone().merge(how.into_iter().chain(destination)).map_err(|error| error.to_string())
}

/// BigQuery's word for the whole text. Temporary functions before a statement make no script of it; what runs others, or only steers, is one.
pub fn whole_kind(analysis: &Analysis) -> &str {
    const STEERING: [&str; 12] = [
        "BEGIN_TRANSACTION",
        "CASE",
        "COMMIT_TRANSACTION",
        "DECLARE",
        "FOR",
        "IF",
        "LOOP",
        "RAISE",
        "REPEAT",
        "ROLLBACK_TRANSACTION",
        "SET",
        "WHILE",
    ];
    let is_temporary_function = |statement: &StatementAnalysis| {
        matches!(statement.kind.as_str(), "CREATE_FUNCTION" | "CREATE_TABLE_FUNCTION")
            && !statement.writes.is_empty()
            && statement.writes.iter().all(|write| question::is_temporary(&write.table))
    };
    match analysis.statements.split_last() {
        Some((last, before))
            if before.iter().all(is_temporary_function)
                && !analysis.statements.iter().any(|statement| statement.child_job)
                && !STEERING.contains(&last.kind.as_str()) =>
        {
            &last.kind
        }
        _ => SCRIPT,
    }
}

/// A partition or a moment of a table is the table. Letters stay as they are: the analysis made them canonical.
fn without_decorator(table: &TableName) -> TableName {
    let bare = table.table.split(['$', '@']).next().unwrap_or_default();
    debug_assert_eq!(canonical_table(table).table, bare.to_lowercase());
    TableName::new(&table.project, &table.dataset, bare)
}

fn statement_record(analysis: &Analysis) -> Result<RestrictedExpression, Fault> {
    let statements = &analysis.statements;
    let effects: BTreeSet<&str> = statements.iter().flat_map(|statement| &statement.effects).map(|effect| effect_word(*effect)).collect();
    let locations: BTreeSet<&str> = statements.iter().flat_map(|statement| &statement.locations).map(String::as_str).collect();
    let reads = statements.iter().flat_map(|statement| &statement.reads).map(|read| &read.table);
    let writes = statements.iter().flat_map(|statement| &statement.writes).map(|write| &write.table);
    let tables: BTreeSet<&TableName> = reads.chain(writes).collect();
    record(vec![
        ("kind", text(whole_kind(analysis))),
        ("effects", texts(effects)),
        ("locations", texts(locations)),
        ("statements", whole(statements.len())),
        ("tables", whole(tables.len())),
    ])
}

fn run_fields(run: &Run) -> Vec<(&'static str, RestrictedExpression)> {
    let texts = [
        ("actor", &run.actor),
        ("actor_id", &run.actor_id),
        ("attempt", &run.attempt),
        ("commit", &run.commit),
        ("environment", &run.environment),
        ("event", &run.event),
        ("job", &run.job),
        ("owner_id", &run.owner_id),
        ("pipeline", &run.pipeline),
        ("reference", &run.reference),
        ("repository", &run.repository),
        ("repository_id", &run.repository_id),
        ("run", &run.run),
        ("runner", &run.runner),
        ("workflow", &run.workflow),
        ("workflow_commit", &run.workflow_commit),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some((name, text(value.as_deref()?))));
    let protected = run.protected.map(|protected| ("protected", RestrictedExpression::new_bool(protected)));
    texts.chain(protected).collect()
}

fn record(fields: Vec<(&str, RestrictedExpression)>) -> Result<RestrictedExpression, Fault> {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn texts<'b>(values: impl IntoIterator<Item = &'b str>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(text))
}

fn number(value: i64) -> RestrictedExpression {
    RestrictedExpression::new_long(value)
}

/// More than fits is as much as fits: it is above every band.
fn counted(value: u64) -> RestrictedExpression {
    number(i64::try_from(value).unwrap_or(i64::MAX))
}

fn whole(value: usize) -> RestrictedExpression {
    number(i64::try_from(value).unwrap_or(i64::MAX))
}
