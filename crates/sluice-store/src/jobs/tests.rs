//! A job that comes back is the job that went in.

use super::form::{self, Fate};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sluice_app::{Copied, Course, JobName, JobWork, KnownJob, Part, Places, QueryWork, Rested, RestedKind, RestedRole, Verdict};
use sluice_ledger::record::Subject;
use sluice_model::{
    Analysis, ColumnPath, Effect, Exposure, Field, How, Output, Read, Refused, StatementAnalysis, TableName, Type, Unresolved, Use,
    UseKind, Write,
};
use sluice_policy::{Destination, DryRun, Parameter};
use std::sync::Arc;

const EFFECTS: [Effect; 34] = [
    Effect::Administration,
    Effect::Alter,
    Effect::Assert,
    Effect::Branch,
    Effect::Call,
    Effect::Clone,
    Effect::Copy,
    Effect::Create,
    Effect::Declare,
    Effect::Delete,
    Effect::Drop,
    Effect::DynamicSql,
    Effect::Export,
    Effect::ExternalQuery,
    Effect::Grant,
    Effect::Identity,
    Effect::Insert,
    Effect::Load,
    Effect::Merge,
    Effect::Metadata,
    Effect::Model,
    Effect::OpaqueCode,
    Effect::Raise,
    Effect::Read,
    Effect::RemoteFunction,
    Effect::Replace,
    Effect::Restore,
    Effect::Revoke,
    Effect::Session,
    Effect::Set,
    Effect::SignedUrl,
    Effect::Transaction,
    Effect::Truncate,
    Effect::Update,
];
const HOWS: [How; 4] = [How::Direct, How::Mixed, How::Derived, How::Counted];
const USE_KINDS: [UseKind; 12] = [
    UseKind::Assert,
    UseKind::Branch,
    UseKind::Error,
    UseKind::Filter,
    UseKind::Group,
    UseKind::Join,
    UseKind::Limit,
    UseKind::Order,
    UseKind::Pivot,
    UseKind::Rows,
    UseKind::Set,
    UseKind::Window,
];

/// Names as nobody should give them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,6}", "\\PC{0,8}", Just(String::new()), Just("a`b\"\\\u{0}\n,<>".to_owned()), Just("STRUCT".to_owned())]
}

fn table() -> impl Strategy<Value = TableName> {
    (name(), name(), name()).prop_map(|(project, dataset, table)| TableName { project, dataset, table })
}

fn column() -> impl Strategy<Value = ColumnPath> {
    (table(), vec(name(), 0..3)).prop_map(|(table, path)| ColumnPath { table, path })
}

fn kind() -> impl Strategy<Value = Type> {
    let scalars = vec![
        Type::Int64,
        Type::Float64,
        Type::Bool,
        Type::String,
        Type::Bytes,
        Type::Date,
        Type::Datetime,
        Type::Time,
        Type::Timestamp,
        Type::Numeric,
        Type::BigNumeric,
        Type::Json,
        Type::Geography,
        Type::Interval,
    ];
    prop::sample::select(scalars).prop_recursive(8, 24, 4, |inside| {
        prop_oneof![
            inside.clone().prop_map(|kind| Type::Array(Box::new(kind))),
            inside.clone().prop_map(|kind| Type::Range(Box::new(kind))),
            vec((name(), inside), 0..4)
                .prop_map(|fields| Type::Struct(fields.into_iter().map(|(name, kind)| Field { name, kind }).collect())),
        ]
    })
}

fn output() -> impl Strategy<Value = Output> {
    let exposure =
        (vec(name(), 0..3), column(), prop::sample::select(HOWS.to_vec())).prop_map(|(at, column, how)| Exposure { at, column, how });
    (name(), option::of(kind()), vec(exposure, 0..3)).prop_map(|(name, kind, exposures)| Output { name, kind, exposures })
}

fn statement() -> impl Strategy<Value = StatementAnalysis> {
    let effect = || prop::sample::select(EFFECTS.to_vec());
    let read = || (table(), vec(name(), 0..3)).prop_map(|(table, columns)| Read { table, columns });
    let write = (table(), vec(name(), 0..3), effect()).prop_map(|(table, columns, effect)| Write { table, columns, effect });
    let used = (column(), prop::sample::select(USE_KINDS.to_vec())).prop_map(|(column, how)| Use { column, how });
    let first = (name(), vec(effect(), 0..4), vec(read(), 0..3), vec(write, 0..3), vec(output(), 0..3), vec(used, 0..3));
    let rest = (vec(name(), 0..2), vec(name(), 0..2), vec(name(), 0..2), any::<bool>(), option::of(any::<(usize, usize)>()));
    let shapes = (vec(column(), 0..2), any::<bool>());
    let billed = (vec(table(), 0..2), option::of(vec(read(), 0..3)));
    (first, billed, shapes, rest).prop_map(
        |(
            (kind, effects, reads, writes, outputs, uses),
            (historical, billed),
            (shapes, reads_files),
            (routines, unresolved, locations, child_job, span),
        )| {
            let unresolved = unresolved.into_iter().map(|what| Unresolved { what, own: false }).collect();
            StatementAnalysis {
                kind,
                effects,
                reads,
                historical,
                billed,
                writes,
                outputs,
                uses,
                shapes,
                routines,
                unresolved,
                locations,
                reads_files,
                child_job,
                span,
            }
        },
    )
}

fn work() -> impl Strategy<Value = QueryWork> {
    let analysis = (vec(statement(), 0..3), option::of(name().prop_map(|reason| Refused { reason })))
        .prop_map(|(statements, refused)| Arc::new(Analysis { statements, refused }));
    let parameter = (name(), name(), name()).prop_map(|(name, kind, value)| Parameter { name, kind, value });
    let destination = (table(), any::<bool>()).prop_map(|(table, replaces)| Destination { table, replaces });
    let fields = vec((name(), kind()).prop_map(|(name, kind)| Field { name, kind }), 0..3);
    let dry_run = (option::of(name()), option::of(any::<u64>()), vec(table(), 0..3), vec(table(), 0..3), option::of(fields)).prop_map(
        |(statement_type, bytes, referenced_tables, referenced_routines, schema)| DryRun {
            statement_type,
            bytes,
            referenced_tables,
            referenced_routines,
            schema,
        },
    );
    let parts = (
        name(),
        vec(parameter, 0..3),
        option::of((name(), name())),
        option::of(destination),
        analysis,
        option::of(dry_run),
        prop::sample::select(vec![Part::Whole, Part::Shown, Part::Unshown]),
    );
    parts.prop_map(|(text, parameters, default_dataset, destination, analysis, dry_run, part)| QueryWork {
        text,
        parameters,
        default_dataset,
        destination,
        analysis,
        dry_run,
        part,
    })
}

fn course() -> impl Strategy<Value = Course> {
    let kinds = vec![RestedKind::Absent, RestedKind::Model, RestedKind::Routine, RestedKind::Table];
    let roles = vec![RestedRole::Made, RestedRole::Moved, RestedRole::Read, RestedRole::Written];
    let digest = any::<[u8; 32]>;
    let places = option::of((0..10_000_usize, digest()).prop_map(|(count, digest)| Places { count, digest }));
    let rested = (table(), prop::sample::select(kinds), prop::sample::select(roles), option::of(digest()), places);
    let rested = rested.prop_map(|(name, kind, role, shape, places)| Rested { name, kind, role, shape, places });
    let rest = option::of(vec(rested, 0..4));
    let fields = vec((name(), kind()).prop_map(|(name, kind)| Field { name, kind }), 0..3);
    let copied = option::of((table(), vec(output(), 0..3), fields).prop_map(|(to, columns, kept)| Copied { to, columns, kept }));
    let verdict = option::of(prop::sample::select(vec![Verdict::Disturbed, Verdict::Overtaken, Verdict::Undisturbed]));
    (name(), rest, vec(table(), 0..3), copied, option::of(name()), verdict)
        .prop_map(|(caller, rest, changes, copied, script, verdict)| Course { caller, rest, changes, copied, script, verdict })
}

fn job() -> impl Strategy<Value = KnownJob> {
    let name_of = (name(), option::of(name()), name()).prop_map(|(project, location, id)| JobName { project, location, id });
    let work = prop_oneof![Just(JobWork::Other), work().prop_map(|work| JobWork::Query(Box::new(work)))];
    (name(), name_of, name(), any::<[u8; 16]>(), option::of(name()), any::<u64>(), work, (option::of(table()), any::<bool>(), course()))
        .prop_map(|(connection, name, owner, subject, request_id, created_ms, work, (result_table, arrived, course))| KnownJob {
            connection,
            name,
            owner,
            subject: Subject(subject),
            request_id,
            created_ms,
            work,
            result_table,
            arrived,
            course,
        })
}

proptest! {
    #[test]
    fn any_job_comes_back_equal(job in job()) {
        let text = form::write(&job).unwrap();
        let (location, result_table) = (job.name.location.clone(), job.result_table.clone());
        let fate = form::write_fate(&Fate { location, result_table, arrived: job.arrived, verdict: job.course.verdict }).unwrap();
        let fate = form::read_fate(&fate).unwrap();
        prop_assert_eq!(form::read(&text, fate), Some(job));
    }
}

fn nested(levels: usize) -> KnownJob {
    let kind = (1..levels).fold(Type::Int64, |kind, _| Type::Struct(vec![Field { name: "a".to_owned(), kind }]));
    let output = Output { name: String::new(), kind: Some(kind), exposures: Vec::new() };
    let statement = StatementAnalysis { outputs: vec![output], ..StatementAnalysis::default() };
    let analysis = Arc::new(Analysis { statements: vec![statement], refused: None });
    let (parameters, text) = (Vec::new(), String::new());
    let work = QueryWork { text, parameters, default_dataset: None, destination: None, analysis, dry_run: None, part: Part::Whole };
    KnownJob {
        connection: String::new(),
        name: JobName::default(),
        owner: String::new(),
        subject: Subject([0; 16]),
        request_id: None,
        created_ms: 0,
        work: JobWork::Query(Box::new(work)),
        result_table: None,
        arrived: false,
        course: Course::default(),
    }
}

#[test]
fn depth_is_limited_and_below_that_no_matter() {
    let deepest = nested(super::types::TYPE_LEVELS_MAX);
    let text = form::write(&deepest).unwrap();
    assert_eq!(form::read(&text, Fate::default()), Some(deepest));
    assert!(form::write(&nested(super::types::TYPE_LEVELS_MAX + 1)).is_err_and(|text| text.contains("too deep")));
}

/// As it was written before a verdict was kept.
#[test]
fn a_job_that_was_settled_before_verdicts_were_kept_is_judged() {
    let check = |arrived: bool, expect: Option<Verdict>| {
        let fate = format!(r#"{{"version":1,"location":"us","result_table":null,"arrived":{arrived}}}"#);
        assert_eq!(form::read_fate(fate.as_bytes()).map(|fate| fate.verdict), Some(expect), "{fate}");
    };
    check(true, Some(Verdict::Undisturbed));
    check(false, None);
    let text = String::from_utf8(form::write(&nested(2)).unwrap()).unwrap();
    let (before, _) = text.split_once(",\"course\"").unwrap();
    assert_eq!(form::read(format!("{before}}}").as_bytes(), Fate::default()), Some(nested(2)));
    let fate = String::from_utf8(form::write_fate(&Fate::default()).unwrap()).unwrap();
    assert_eq!(form::read_fate(fate.as_bytes()), Some(Fate::default()));
    assert_eq!(form::read_fate(fate.replace("\"verdict\":\"\"", "\"verdict\":\"fine\"").as_bytes()), None);
}

#[test]
fn what_this_version_does_not_write_it_does_not_read() {
    let text = String::from_utf8(form::write(&nested(2)).unwrap()).unwrap();
    let check = |from: &str, to: &str, expect: bool| {
        assert!(text.contains(from), "{from}");
        assert_eq!(form::read(text.replacen(from, to, 1).as_bytes(), Fate::default()).is_some(), expect, "{to}");
    };
    check("\"version\":1", "\"version\":1", true);
    check("\"version\":1", "\"version\":2", false);
    check("\"INT64\"", "\"INT65\"", false);
    check("[[\"a\"],\"INT64\"]", "[[\"a\"]]", false);
    check("[[\"a\"],\"INT64\"]", "[[\"a\"],\"INT64\",\"INT64\"]", false);
    check("\"effects\":[]", "\"effects\":[\"look\"]", false);
    check("\"effects\":[]", "\"effects\":[\"read\"]", true);
    check("\"effects\":[]", "\"effects\":[],\"more\":1", false);
    check("\"uses\":[],", "", false);
    check(&"0".repeat(32), "0", false);
}
