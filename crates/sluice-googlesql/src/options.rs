//! What the engine is told about the language and about how to analyse, the same for every call.

use crate::encode::{EncodeFault, Item, Record, encode, texts, word};
use crate::features::{GROUPS, OF_SYNTAX, PREFIX};
use crate::schema::Schema;
use crate::types;
use sluice_model::Type;
use sluice_sql::engine::{Catalog, Constant, Parameters, TableResult};
use sluice_sql::tree::Tree;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Statements whose object type is a word of BigQuery's own: `CREATE CAPACITY`, `ALTER PROJECT` ...
const ENTITY_TYPES: &[&str] =
    &["CAPACITY", "RESERVATION", "ASSIGNMENT", "BI_CAPACITY", "PROJECT", "ORGANIZATION", "VECTOR INDEX", "DATA_POLICY"];
/// What lives inside of another thing: `ALTER SCHEMA ... ADD REPLICA`.
const SUB_ENTITY_TYPES: &[&str] = &["REPLICA"];
/// What a table that is being defined may be partitioned by without saying so.
const PARTITION_COLUMNS: &[(&str, Type)] = &[("_PARTITIONDATE", Type::Date), ("_PARTITIONTIME", Type::Timestamp)];
/// Words that BigQuery reserves and GoogleSQL leaves open.
const RESERVED_WORDS: &[&str] = &["QUALIFY", "MATCH_RECOGNIZE", "GRAPH_TABLE"];
/// The only rewrites of a resolved tree: bodies in place of calls. Everything else stays as it was written.
const REWRITES: &[&str] = &[
    "REWRITE_INLINE_SQL_FUNCTIONS",
    "REWRITE_INLINE_SQL_TVFS",
    "REWRITE_INLINE_SQL_UDAS",
    "REWRITE_APPLY_ENABLED_REWRITES_TO_TEMPLATED_FUNCTION_CALLS",
];
/// What the evaluator needs beyond them: it runs plain trees only.
const EVALUATION_REWRITES: &[&str] = &[
    "REWRITE_BUILTIN_FUNCTION_INLINER",
    "REWRITE_FLATTEN",
    "REWRITE_GENERALIZED_QUERY_STMT",
    "REWRITE_GROUPING_SET",
    "REWRITE_LIKE_ANY_ALL",
    "REWRITE_NULLIFERROR_FUNCTION",
    "REWRITE_PIPE_DESCRIBE",
    "REWRITE_PIPE_IF",
    "REWRITE_PIVOT",
    "REWRITE_SUBPIPELINE_STMT",
    "REWRITE_TYPEOF_FUNCTION",
    "REWRITE_UNPIVOT",
    "REWRITE_UPDATE_CONSTRUCTOR",
    "REWRITE_VARIADIC_FUNCTION_SIGNATURE_EXPANDER",
    "REWRITE_WITH_EXPR",
];
pub const TIME_ZONE: &str = "UTC";

#[derive(Clone)]
pub struct Language {
    /// Once: it goes into every request.
    encoded: Arc<[u8]>,
    /// The same with the features alone that a syntax tree depends on.
    of_syntax: Arc<[u8]>,
    /// The numbers of each built-in function's signatures, by its name in lower case.
    functions: Arc<HashMap<String, Vec<i64>>>,
}

impl Language {
    pub fn read(schema: &Schema) -> Result<Language, EncodeFault> {
        let all = GROUPS.iter().flat_map(|(_, features)| features.split_whitespace());
        let (encoded, of_syntax) = (options(schema, all)?, options(schema, OF_SYNTAX.split_whitespace())?);
        Ok(Language { encoded, of_syntax, functions: Arc::default() })
    }

    /// With the names of the language's own functions, out of a GetBuiltinFunctionsResponse.
    pub fn with_functions(mut self, tree: &Tree) -> Language {
        let mut functions: HashMap<String, Vec<i64>> = HashMap::new();
        for function in tree.root.map(|root| tree.children(root, "function")).unwrap_or_default() {
            let signatures = tree.children(function, "signature");
            let numbers: Vec<i64> = signatures.into_iter().filter_map(|signature| tree.integer(signature, "context_id")).collect();
            let alias = tree.child(function, "options").and_then(|options| tree.text(options, "alias_name")).unwrap_or_default();
            for name in [tree.texts(function, "name_path").join("."), alias.to_owned()] {
                functions.entry(name.to_lowercase()).or_default().extend(&numbers);
            }
        }
        functions.remove("");
        self.functions = functions.into();
        self
    }

    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains_key(&name.to_lowercase())
    }

    /// ZetaSQLBuiltinFunctionOptionsProto: all functions but those that the catalog brings itself, or whose own folder (`NET.`) is one of the
    /// catalog's. The module stops at a name that is there twice.
    pub fn builtin<'a>(&self, catalog: &Catalog, folders: impl Iterator<Item = &'a String>) -> Record {
        let mut numbers: Vec<i64> = Vec::new();
        for function in &catalog.functions {
            numbers.extend(self.functions.get(&function.path.join(".").to_lowercase()).into_iter().flatten());
        }
        for folder in folders {
            let inside = |name: &str| name.split_once('.').is_some_and(|(first, _)| first == folder);
            numbers.extend(self.functions.iter().filter(|(name, _)| inside(name)).flat_map(|(_, numbers)| numbers));
        }
        Record::new().with("language_options", self.item()).with("exclude_function_ids", numbers)
    }

    pub fn item(&self) -> Item {
        Item::Raw(self.encoded.clone())
    }

    /// For parsing alone.
    pub fn of_syntax(&self) -> Item {
        Item::Raw(self.of_syntax.clone())
    }

    /// AnalyzerOptionsProto. System variables are only told where one can be named: the module copies them several times.
    pub fn analysis(&self, text: &str, parameters: &Parameters, catalog: &Catalog) -> Record {
        let system_variables = if names_variables(text, catalog) { &catalog.system_variables[..] } else { &[] };
        // A table that has these columns itself would make the names ambiguous.
        let has_own = catalog.tables.iter().any(|table| table.columns.iter().any(|column| column.name == "_PARTITIONTIME"));
        let of_definitions = PARTITION_COLUMNS.iter().filter(|_| !has_own).map(|(name, kind)| named(name, kind));
        let mut seen = HashSet::new();
        let unique = system_variables.iter().filter(|variable| seen.insert(variable.path.join(".").to_lowercase()));
        let mut options = self
            .common(REWRITES)
            .with("prune_unused_columns", true)
            .with("ddl_pseudo_columns", of_definitions.collect::<Vec<_>>())
            .with("parse_location_record_type", word("PARSE_LOCATION_RECORD_FULL_NODE_SCOPE"))
            .with("system_variables", unique.map(system_variable).collect::<Vec<_>>());
        match parameters {
            Parameters::None => options.set("allow_undeclared_parameters", true),
            Parameters::Named(named) => declare(&mut options, named.iter().map(|(name, kind)| (name.as_str(), kind))),
            Parameters::Positional(kinds) => {
                options.set("parameter_mode", word("PARAMETER_POSITIONAL"));
                if kinds.is_empty() {
                    options.set("allow_undeclared_parameters", true);
                }
                options.set("positional_query_parameters", kinds.iter().map(types::record).collect::<Vec<_>>());
            }
        }
        options
    }

    pub fn evaluation<'a>(&self, parameters: impl Iterator<Item = (&'a str, &'a Type)>) -> Record {
        let rewrites: Vec<&str> = REWRITES.iter().chain(EVALUATION_REWRITES).copied().collect();
        let mut options = self.common(&rewrites);
        declare(&mut options, parameters);
        options
    }

    fn common(&self, rewrites: &[&'static str]) -> Record {
        Record::new()
            .with("language_options", self.item())
            .with("default_timezone", TIME_ZONE)
            .with("error_message_mode", word("ERROR_MESSAGE_ONE_LINE"))
            .with("statement_context", word("CONTEXT_DEFAULT"))
            .with("enabled_rewrites", Item::List(rewrites.iter().map(|name| word(*name)).collect()))
    }
}

/// Whether `@@` stands anywhere in what will be analysed, bodies of functions included.
fn names_variables(text: &str, catalog: &Catalog) -> bool {
    let of_functions = catalog.functions.iter().filter_map(|function| function.body.as_ref());
    let of_table_functions = catalog.table_functions.iter().filter_map(|function| match &function.result {
        TableResult::Query(body) => Some(body),
        TableResult::Columns(_) | TableResult::SameAsInput(_) => None,
    });
    text.contains("@@") || of_functions.chain(of_table_functions).any(|body| body.text.contains("@@"))
}

/// LanguageOptionsProto.
fn options<'a>(schema: &Schema, features: impl Iterator<Item = &'a str>) -> Result<Arc<[u8]>, EncodeFault> {
    let features = features.map(|name| word(format!("{PREFIX}{name}"))).collect();
    let words = |words: &[&str]| Item::List(words.iter().map(|word| Item::from(*word)).collect());
    // No list of statement kinds: that means all of them.
    let record = Record::new()
        .with("product_mode", word("PRODUCT_EXTERNAL"))
        .with("enabled_language_features", Item::List(features))
        .with("supported_generic_entity_types", words(ENTITY_TYPES))
        .with("supported_generic_sub_entity_types", words(SUB_ENTITY_TYPES))
        .with("reserved_keywords", words(RESERVED_WORDS));
    Ok(encode(schema, "zetasql.LanguageOptionsProto", &record)?.into())
}

fn declare<'a>(options: &mut Record, parameters: impl Iterator<Item = (&'a str, &'a Type)>) {
    options.set("parameter_mode", word("PARAMETER_NAMED"));
    options.set("query_parameters", parameters.map(|(name, kind)| named(name, kind)).collect::<Vec<_>>());
}

fn named(name: &str, kind: &Type) -> Record {
    Record::new().with("name", name).with("type", types::record(kind))
}

fn system_variable(constant: &Constant) -> Record {
    Record::new().with("name_path", texts(&constant.path)).with("type", types::record(&constant.kind))
}
