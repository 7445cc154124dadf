//! Why not: which rule, which fact, and what would be accepted. Written for the person who asked.

use crate::duty::HoldDuty;
use crate::question::{About, Question};
use crate::request::Resource;
use crate::set::Rule;
use std::fmt;

/// One thing that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub kind: ReasonKind,
    /// The question it belongs to, in words: `drop of table acme-prod.clinic.patients`.
    pub question: Option<String>,
    /// The same for its caller: without names that the caller does not know.
    pub told: Option<String>,
    pub rules: Vec<RuleNote>,
    pub fact: String,
    /// What would be accepted. May be empty: then nothing that the caller can do.
    pub accepted: Vec<String>,
    /// What the caller can do without, where that is plain.
    pub without: Option<&'static str>,
    /// What it would take, where the caller may know what it is about.
    pub missing: Option<Missing>,
}

/// A permit that nobody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As the schema names it.
    pub action: String,
    /// Permits of that action for such a caller, which did not speak: without what their conditions found.
    pub near: Vec<RuleNote>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReasonKind {
    /// There is no analysis.
    Analysis,
    /// It costs more than anybody may spend at once.
    Ceiling,
    /// The judges disagree.
    Disagreement,
    /// A rule could not be evaluated.
    Error,
    /// A rule forbids it.
    Forbidden,
    /// The kill switch.
    Halted,
    /// A rule wants approval first.
    Hold,
    /// The caller has used up what it may.
    Limit,
    /// No rule permits it.
    NotPermitted,
    /// The caller asks for more at once than it may. The same passes a moment later.
    Pace,
    /// The analysis does not understand a part of it.
    Unresolved,
}

/// A rule, as far as people are told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleNote {
    pub id: String,
    pub file: String,
    pub reason: String,
    /// What its conditions read: `context.dry_run.bytes is 7`.
    pub facts: Vec<String>,
}

/// Approval that is due, and what asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub duty: HoldDuty,
    pub rules: Vec<RuleNote>,
    pub questions: Vec<String>,
}

impl ReasonKind {
    pub fn word(self) -> &'static str {
        match self {
            ReasonKind::Analysis => "analysis",
            ReasonKind::Ceiling => "ceiling",
            ReasonKind::Disagreement => "disagreement",
            ReasonKind::Error => "error",
            ReasonKind::Forbidden => "forbidden",
            ReasonKind::Halted => "halted",
            ReasonKind::Hold => "hold",
            ReasonKind::Limit => "limit",
            ReasonKind::NotPermitted => "not_permitted",
            ReasonKind::Pace => "pace",
            ReasonKind::Unresolved => "unresolved",
        }
    }
}

impl ReasonKind {
    /// A heading where there is no question to name.
    pub fn words(self) -> &'static str {
        match self {
            ReasonKind::Analysis => "the statement cannot be analysed",
            ReasonKind::Ceiling => "it costs too much",
            ReasonKind::Disagreement => "the analysis and the dry run disagree",
            ReasonKind::Error => "it cannot be decided",
            ReasonKind::Forbidden => "it is forbidden",
            ReasonKind::Halted => "it is halted",
            ReasonKind::Hold => "it needs approval",
            ReasonKind::Limit => "a limit is reached",
            ReasonKind::NotPermitted => "it is not permitted",
            ReasonKind::Pace => "you ask too fast",
            ReasonKind::Unresolved => "a part of the statement is not understood",
        }
    }
}

impl RuleNote {
    pub fn of(rule: &Rule, facts: Vec<String>) -> RuleNote {
        RuleNote { id: rule.duties.id.clone(), file: rule.file.clone(), reason: rule.duties.reason.clone(), facts }
    }

    /// A permit that did not speak: what it would accept, and what it found instead.
    pub fn as_accepted(&self) -> String {
        let facts: String = self.facts.iter().map(|fact| format!("; {fact}")).collect();
        format!("{} (rule `{}` of {}{facts})", self.reason, self.id, self.file)
    }
}

impl Reason {
    pub fn plain(kind: ReasonKind, fact: impl Into<String>) -> Reason {
        Reason {
            kind,
            question: None,
            told: None,
            rules: Vec::new(),
            fact: fact.into(),
            accepted: Vec::new(),
            without: None,
            missing: None,
        }
    }
}

impl Need {
    /// The needs as reasons of a refusal, for as long as nobody can be asked.
    pub fn as_reason(&self) -> Reason {
        Reason {
            kind: ReasonKind::Hold,
            question: (!self.questions.is_empty()).then(|| self.questions.join(", ")),
            told: None,
            rules: self.rules.clone(),
            fact: format!("needs {}", self.duty),
            accepted: vec![self.duty.to_string()],
            without: None,
            missing: None,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.about, self.action.as_str()) {
            (About::Column(column), "see") => write!(formatter, "seeing column {column} clear"),
            (About::Column(column), "count") => write!(formatter, "counting column {column}"),
            (About::Column(column), "decide_by") => write!(formatter, "deciding rows by column {column} ({})", self.how.unwrap_or("use")),
            (About::Column(column), _) => {
                write!(formatter, "writing column {column} to {}", self.destination.as_deref().unwrap_or("somewhere else"))
            }
            (About::Resource(Resource::Connection), "connect") => formatter.write_str("use of the connection"),
            (About::Resource(resource), action) => write!(formatter, "{action} on {resource}"),
        }?;
        self.label.iter().try_for_each(|label| write!(formatter, ", labelled {label}"))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Connection => formatter.write_str("the connection"),
            Resource::Dataset { project, dataset } => write!(formatter, "dataset {project}.{dataset}"),
            Resource::Job { project, id, .. } => write!(formatter, "job {project}.{id}"),
            Resource::Model(name) => write!(formatter, "model {name}"),
            Resource::Project(project) => write!(formatter, "project {project}"),
            Resource::Routine(name) => write!(formatter, "routine {name}"),
            Resource::Table(table) => write!(formatter, "table {table}"),
        }
    }
}
