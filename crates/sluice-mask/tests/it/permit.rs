//! A permit, as policy gives it: there is no other way to one.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sluice_identity::{Caller, Identity, KeySet, Presented, Revocations, check};
use sluice_model::{Analysis, ColumnPath, Effect, Exposure, How, Output, Read, StatementAnalysis, TableName, Type};
use sluice_policy::{
    Bundle, Circumstances, DryRun, Halt, Known, MemoryCounters, Method, Permit, PolicySet, Purpose, Request, Resource, Sends, Statement,
    Verdict, Work,
};
use std::collections::BTreeSet;

const NOW: u64 = 1_893_585_600;
const SETTINGS: &str = "format = 1\nname = \"test\"\n[cost]\nmicros_per_tib = 6250000\nceiling_micros = 50000000\n";
const IDENTITY: &str = "[identity]\naudiences = [\"https://sluice.example\"]\n[[identity.issuers]]\nname = \"company\"\nshape = \"oidc\"\n\
    url = \"https://login.acme.example\"\nkind = \"person\"\nalgorithms = [\"EdDSA\"]\n";

fn caller() -> Caller {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({ "kty": "OKP", "kid": "1", "use": "sig", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) });
    let keys = KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    let claims = json!({ "aud": "https://sluice.example", "iat": NOW - 10, "exp": NOW + 300, "jti": "1", "iss": "https://login.acme.example", "sub": "ana" });
    let head = json!({ "alg": "EdDSA", "kid": "1", "typ": "at+jwt" });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let token = format!("{signed}.{}", encode(pair.sign(signed.as_bytes()).as_ref()));
    match Identity::new(check(IDENTITY).unwrap(), None).read(token.as_bytes()).unwrap() {
        Presented::Outside(token) => token.verify(&keys, &Revocations::default(), NOW).unwrap(),
        Presented::Issued(_) | Presented::Own(_) => panic!("a token of ours"),
    }
}

fn column(name: &str, kind: Option<&str>) -> Output {
    output(name, kind, &[("", name)])
}

/// Each path inside of it with the column of the one table that is seen there.
pub fn output(name: &str, kind: Option<&str>, shows: &[(&str, &str)]) -> Output {
    let parts = |path: &str| path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let exposure = |(at, source): &(&str, &str)| Exposure {
        at: parts(at),
        column: ColumnPath { table: TableName::new("p", "d", "t"), path: parts(source) },
        how: How::Direct,
    };
    Output { name: name.to_owned(), kind: kind.map(|kind| Type::parse(kind).unwrap()), exposures: shows.iter().map(exposure).collect() }
}

fn whole(work: Work) -> Request {
    Request { connection: "w".to_owned(), project: "p".to_owned(), work, also: Vec::new(), sends: Sends::default() }
}

pub fn statement(purpose: Purpose) -> Request {
    statements(purpose, vec![vec![column("a", Some("STRING"))]])
}

/// A script, if there are several.
fn statements(purpose: Purpose, outputs: Vec<Vec<Output>>) -> Request {
    let understood = |outputs: Vec<Output>| StatementAnalysis {
        kind: "SELECT".to_owned(),
        effects: vec![Effect::Read],
        reads: vec![Read { table: TableName::new("p", "d", "t"), columns: vec!["a".to_owned()] }],
        outputs,
        ..StatementAnalysis::default()
    };
    let statements = outputs.into_iter().map(understood).collect();
    whole(Work::Statement(Box::new(Statement {
        text: "SELECT a FROM d.t".to_owned(),
        parameters: Vec::new(),
        default_dataset: None,
        location: None,
        destination: None,
        purpose,
        analysis: Analysis { statements, refused: None },
    })))
}

pub fn page(job: &str) -> Request {
    statement(Purpose::Page { job: job.to_owned(), dry_run: dry_run() })
}

/// A page of a job with these outputs, statement by statement.
pub fn page_of(job: &str, outputs: Vec<Vec<Output>>) -> Request {
    let is_script = outputs.len() > 1;
    // A column without a name is called so in a result.
    let name = |output: &Output| if output.name.is_empty() { "f0_".to_owned() } else { output.name.clone() };
    let field = |output: &Output| sluice_model::Field { name: name(output), kind: output.kind.clone().unwrap() };
    let schema = outputs.last().map(|outputs| outputs.iter().map(field).collect());
    let statement_type = Some(if is_script { "SCRIPT" } else { "SELECT" }.to_owned());
    statements(Purpose::Page { job: job.to_owned(), dry_run: DryRun { statement_type, schema, ..dry_run() } }, outputs)
}

pub fn method(name: &str, columns: &[Option<&str>]) -> Request {
    let columns = columns.iter().enumerate().map(|(position, kind)| column(&format!("c{position}"), *kind)).collect();
    whole(Work::Method(Method {
        name: name.to_owned(),
        resource: Resource::Table(TableName::new("p", "d", "t")),
        columns,
        required: BTreeSet::new(),
        restriction: None,
        historical: Vec::new(),
        kept: Vec::new(),
    }))
}

fn dry_run() -> DryRun {
    let schema = vec![sluice_model::Field { name: "a".to_owned(), kind: Type::String }];
    let tables = vec![TableName::new("p", "d", "t")];
    DryRun {
        statement_type: Some("SELECT".to_owned()),
        bytes: Some(1),
        referenced_tables: tables,
        schema: Some(schema),
        ..DryRun::default()
    }
}

/// Everything is permitted, but for what `labels` says.
pub fn permit(request: Request, labels: &str) -> Permit {
    let labels = format!("format = 1\n{labels}");
    // To see a labelled column is left out.
    let actions = "action in [Action::\"connect\", Action::\"Read\"]";
    let rule = format!("@id(\"read\") @reason(\"r\")\npermit (principal, {actions}, resource);\n");
    let files = [("policy.toml", SETTINGS), ("labels.toml", labels.as_str()), ("a.cedar", rule.as_str())];
    let bundle = Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let set = PolicySet::load(&bundle).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (halt, known, counters) = (Halt::default(), Known::default(), MemoryCounters::default());
    let circumstances = Circumstances { now: i64::try_from(NOW).unwrap(), door: "rest", address: None, halt: &halt, known: &known };
    let verdict = match set.decide(&caller(), request, &circumstances, &counters) {
        Verdict::ToEstimate(estimate) => set.decide_estimated(&caller(), estimate, &dry_run(), &circumstances, &counters),
        other => other,
    };
    match verdict {
        Verdict::Permitted(permit) => permit,
        other => panic!("not permitted: {other:?}"),
    }
}
