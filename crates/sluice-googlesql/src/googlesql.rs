//! The engine behind `sluice_sql::engine::Engine`.

use crate::artefact::{Artefact, SetupFault};
use crate::catalog;
use crate::decode::{self, DecodeFault};
use crate::encode::{Record, encode, word};
use crate::evaluate::values;
use crate::host::pool::Pool;
use crate::host::session::{CallLimits, Entry, Session, Shared};
use crate::host::settings::Settings;
use crate::host::start;
use crate::host::table_sets::Key;
use crate::host::zoneinfo::Zoneinfo;
use crate::options::Language;
use crate::schema::Schema;
use crate::warming;
use sha2::{Digest, Sha256};
use sluice_sql::engine::{Catalog, Engine, Fault, Parameters, Question, Target};
use sluice_sql::tree::Tree;
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What the module says to a `?` when parameters are named.
const POSITIONAL: &str = "Positional parameters are not supported";
const SERVICE: &str = "zetasql.local_service";

pub struct GoogleSql {
    pub(crate) schema: Arc<Schema>,
    pub(crate) language: Language,
    pub(crate) settings: Settings,
    shared: Arc<Shared>,
    pool: Pool,
    /// Started when something is first evaluated: a gateway never does.
    evaluators: OnceLock<Pool>,
}

impl GoogleSql {
    pub fn start(artefact: &Artefact, settings: Settings) -> Result<GoogleSql, SetupFault> {
        let broken = |message: String| SetupFault::Start { message };
        let language = Language::read(&artefact.schema).map_err(|fault| broken(fault.to_string()))?;
        let warming = warming::warming(&artefact.schema, &language).map_err(broken)?;
        let shared: Arc<Shared> =
            start::shared(artefact, Zoneinfo::from_environment()?, &settings, warming).map_err(|fault| broken(format!("{fault:?}")))?;
        let pool = Pool::start(&shared, settings.instances, settings.queue_calls_max).map_err(|fault| broken(fault.to_string()))?;
        let mut engine = GoogleSql { schema: artefact.schema.clone(), language, settings, shared, pool, evaluators: OnceLock::new() };
        engine.language = engine.functions().map_err(|fault| broken(format!("{fault:?}")))?;
        Ok(engine)
    }

    /// How often an instance was given up and another took its place, for operators.
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    fn functions(&self) -> Result<Language, Fault> {
        let record = self.language.builtin(&Catalog::default(), std::iter::empty());
        let request = encode(&self.schema, "zetasql.ZetaSQLBuiltinFunctionOptionsProto", &record).map_err(engine_fault)?;
        let limits = self.settings.analysis;
        let answer = self.ask("GetBuiltinFunctions", request, limits.ends(), limits)?;
        Ok(self.language.clone().with_functions(&self.read("GetBuiltinFunctionsResponse", &answer)?))
    }

    fn evaluators(&self) -> Result<&Pool, Fault> {
        if let Some(pool) = self.evaluators.get() {
            return Ok(pool);
        }
        let pool = Pool::start(&self.shared, self.settings.evaluators, self.settings.queue_calls_max).map_err(engine_fault)?;
        // Whoever comes second drops a pool that has done nothing.
        Ok(self.evaluators.get_or_init(|| pool))
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn parse_request(&self, text: &str) -> Result<Vec<u8>, Fault> {
        let record = Record::new().with("sql_statement", text).with("options", self.language.of_syntax()).with("allow_script", true);
        self.write("ParseRequest", &record)
    }

    /// One procedure in the base state.
    fn ask(&self, procedure: &'static str, request: Vec<u8>, ends: Instant, limits: CallLimits) -> Result<Vec<u8>, Fault> {
        self.pool.run_until(ends, limits, move |session| {
            session.reset()?;
            session.call(procedure, &request)
        })
    }

    pub(crate) fn write(&self, message: &str, record: &Record) -> Result<Vec<u8>, Fault> {
        encode(&self.schema, &format!("{SERVICE}.{message}"), record).map_err(engine_fault)
    }

    pub(crate) fn read(&self, message: &str, bytes: &[u8]) -> Result<Tree, Fault> {
        decode::decode(&self.schema, &format!("{SERVICE}.{message}"), bytes, &self.settings.answer).map_err(answer_fault)
    }

    /// The same, as long as there is time.
    fn read_until(&self, ends: Instant, limits: CallLimits, message: &str, bytes: &[u8]) -> Result<Tree, Fault> {
        let (message, still_time) = (format!("{SERVICE}.{message}"), || Instant::now() < ends);
        decode::decode_while(&self.schema, &message, bytes, &self.settings.answer, &still_time).map_err(|fault| match fault {
            DecodeFault::Late => Fault::Deadline { milliseconds: limits.milliseconds_max },
            fault => answer_fault(fault),
        })
    }

    pub(crate) fn sized(&self, text: &str) -> Result<(), Fault> {
        let (bytes, bytes_max) = (text.len(), self.settings.statement_bytes_max);
        if bytes > bytes_max { Err(Fault::Oversized { bytes, bytes_max }) } else { Ok(()) }
    }
}

impl Engine for GoogleSql {
    fn calls_at_once(&self) -> usize {
        self.settings.instances.max(1)
    }

    fn parse(&self, text: &str) -> Result<Tree, Fault> {
        self.parse_within(text, self.settings.analysis)
    }

    fn table_names(&self, text: &str) -> Result<Vec<Vec<String>>, Fault> {
        self.table_names_within(text, self.settings.analysis)
    }

    fn has_function(&self, name: &str) -> bool {
        self.language.has_function(name)
    }

    fn analyze(&self, question: &Question<'_>) -> Result<Tree, Fault> {
        self.analyze_within(question, self.settings.analysis)
    }
}

impl GoogleSql {
    pub(crate) fn parse_within(&self, text: &str, limits: CallLimits) -> Result<Tree, Fault> {
        self.sized(text)?;
        let ends = limits.ends();
        let answer = self.ask("Parse", self.parse_request(text)?, ends, limits)?;
        rooted(self.read_until(ends, limits, "ParseResponse", &answer)?, &["parsed_script", "parsed_statement"])
    }

    pub(crate) fn table_names_within(&self, text: &str, limits: CallLimits) -> Result<Vec<Vec<String>>, Fault> {
        self.sized(text)?;
        let ends = limits.ends();
        let request = Record::new().with("sql_statement", text).with("options", self.language.item()).with("allow_script", true);
        let request = self.write("ExtractTableNamesFromStatementRequest", &request)?;
        let answer = self.ask("ExtractTableNamesFromStatement", request, ends, limits)?;
        let tree = self.read_until(ends, limits, "ExtractTableNamesFromStatementResponse", &answer)?;
        let names = tree.root.map(|root| tree.children(root, "table_name")).unwrap_or_default();
        let segments = |name| tree.texts(name, "table_name_segment").into_iter().map(str::to_owned).collect();
        Ok(names.into_iter().map(segments).collect())
    }

    pub(crate) fn analyze_within(&self, question: &Question<'_>, limits: CallLimits) -> Result<Tree, Fault> {
        self.sized(question.text)?;
        let columns_max = self.settings.catalog_columns_max;
        if !catalog::has_at_most(question.catalog, columns_max) {
            return Err(Fault::Columns { columns_max });
        }
        let options = self.language.analysis(question.text, question.parameters, question.catalog);
        match (self.analyze_with(question, options, limits), question.parameters) {
            // Undeclared parameters are named or positional, and the module wants to know which.
            (Err(Fault::Invalid { message, .. }), Parameters::None) if message == POSITIONAL => {
                let options = self.language.analysis(question.text, &Parameters::None, question.catalog);
                self.analyze_with(question, options.with("parameter_mode", word("PARAMETER_POSITIONAL")), limits)
            }
            (answer, _) => answer,
        }
    }

    fn analyze_with(&self, question: &Question<'_>, options: Record, limits: CallLimits) -> Result<Tree, Fault> {
        let ends = limits.ends();
        let target = match question.target {
            Target::Expression => "sql_expression",
            Target::Statement => "sql_statement",
        };
        let request = self.write("AnalyzeRequest", &Record::new().with("options", options).with(target, question.text))?;
        let work = Work { ends, limits, procedure: "Analyze", message: "AnalyzeRequest", request, evaluates: false };
        let register = || {
            if Instant::now() >= ends {
                return Err(Fault::Deadline { milliseconds: limits.milliseconds_max });
            }
            let catalog = catalog::record(question.catalog, &self.language, |_, kind| Ok(values::plainest(kind))).map_err(engine_fault)?;
            Ok(Record::new().with("simple_catalog", catalog))
        };
        let answer = self.in_set(work, digest(&("analysis", question.catalog)), register)?;
        rooted(self.read_until(ends, limits, "AnalyzeResponse", &answer)?, &["resolved_statement", "resolved_expression"])
    }

    /// One procedure with a table set registered; the set's number is added to the request, as a field of its own.
    pub(crate) fn in_set(&self, work: Work, set: Key, register: impl FnOnce() -> Result<Record, Fault>) -> Result<Vec<u8>, Fault> {
        let entry = match self.shared.sets.find(&set) {
            Some(found) => Entry::Known(found),
            None => Entry::New { key: set, request: self.write("RegisterCatalogRequest", &register()?)? },
        };
        let (schema, answer_limits, Work { ends, limits, procedure, message, mut request, evaluates }) =
            (self.schema.clone(), self.settings.answer, work);
        let run = move |session: &mut Session| {
            let id = session.enter(&entry, |answer| registered(&schema, answer, &answer_limits))?;
            let id = Record::new().with("registered_catalog_id", id);
            request.extend(encode(&schema, &format!("{SERVICE}.{message}"), &id).map_err(engine_fault)?);
            session.call(procedure, &request)
        };
        if evaluates { self.evaluators()?.run_until(ends, limits, run) } else { self.pool.run_until(ends, limits, run) }
    }
}

/// One call in a table set.
pub(crate) struct Work {
    pub ends: Instant,
    pub limits: CallLimits,
    pub procedure: &'static str,
    pub message: &'static str,
    pub request: Vec<u8>,
    /// Whether it runs statements, which has instances of its own.
    pub evaluates: bool,
}

fn registered(schema: &Schema, answer: &[u8], limits: &decode::Limits) -> Result<i64, Fault> {
    let tree = decode::decode(schema, &format!("{SERVICE}.RegisterResponse"), answer, limits).map_err(answer_fault)?;
    let id = tree.root.and_then(|root| tree.integer(root, "registered_id"));
    id.ok_or_else(|| Fault::Engine { message: "the engine did not register a catalog".to_owned() })
}

/// Makes the one field that is set the root.
fn rooted(mut tree: Tree, fields: &[&str]) -> Result<Tree, Fault> {
    let inner = tree.root.and_then(|root| fields.iter().find_map(|field| tree.child(root, field)));
    tree.root = Some(inner.ok_or_else(|| Fault::Engine { message: "the engine's answer is empty".to_owned() })?);
    Ok(tree)
}

/// All of something, as a digest that nobody can find a second thing for.
pub(crate) fn digest(whole: &impl Hash) -> Key {
    struct Feed(Sha256);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut feed = Feed(Sha256::new());
    whole.hash(&mut feed);
    feed.0.finalize().into()
}

pub(crate) fn engine_fault(fault: impl std::fmt::Display) -> Fault {
    Fault::Engine { message: fault.to_string() }
}

fn answer_fault(fault: DecodeFault) -> Fault {
    match fault {
        DecodeFault::Bytes { .. } | DecodeFault::Depth { .. } | DecodeFault::Nodes { .. } => {
            Fault::Interrupted { message: fault.to_string() }
        }
        _ => engine_fault(fault),
    }
}
