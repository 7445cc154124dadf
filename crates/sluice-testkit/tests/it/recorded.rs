//! What the registrar gives out is permitted, on record, and durable.

use sluice_ledger::record::Kind;
use sluice_model::TableName;
use sluice_policy::{Resource, Sends};
use sluice_testkit::recorded::{Registrar, caller, method, query};

#[tokio::test]
async fn requests_are_put_on_record() {
    let registrar = Registrar::new("warehouse");
    let caller = caller("etl");
    let sends = Sends { path: "projects/p/jobs".to_owned(), ..Sends::default() };
    let permit = registrar.permit(&caller, query("warehouse", "p", sends.clone())).await;
    assert_eq!((permit.kind(), &permit.value().request().sends), (Kind::RequestAdmitted, &sends));
    assert_eq!(permit.value().decision().caller, "https://login.acme.example#etl");
    let estimate = registrar.estimate(&caller, query("warehouse", "p", sends.clone())).await;
    assert_eq!((estimate.kind(), &estimate.value().request().sends), (Kind::RequestEstimated, &sends));
    let table = Resource::Table(TableName::new("p", "d", "t"));
    let deleted = registrar.permit(&caller, method("warehouse", "p", "tables.delete", table, sends)).await;
    assert!(estimate.receipt().index > permit.receipt().index && deleted.receipt().index > estimate.receipt().index);
    assert!(registrar.store().status().unwrap().durable > deleted.receipt().index);
}
