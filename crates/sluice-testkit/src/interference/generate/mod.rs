//! Random, typed, deterministic statements over the clinic.
//!
//! The generator knows of each output whether a labelled source stands in the text it is built from (`Stain`, an upper bound), and keeps
//! labelled values away from whatever decides rows in most statements, so that a difference between variants can only be an exposure's.

mod aggregate;
mod constant;
mod expression;
mod fill;
mod pipe;
mod plan;
pub mod random;
mod recipe;
pub mod scope;
mod script;
mod script_steps;
mod select;
mod set;
mod source;
mod subquery;
mod window;

pub use plan::{Form, Mix, Plan};
use random::Random;
use scope::{Column, Relation, Scope};
use sluice_model::Type;

/// A generated statement or script, and what the generator knows of it.
#[derive(Clone, Debug)]
pub struct Statement {
    pub text: String,
    pub plan: Plan,
    pub script: bool,
    /// Of the last query, in order.
    pub outputs: Vec<Provenance>,
    /// Labelled values decide rows, as far as the generator knows.
    pub stained_rows: bool,
    /// Its choices: replaying them gives the same statement.
    pub tape: Vec<u32>,
    /// Parts of the tape that belong together.
    pub spans: Vec<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    pub name: String,
    pub kind: Type,
    /// A labelled source stands in the text that the output is built from.
    pub stained: bool,
}

/// A temporary SQL function of the script.
#[derive(Clone, Debug)]
struct Function {
    name: String,
    arguments: Vec<Type>,
    result: Type,
    /// Of what its body reads besides its arguments.
    stain: scope::Stain,
}

pub struct Generator {
    random: Random,
    plan: Plan,
    fresh: usize,
    /// The plan's failing operation has been placed.
    exploded: bool,
    /// How many more subqueries may nest in FROM.
    depth: u8,
    /// Common table expressions and temporary tables; `text` is the name.
    named: Vec<Relation>,
    functions: Vec<Function>,
}

/// The statement of a seed. `scripts`: whether it may be more than one statement.
pub fn statement(seed: u64, scripts: bool) -> Statement {
    generate(Random::seeded(seed), scripts)
}

pub fn replay(tape: &[u32], scripts: bool) -> Statement {
    generate(Random::replayed(tape), scripts)
}

fn generate(mut random: Random, scripts: bool) -> Statement {
    let plan = Plan::draw(&mut random, scripts);
    let mut generator = Generator { random, plan, fresh: 0, exploded: false, depth: 1, named: Vec::new(), functions: Vec::new() };
    let script = matches!(plan.form, Form::Script | Form::Function);
    let relation = match plan.form {
        Form::Script => generator.script(),
        Form::Function => generator.with_functions(),
        _ => generator.query(&Scope::default()),
    };
    let provenance = |column: &Column| Provenance { name: column.name.clone(), kind: column.kind.clone(), stained: column.stain.any() };
    let outputs = relation.columns.iter().map(provenance).collect();
    let (tape, spans) = (generator.random.drawn().to_vec(), generator.random.spans().to_vec());
    Statement { text: relation.text, plan, script, outputs, stained_rows: relation.stained_rows, tape, spans }
}

impl Statement {
    /// One that was written by hand. Of its outputs nothing is known.
    pub fn written(text: &str) -> Statement {
        let plan = Plan { form: Form::Script, uses: true, errors: true, mix: Mix::Any };
        let text = text.to_owned();
        Statement { text, plan, script: true, outputs: Vec::new(), stained_rows: true, tape: Vec::new(), spans: Vec::new() }
    }
}

impl Generator {
    /// A whole query, perhaps with common table expressions. `outer` holds what every part of it may name.
    fn query(&mut self, outer: &Scope) -> Relation {
        let visible = self.named.len();
        let mut with = Vec::new();
        if self.plan.form != Form::Recursive {
            for _ in 0..self.random.weighted(&[(0, 70), (1, 24), (2, 6)]).unwrap_or(0) {
                let condition = self.plan.condition(&mut self.random, 1);
                let relation = self.relation(outer, condition);
                let name = self.table_alias();
                with.push(format!("{name} AS ({})", relation.text));
                self.named.push(Relation { text: name, ..relation });
            }
        }
        let condition = self.plan.condition(&mut self.random, 2);
        let outputs = self.outputs(2, 3);
        let body = match self.plan.form {
            Form::Aggregate => self.aggregate(outer, condition, &outputs),
            Form::Pipe => self.pipe(condition),
            Form::Pivot => self.pivot(condition),
            Form::Recursive => self.recursive(condition),
            Form::Set => self.set(outer, condition, &outputs),
            Form::Star => self.star(outer, condition),
            Form::Unpivot => self.unpivot(condition),
            Form::Select | Form::Script | Form::Function => self.select(outer, condition, &outputs),
        };
        self.named.truncate(visible);
        let text = if with.is_empty() { body.text } else { format!("WITH {} {}", with.join(", "), body.text) };
        Relation { text, ..body }
    }

    /// A name for a common table expression, now and then that of a table.
    fn table_alias(&mut self) -> String {
        let name = if self.random.chance(12) { self.random.word(&["patients", "visits", "cards"]) } else { "" };
        let taken = self.named.iter().any(|relation| relation.text == name);
        if name.is_empty() || taken { self.alias("w") } else { name.to_owned() }
    }

    /// A name that no other thing of the statement has.
    fn alias(&mut self, prefix: &str) -> String {
        self.fresh += 1;
        format!("{prefix}{}", self.fresh)
    }
}
