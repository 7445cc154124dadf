//! What the engine is told about the language and about how to analyse, the same for every call.

use crate::encode::{EncodeFault, Item, Record, encode, texts, word};
use crate::features::{GROUPS, PREFIX};
use crate::schema::Schema;
use crate::types;
use sluice_sql::engine::{Constant, Parameters};
use std::sync::Arc;

/// Statements whose object type is a word of BigQuery's own: `CREATE CAPACITY`, `ALTER PROJECT` ...
const ENTITY_TYPES: &[&str] = &["CAPACITY", "RESERVATION", "ASSIGNMENT", "BI_CAPACITY", "PROJECT", "ORGANIZATION", "VECTOR INDEX", "DATA_POLICY"];
/// Words that BigQuery reserves and GoogleSQL leaves open.
const RESERVED_WORDS: &[&str] = &["QUALIFY", "MATCH_RECOGNIZE", "GRAPH_TABLE"];
/// The only rewrites of a resolved tree: bodies in place of calls. Everything else stays as it was written.
const REWRITES: &[&str] = &[
    "REWRITE_INLINE_SQL_FUNCTIONS",
    "REWRITE_INLINE_SQL_TVFS",
    "REWRITE_INLINE_SQL_UDAS",
    "REWRITE_APPLY_ENABLED_REWRITES_TO_TEMPLATED_FUNCTION_CALLS",
];
pub const TIME_ZONE: &str = "UTC";

/// Encoded once: it goes into every request.
#[derive(Clone)]
pub struct Language {
    pub encoded: Arc<[u8]>,
}

impl Language {
    pub fn read(schema: &Schema) -> Result<Language, EncodeFault> {
        let features = GROUPS.iter().flat_map(|(_, features)| features.split_whitespace());
        let features = features.map(|name| word(format!("{PREFIX}{name}"))).collect();
        let words = |words: &[&str]| Item::List(words.iter().map(|word| Item::from(*word)).collect());
        // No list of statement kinds: that means all of them.
        let record = Record::new()
            .with("product_mode", word("PRODUCT_EXTERNAL"))
            .with("enabled_language_features", Item::List(features))
            .with("supported_generic_entity_types", words(ENTITY_TYPES))
            .with("reserved_keywords", words(RESERVED_WORDS));
        Ok(Language { encoded: encode(schema, "zetasql.LanguageOptionsProto", &record)?.into() })
    }

    pub fn item(&self) -> Item {
        Item::Raw(self.encoded.clone())
    }

    /// AnalyzerOptionsProto.
    pub fn analysis(&self, parameters: &Parameters, system_variables: &[Constant]) -> Record {
        let mut options = Record::new()
            .with("language_options", self.item())
            .with("prune_unused_columns", true)
            .with("default_timezone", TIME_ZONE)
            .with("error_message_mode", word("ERROR_MESSAGE_ONE_LINE"))
            .with("statement_context", word("CONTEXT_DEFAULT"))
            .with("parse_location_record_type", word("PARSE_LOCATION_RECORD_FULL_NODE_SCOPE"))
            .with("enabled_rewrites", Item::List(REWRITES.iter().map(|name| word(*name)).collect()))
            .with("system_variables", system_variables.iter().map(system_variable).collect::<Vec<_>>());
        match parameters {
            Parameters::None => options.set("allow_undeclared_parameters", true),
            Parameters::Named(named) => {
                let record = |(name, kind): &(String, _)| Record::new().with("name", name.as_str()).with("type", types::record(kind));
                options.set("parameter_mode", word("PARAMETER_NAMED"));
                options.set("query_parameters", named.iter().map(record).collect::<Vec<_>>());
            }
            Parameters::Positional(kinds) => {
                options.set("parameter_mode", word("PARAMETER_POSITIONAL"));
                options.set("positional_query_parameters", kinds.iter().map(types::record).collect::<Vec<_>>());
            }
        }
        options
    }
}

fn system_variable(constant: &Constant) -> Record {
    Record::new().with("name_path", texts(&constant.path)).with("type", types::record(&constant.kind))
}
