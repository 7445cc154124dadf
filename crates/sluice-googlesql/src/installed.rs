//! The engine for this crate's own tests, and bytes that it really answered.

use crate::artefact::{Artefact, Place, Sources, install_if_missing};
use crate::encode::{Record, encode};
use crate::{GoogleSql, Settings};
use std::sync::OnceLock;

pub fn engine() -> &'static GoogleSql {
    static ENGINE: OnceLock<GoogleSql> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let place = Place::from_environment();
        install_if_missing(&Sources::from_environment(), &place).unwrap_or_else(|fault| panic!("{fault}"));
        let artefact = Artefact::load(&place).unwrap_or_else(|fault| panic!("{fault}"));
        GoogleSql::start(&artefact, Settings::default()).unwrap_or_else(|fault| panic!("{fault}"))
    })
}

/// A request with a catalog of its own, and the answer to it.
pub fn analysis(text: &str) -> (Vec<u8>, Vec<u8>) {
    let engine = engine();
    let catalog = sluice_sql::engine::Catalog::default();
    let builtin = engine.language.builtin(&catalog, std::iter::empty());
    let record = Record::new()
        .with("options", engine.language.analysis(text, &sluice_sql::engine::Parameters::None, &catalog))
        .with("sql_statement", text)
        .with("simple_catalog", Record::new().with("name", "root").with("builtin_function_options", builtin));
    let request = encode(&engine.schema, "zetasql.local_service.AnalyzeRequest", &record).expect("request");
    let sent = request.clone();
    let answer = engine.pool().run(engine.settings.analysis, move |session| {
        session.reset()?;
        session.call("Analyze", &sent)
    });
    (request, answer.expect("answer"))
}

/// Always the same numbers, so that a failure comes again.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}
