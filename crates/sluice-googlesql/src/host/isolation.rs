//! Nothing of one call reaches another: an instance starts every call in the same state, to the byte.

use crate::encode::{Record, encode};
use crate::googlesql::digest;
use crate::installed::{analysis, engine};
use sha2::{Digest, Sha256};
use sluice_model::Type;
use sluice_sql::engine::{Catalog, Column, Engine, Fault, Parameters, Question, Table, Target};

fn table(name: &str) -> Catalog {
    let columns = vec![Column { name: "secret".to_owned(), kind: Type::String, pseudo: false }];
    let table = Table { path: vec![name.to_owned()], full_name: name.to_owned(), columns, value_table: false };
    Catalog { tables: vec![table], ..Catalog::default() }
}

fn analyze(text: &str, catalog: &Catalog) -> Result<(), Fault> {
    engine().analyze(&Question { text, target: Target::Statement, parameters: &Parameters::None, catalog }).map(drop)
}

#[test]
fn tables_of_one_call_are_not_there_in_the_next() {
    for round in 0..20 {
        let (mine, yours) = (format!("mine_{round}"), format!("yours_{round}"));
        assert_eq!(analyze(&format!("SELECT secret FROM {mine}"), &table(&mine)), Ok(()));
        assert_eq!(analyze(&format!("SELECT secret FROM {yours}"), &table(&yours)), Ok(()));
        let fault = analyze(&format!("SELECT secret FROM {mine}"), &table(&yours));
        assert!(matches!(&fault, Err(Fault::Invalid { message, .. }) if message.starts_with("Table not found")), "{fault:?}");
        let fault = analyze(&format!("SELECT secret FROM {mine}"), &Catalog::default());
        assert!(matches!(&fault, Err(Fault::Invalid { message, .. }) if message.starts_with("Table not found")), "{fault:?}");
    }
}

/// The same for catalogs that are registered and prepared statements that are kept, by the numbers that the module gives out.
#[test]
fn numbers_of_one_call_mean_nothing_in_the_next() {
    let engine = engine();
    let prepare = Record::new().with("sql", "1").with("options", engine.language.evaluation(std::iter::empty()));
    let prepare = encode(&engine.schema, "zetasql.local_service.PrepareRequest", &prepare).expect("request");
    let again = |number: i64| {
        let record = Record::new().with("prepared_expression_id", number);
        encode(&engine.schema, "zetasql.local_service.EvaluateRequest", &record).expect("request")
    };
    let requests = [again(0), again(1)];
    let answers = engine.pool().run(engine.settings.analysis, move |session| {
        session.reset()?;
        session.call("Prepare", &prepare)?;
        let same_state = requests.iter().filter(|request| session.call("Evaluate", request).is_ok()).count();
        session.reset()?;
        let after = requests.iter().filter(|request| session.call("Evaluate", request).is_ok()).count();
        Ok((same_state, after))
    });
    assert_eq!(answers, Ok((1, 0)));
}

#[test]
fn state_is_put_back_to_the_byte() {
    let (request, _) = analysis("SELECT TIMESTAMP '2020-01-01 00:00:00 Asia/Tokyo', REGEXP_CONTAINS('a', 'b+'), JSON '[1]'");
    let key = digest(&"state_is_put_back");
    let engine = engine();
    let register = Record::new().with("simple_catalog", Record::new().with("name", "root"));
    let register = encode(&engine.schema, "zetasql.local_service.RegisterCatalogRequest", &register).expect("request");
    let states = engine.pool().run(engine.settings.evaluation, move |session| {
        let mut states = Vec::new();
        let entry = super::session::Entry::New { key, request: register };
        for _ in 0..3 {
            session.reset()?;
            states.push(("base", session.state_digest()?));
            session.call("Analyze", &request)?;
            states.push(("used", session.state_digest()?));
            session.enter(&entry, |_| Ok(0))?;
            states.push(("set", session.state_digest()?));
            session.call("Analyze", &request)?;
            // A fresh instance, as after a fault.
            session.drop_instance();
            session.enter(&entry, |_| Ok(0))?;
            states.push(("set", session.state_digest()?));
            session.drop_instance();
        }
        Ok(states)
    });
    let states = states.expect("states");
    let first = |name: &str| states.iter().find(|(state, _)| *state == name).map(|(_, digest)| digest.clone());
    for (name, digest) in states.iter().filter(|(name, _)| *name != "used") {
        assert_eq!(Some(digest), first(name).as_ref(), "{name}");
    }
    assert_ne!(first("base"), first("used"), "a call leaves traces");
    assert_ne!(first("base"), first("set"));
}

impl super::session::Session {
    fn state_digest(&mut self) -> Result<Vec<u8>, Fault> {
        let instance = self.instance()?;
        let files: Vec<_> = instance.state().files.iter().map(|(number, open)| (*number, open.position, open.bytes.clone())).collect();
        let mut digest = Sha256::new();
        digest.update(format!("{files:?}"));
        digest.update(instance.memory());
        Ok(digest.finalize().to_vec())
    }
}
