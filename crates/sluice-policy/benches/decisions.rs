//! Decisions per second with 500 policies: `make bench`. What the figures mean stands in `docs/policy.md`.

use sluice_model::principal::{CallerKind, Principal};
use sluice_model::{Analysis, ColumnPath, Effect, Exposure, How, Output, Read, StatementAnalysis, TableName, Type};
use sluice_policy::{Bundle, Circumstances, DryRun, Halt, Known, Outcome, PolicySet, Purpose, Request, Statement, Work};
use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const POLICIES: usize = 500;
const ROUNDS: usize = 500;
const GROUPS_OF_CALLER: usize = 5;

const SETTINGS: &str = "format = 1\nname = \"bench\"\n[cost]\nmicros_per_tib = 6250000\nceiling_micros = 50000000\n";
const LABELS: &str = "format = 1\n[labels.contact]\nmask = \"email\"\nreason = \"r\"\ncolumns = [\"*.*.*.email\"]\n\
    [labels.id]\nmask = \"last_four\"\nreason = \"r\"\ncolumns = [\"p.d0.t0.ssn\"]\n";

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    writeln!(out, "{POLICIES} policies, both decisions of a statement {ROUNDS} times; half of what both took")?;
    // A word behind `--` chooses: for whoever looks for where the time goes.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (shape, policy) in SHAPES.into_iter().filter(|(shape, _)| chosen.is_empty() || chosen.iter().any(|word| shape.contains(word))) {
        for tables in [1, 3] {
            let set = set(policy)?;
            let times = measure(&set, &request(tables))?;
            let total: Duration = times.iter().sum();
            let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e6 / 2.0;
            writeln!(
                out,
                "{shape}, {tables} tables: p50 {:.1} us, p99 {:.1} us, {:.0} decisions a second",
                at(50),
                at(99),
                2.0 * times.len() as f64 / total.as_secs_f64()
            )?;
        }
    }
    Ok(())
}

/// How the 500 are spread: over groups, over datasets, or all of them about everybody and everything.
type Shape = (&'static str, fn(usize) -> String);

const SHAPES: [Shape; 9] = [
    ("by group", |number| {
        format!("permit (principal in Group::\"g{}\", action in [Action::\"Read\", Action::\"connect\"], resource)", number / 5)
    }),
    ("by dataset", |number| format!("permit (principal is Person, action in [Action::\"Read\"], resource in Dataset::\"p.d{number}\")")),
    ("by plain conditions", |number| {
        format!(
            "permit (principal, action in [Action::\"Read\"], resource) when {{ context.door == \"rest\" && context.grants.contains(\"g{number}\") }}"
        )
    }),
    ("by conditions about sets of grants", |number| {
        format!(
            "permit (principal, action in [Action::\"Read\"], resource) when {{ context.grants.containsAny([\"g{number}\", \"h{number}\"]) }}"
        )
    }),
    ("by conditions about labels of the resource", |number| {
        format!(
            "permit (principal, action in [Action::\"Read\"], resource is Table) when {{ resource.labels.containsAny([\"g{number}\", \"h{number}\"]) }}"
        )
    }),
    ("by networks", |number| {
        format!(
            "permit (principal, action in [Action::\"Read\"], resource) when {{ context has address && context.address.isInRange(ip(\"172.16.{}.0/24\")) }}",
            number % 256
        )
    }),
    ("by labels and grants", |_| {
        "permit (principal, action in [Action::\"Read\"], resource is Table) when { resource.labels.containsAny(context.grants) }"
            .to_owned()
    }),
    ("by conditions for Cedar alone", |number| {
        format!("permit (principal, action in [Action::\"Read\"], resource) when {{ {{hour: context.hour}}.hour > {} }}", number + 24)
    }),
    ("by conditions for Cedar alone about the resource", |number| {
        format!(
            "permit (principal, action in [Action::\"Read\"], resource is Table) when {{ {{labels: resource.labels}}.labels.contains(\"g{number}\") }}"
        )
    }),
];

fn set(policy: fn(usize) -> String) -> Result<PolicySet, Box<dyn Error>> {
    let mut text = String::new();
    for number in 0..POLICIES - 3 {
        writeln!(text, "@id(\"r{number}\") @reason(\"r\")\n{};", policy(number))?;
    }
    text.push_str(
        "@id(\"connect\") @reason(\"r\")\npermit (principal is Person, action in [Action::\"connect\", Action::\"Read\"], resource);\n\
         @id(\"cost\") @reason(\"r\") @hold(\"owners, 1, passkey, 4h\")\n\
         forbid (principal, action == Action::\"connect\", resource) when { context has dry_run && context.dry_run.bytes > 1000000000 };\n\
         @id(\"agents\") @reason(\"r\")\nforbid (principal is Agent, action, resource);\n",
    );
    let files = [("policy.toml", SETTINGS), ("labels.toml", LABELS), ("a.cedar", text.as_str())];
    let bundle = Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
    PolicySet::load(&bundle).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into())
}

fn request(tables: usize) -> Request {
    let table = |number: usize| TableName::new("p", &format!("d{number}"), "t0");
    let column = |name: &str| ColumnPath { table: table(0), path: vec![name.to_owned()] };
    let output = |name: &str| Output {
        name: name.to_owned(),
        kind: Some(Type::String),
        exposures: vec![Exposure { at: Vec::new(), column: column(name), how: How::Direct }],
    };
    let statement = StatementAnalysis {
        kind: "SELECT".to_owned(),
        effects: vec![Effect::Read],
        reads: (0..tables).map(|number| Read { table: table(number), columns: vec!["email".to_owned(), "id".to_owned()] }).collect(),
        outputs: ["id", "email", "ssn", "name"].map(output).into(),
        ..StatementAnalysis::default()
    };
    let statement = Statement {
        text: String::new(),
        parameters: Vec::new(),
        default_dataset: None,
        location: None,
        destination: None,
        purpose: Purpose::Dispatch,
        analysis: Analysis { statements: vec![statement], refused: None },
    };
    Request {
        connection: "warehouse".to_owned(),
        project: "p".to_owned(),
        work: Work::Statement(Box::new(statement)),
        also: Vec::new(),
        sends: sluice_policy::Sends::default(),
    }
}

fn measure(set: &PolicySet, request: &Request) -> Result<Vec<Duration>, Box<dyn Error>> {
    let principal = Principal {
        kind: CallerKind::Person,
        issuer: "https://issuer.example".to_owned(),
        subject: "1".to_owned(),
        name: "ana".to_owned(),
        groups: (0..GROUPS_OF_CALLER).map(|number| format!("g{number}")).collect(),
        run: None,
        facts: Default::default(),
        delegation: None,
        grants: Vec::new(),
    };
    let (halt, known) = (Halt::default(), Known::default());
    let address: Option<IpAddr> = Some("10.0.0.1".parse()?);
    let circumstances = Circumstances { now: 1_893_585_600, door: "rest", address, halt: &halt, known: &known };
    let Work::Statement(statement) = &request.work else { return Ok(Vec::new()) };
    let understood = statement.analysis.statements.first().ok_or("no statement")?;
    let dry_run = DryRun {
        statement_type: Some("SELECT".to_owned()),
        bytes: Some(1000),
        referenced_tables: understood.reads.iter().map(|read| read.table.clone()).collect(),
        referenced_routines: Vec::new(),
        schema: Some(
            understood.outputs.iter().map(|output| sluice_model::Field { name: output.name.clone(), kind: Type::String }).collect(),
        ),
    };
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let first = set.evaluate(&principal, black_box(request), None, &circumstances);
        let second = set.evaluate(&principal, black_box(request), Some(&dry_run), &circumstances);
        times.push(start.elapsed());
        if (first.outcome, second.outcome) != (Outcome::ToEstimate, Outcome::Permitted) {
            return Err(format!("{first:?} {second:?}").into());
        }
    }
    times.sort();
    Ok(times)
}
