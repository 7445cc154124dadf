//! What is masked in the rows that go to the client, and which labels a write carries along.

use crate::ask::{Answer, Asker};
use crate::historical;
use crate::labels::{Found, Known, Label, Labels, is_size_of_tables};
use crate::layout;
use crate::mask::{Mask, kind_at};
use crate::question::{self, Flow, Question};
use crate::reason::RuleNote;
use crate::request::{Request, Work};
use crate::set::PolicySet;
use sluice_model::place::{field_at, written_name};
use sluice_model::{ColumnPath, Exposure, How, Output, TableName, Type};
use std::collections::{BTreeMap, BTreeSet};

/// A path of an output, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedPath {
    /// Which statement of a script. 0 for a method.
    pub statement: usize,
    pub output: usize,
    pub name: String,
    /// Inside the output, empty for the whole of it.
    pub at: Vec<String>,
    pub mask: Mask,
    pub labels: BTreeSet<String>,
    /// Where it comes from, labelled columns alone.
    pub columns: BTreeSet<String>,
    /// What said so beside the label: a permit with a mask, a forbid.
    pub rules: Vec<RuleNote>,
}

/// A path of an output that is shown as it is, though its columns are labelled: its caller has the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearPath {
    /// Which statement of a script. 0 for a method.
    pub statement: usize,
    pub output: usize,
    pub name: String,
    /// Inside the output, empty for the whole of it.
    pub at: Vec<String>,
    pub labels: BTreeSet<String>,
    /// Where it comes from, labelled columns alone.
    pub columns: BTreeSet<String>,
}

/// A column that is written and has to keep the label of what is written into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    pub column: ColumnPath,
    pub label: String,
    /// What is written was computed from what the label is on, here or in a copy before. A part of it is no part of the value that the label means.
    pub computed: bool,
}

impl Inherited {
    fn is_alike(&self, other: &Inherited) -> bool {
        self.column == other.column && self.label == other.label
    }
}

/// The same with the column that the label came from: for whoever looks at what was done before, or beside the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub source: ColumnPath,
    pub inherited: Inherited,
}

/// All masks that meet at one path.
struct Met {
    path: MaskedPath,
    masks: Vec<Mask>,
}

impl Met {
    fn whole(self) -> MaskedPath {
        MaskedPath { mask: Mask::strictest(self.masks).unwrap_or(self.path.mask), ..self.path }
    }
}

/// The questions that a plan will have to ask: labelled columns that reach the client.
pub(crate) fn questions(request: &Request, found: &Found<'_>) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for (flow, output) in question::flows(request) {
        if flow != Flow::ToClient {
            continue;
        }
        for (exposure, labels) in with_shapes(output, found) {
            for question in to_see(&exposure, &labels) {
                if !questions.contains(&question) {
                    questions.push(question);
                }
            }
        }
    }
    questions
}

/// Every masked path, the strictest mask where several columns reach it.
pub(crate) fn masks(request: &Request, found: &Found<'_>, asker: &Asker<'_>) -> Vec<MaskedPath> {
    // Statement, output, path inside of it.
    let mut masked: BTreeMap<(usize, usize, Vec<String>), Met> = BTreeMap::new();
    for (statement, position, output) in shown(request) {
        for (exposure, labels) in with_shapes(output, found) {
            let is_shape = !output.exposures.contains(&exposure);
            if labels.is_empty() {
                continue;
            }
            let exposure = &exposure;
            let asked = to_see(exposure, &labels);
            // Not asked is not permitted.
            let unasked = Answer::default();
            let answers = || asked.iter().map(|question| (question, asker.answer(question).unwrap_or(&unasked)));
            // Each label hides on its own: of several the strictest mask.
            let masks = answers().zip(&labels).filter_map(|((_, answer), label)| mask_of(answer, label));
            let Some(mask) = Mask::strictest(masks) else { continue };
            let kind = output.kind.as_ref().and_then(|kind| kind_at(kind, &exposure.at));
            let mask = if mask == Mask::Refuse && is_size_of_tables(&exposure.column) { Mask::DefaultValue } else { mask };
            // Of a copy of what was computed nothing is shown that is not shown of what is computed here.
            let how = if found.is_computed(&exposure.column) { exposure.how.max(How::Derived) } else { exposure.how };
            // What leaves something of each value leaves the record around it.
            if is_shape && how <= How::Mixed && mask > Mask::DefaultValue {
                continue;
            }
            let mask = mask.on(how, kind);
            let met = masked.entry((statement, position, exposure.at.clone())).or_insert_with(|| {
                let (name, at) = (output.name.clone(), exposure.at.clone());
                let (labels, columns, rules) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
                let path = MaskedPath { statement, output: position, name, at, mask: mask.clone(), labels, columns, rules };
                Met { path, masks: Vec::new() }
            });
            met.masks.push(mask);
            let path = &mut met.path;
            path.labels.extend(labels.iter().map(|label| label.name.clone()));
            path.columns.insert(exposure.column.to_string());
            for (question, answer) in answers() {
                let said = answer.forbids.iter().chain(answer.permits.iter().filter(|rule| rule.duties.mask.is_some()));
                for note in said.map(|rule| asker.note(question, rule)) {
                    if !path.rules.contains(&note) {
                        path.rules.push(note);
                    }
                }
            }
        }
    }
    masked.into_values().map(Met::whole).collect()
}

/// Labelled paths without a mask. A count shows no value.
pub(crate) fn clear(request: &Request, found: &Found<'_>, masks: &[MaskedPath]) -> Vec<ClearPath> {
    let mut clear: BTreeMap<(usize, usize, Vec<String>), ClearPath> = BTreeMap::new();
    for (statement, output, shown) in shown(request) {
        for exposure in shown.exposures.iter().filter(|exposure| exposure.how != How::Counted) {
            let labels = found.of(&exposure.column);
            let hides = |path: &MaskedPath| (path.statement, path.output) == (statement, output) && exposure.at.starts_with(&path.at);
            if labels.is_empty() || masks.iter().any(hides) {
                continue;
            }
            let path = clear.entry((statement, output, exposure.at.clone())).or_insert_with(|| ClearPath {
                statement,
                output,
                name: shown.name.clone(),
                at: exposure.at.clone(),
                labels: BTreeSet::new(),
                columns: BTreeSet::new(),
            });
            path.labels.extend(labels.iter().map(|label| label.name.clone()));
            path.columns.insert(exposure.column.to_string());
        }
    }
    clear.into_values().collect()
}

/// What is exposed, with its labels. A record comes by its fields, and where it comes as it is, so does its shape: whether it is NULL, how many there are.
/// Fields may be called otherwise by then, so places count.
fn with_shapes<'a>(output: &Output, found: &Found<'a>) -> Vec<(Exposure, Vec<&'a Label>)> {
    let mut all: Vec<(Exposure, Vec<&Label>)> = Vec::with_capacity(output.exposures.len());
    let mut shapes: BTreeSet<Exposure> = BTreeSet::new();
    for exposure in &output.exposures {
        all.push((exposure.clone(), found.of(&exposure.column)));
        let Exposure { at, column, how } = exposure;
        let levels = if *how <= How::Mixed { at.len().min(column.path.len().saturating_sub(1)) } else { 0 };
        for level in 1..=levels {
            let around = |path: &[String]| path.iter().take(path.len() - level).cloned().collect();
            let column = ColumnPath { table: column.table.clone(), path: around(&column.path) };
            shapes.insert(Exposure { at: around(at), column, how: *how });
        }
    }
    shapes.retain(|shape| !output.exposures.contains(shape));
    all.extend(shapes.into_iter().map(|shape| (shape.clone(), found.of_shape(&shape.column))));
    all
}

/// None: it is shown as it is.
pub(crate) fn mask_of(answer: &Answer, label: &Label) -> Option<Mask> {
    if answer.permits.is_empty() || !answer.forbids.is_empty() || !answer.errors.is_empty() {
        return Some(label.mask.clone());
    }
    Mask::strictest(answer.permits.iter().filter_map(|rule| rule.duties.mask.clone()))
}

/// A question for each label, in their order.
fn to_see(exposure: &Exposure, labels: &[&Label]) -> Vec<Question> {
    let action = if exposure.how == How::Counted { "count" } else { "see" };
    Question::of_column(action, &exposure.column, exposure.how.word(), None, labels)
}

/// Outputs that go to the client: statement, position, output.
fn shown(request: &Request) -> impl Iterator<Item = (usize, usize, &Output)> {
    shown_statements(request)
        .into_iter()
        .flat_map(|(index, outputs)| outputs.iter().enumerate().map(move |(position, output)| (index, position, output)))
}

/// The statements whose rows go to the client, each with its outputs. Rows of a script can be of any of them.
pub fn shown_statements(request: &Request) -> Vec<(usize, &[Output])> {
    match &request.work {
        Work::Method(method) if question::of_method(method) == Flow::ToClient => vec![(0, method.columns.as_slice())],
        Work::Method(_) => Vec::new(),
        Work::Statement(statement) => {
            let statements = statement.analysis.statements.iter().enumerate();
            let shown = statements.filter(|(index, analysis)| question::ways(statement, *index, analysis).contains(&Flow::ToClient));
            shown.map(|(index, analysis)| (index, analysis.outputs.as_slice())).collect()
        }
    }
}

impl PolicySet {
    /// Labels that go with the data of a request, each with its source. Nobody is asked whether that is permitted.
    pub fn carried(&self, request: &Request, known: &Known) -> Vec<Carried> {
        if !question::streams(request).iter().any(|(flow, _)| matches!(flow, Flow::ToTable(_))) {
            return Vec::new();
        }
        let columns = question::columns_read(request);
        let known = known_within(request, &self.labels, known, &columns);
        let mut all: Vec<Carried> = Vec::new();
        let found = Found::of_all(&self.labels, &known, columns.iter(), &question::shapes(request));
        each_carried(request, &found, |source, inherited| {
            let same = |known: &&mut Carried| known.source == *source && known.inherited.is_alike(&inherited);
            match all.iter_mut().find(same) {
                Some(known) => known.inherited.computed |= inherited.computed,
                None => all.push(Carried { source: source.clone(), inherited }),
            }
        });
        all
    }
}

/// Whether anything that is read goes into a table that stays.
pub fn writes_columns(request: &Request) -> bool {
    question::streams(request).iter().any(|(flow, outputs)| matches!(flow, Flow::ToTable(_)) && !outputs.is_empty())
}

/// The tables that something is written into, each with the paths that are named.
pub fn destinations(request: &Request) -> BTreeMap<TableName, BTreeSet<Vec<String>>> {
    let mut all: BTreeMap<TableName, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (flow, outputs) in question::streams(request) {
        let Flow::ToTable(table) = flow else { continue };
        let paths = written_names(outputs).flatten().map(|name| name.split('.').map(str::to_owned).collect());
        all.entry(table).or_default().extend(paths);
    }
    all
}

/// Labels follow the data: what is written into a table, by the name that it has there.
pub(crate) fn inherited(request: &Request, found: &Found<'_>) -> Vec<Inherited> {
    let mut all: Vec<Inherited> = Vec::new();
    each_carried(request, found, |_, inherited| match all.iter_mut().find(|known| known.is_alike(&inherited)) {
        Some(known) => known.computed |= inherited.computed,
        None => all.push(inherited),
    });
    all
}

fn each_carried(request: &Request, found: &Found<'_>, mut take: impl FnMut(&ColumnPath, Inherited)) {
    for (flow, outputs) in question::streams(request) {
        let Flow::ToTable(table) = flow else { continue };
        let elsewhere = layout::elsewhere(request, outputs);
        for ((output, names), elsewhere) in outputs.iter().zip(written_names(outputs)).zip(elsewhere) {
            for (exposure, labels) in with_shapes(output, found).into_iter().filter(|(exposure, _)| exposure.how != How::Counted) {
                let computed = !matches!(exposure.how, How::Direct | How::Mixed) || found.is_computed(&exposure.column);
                let inside = written_path(output.kind.as_ref(), &exposure.at);
                let within = names.iter().map(|name| name.split('.').map(str::to_owned).chain(inside.iter().cloned()).collect());
                let paths: Vec<Vec<String>> = within.chain(elsewhere.iter().map(|name| vec![name.clone()])).collect();
                for (label, path) in labels.iter().flat_map(|label| paths.iter().map(move |path| (label, path))) {
                    let column = ColumnPath { table: table.clone(), path: path.clone() };
                    take(&exposure.column, Inherited { column, label: label.name.clone(), computed });
                }
            }
        }
    }
    historical::carried(request, found, take);
}

/// What the fields on a path are called in a table. Where that cannot be said for sure the path ends: the label goes on all that is there.
fn written_path(kind: Option<&Type>, at: &[String]) -> Vec<String> {
    let mut kind = kind;
    let mut path = Vec::with_capacity(at.len());
    for step in at {
        let Some(known) = kind else { break };
        let Some(fields) = known.fields() else { break };
        let Some(position) = field_at(fields, step) else { break };
        let Some(name) = written_name(fields, position) else { break };
        path.push(name);
        kind = fields.get(position).map(|field| &field.kind);
    }
    path
}

/// An output is called like the column that it goes into: `address.street` for a field. One without a name becomes `f0_`, `f1_` and so on. Whether those
/// with a name are counted too is not certain, so it has both names; where others are called so, it may become any of them. The second of the same
/// name has a number behind it.
pub(crate) fn written_names(outputs: &[Output]) -> impl Iterator<Item = Vec<String>> {
    let numbered = |name: &str| {
        name.strip_prefix(['f', 'F']).and_then(|rest| rest.strip_suffix('_')).is_some_and(|rest| rest.parse::<usize>().is_ok())
    };
    let is_taken = outputs.iter().any(|output| numbered(&output.name));
    let (mut unnamed, mut times) = (0, BTreeMap::<String, usize>::new());
    outputs.iter().enumerate().map(move |(position, output)| {
        if !output.name.is_empty() {
            let before = times.entry(output.name.to_lowercase()).or_default();
            *before += 1;
            let again = (*before > 1).then(|| format!("{}_{}", output.name, *before - 1));
            return std::iter::once(output.name.clone()).chain(again).collect();
        }
        unnamed += 1;
        if is_taken {
            return (0..=outputs.len()).map(|number| format!("f{number}_")).collect();
        }
        vec![format!("f{}_", unnamed - 1), format!("f{position}_")]
    })
}

/// What is known while a script runs: what one statement writes has its labels for those that read it.
pub(crate) fn known_within(request: &Request, labels: &Labels, known: &Known, columns: &[ColumnPath]) -> Known {
    let mut known = known.clone();
    let Work::Statement(statement) = &request.work else { return known };
    // In each round a label, or that what has it was computed, goes one statement further.
    let shapes = question::shapes(request);
    for _ in 1..statement.analysis.statements.len().saturating_mul(2) {
        let carried = inherited(request, &Found::of_all(labels, &known, columns.iter(), &shapes));
        let mut is_new = false;
        for kept in carried {
            is_new |= known.take(&kept);
        }
        if !is_new {
            break;
        }
    }
    known
}
