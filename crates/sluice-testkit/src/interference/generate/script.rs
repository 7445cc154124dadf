//! Scripts: functions, variables, branches, loops, temporary tables, dynamic SQL.

use sluice_model::Type;

use super::scope::{Column, Expression, Relation, Scope, Stain, Want};
use super::select::{list, names, spelled};
use super::{Form, Function, Generator};

/// What a script has so far.
#[derive(Default)]
pub struct Program {
    pub declarations: Vec<String>,
    pub steps: Vec<String>,
    pub variables: Vec<Column>,
    pub stained_rows: bool,
}

const QUERIES: &[(Form, usize)] = &[(Form::Select, 60), (Form::Aggregate, 15), (Form::Pipe, 10), (Form::Set, 10), (Form::Star, 5)];

impl Generator {
    /// One or two temporary functions, and a query that may call them.
    pub fn with_functions(&mut self) -> Relation {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(2) {
            text.push_str(&self.function());
        }
        self.plan.form = self.random.weighted(QUERIES).unwrap_or(Form::Select);
        let query = self.query(&Scope::default());
        Relation { text: format!("{text}{}", query.text), ..query }
    }

    pub fn script(&mut self) -> Relation {
        let mut program = Program::default();
        for _ in 0..2 + self.random.below(2) {
            self.declare(&mut program);
        }
        for _ in 0..1 + self.random.below(3) {
            let mark = self.random.mark();
            self.step(&mut program);
            self.random.close(mark);
        }
        let last = self.last_query(&program);
        let text = format!("{}{}{}", program.declarations.concat(), program.steps.concat(), last.text);
        Relation { text, stained_rows: last.stained_rows || program.stained_rows, ..last }
    }

    fn function(&mut self) -> String {
        let name = self.alias("f");
        let mut arguments = Vec::new();
        for _ in 0..1 + self.random.below(2) {
            let kind = self.scalar_kind();
            let name = self.alias("x");
            arguments.push(Column::new(&name, &name, kind, Stain::Clean));
        }
        let result = self.scalar_kind();
        let scope = Scope { columns: arguments.clone(), ..Scope::default() };
        let mut wish = self.plan.wish(Want::Either, 2);
        // Its arguments may be labelled later.
        wish.safe = true;
        let body = self.expression(&scope, &result, wish);
        let head: Vec<String> = arguments.iter().map(|argument| format!("{} {}", argument.name, argument.kind)).collect();
        let returns = if self.random.chance(50) { format!(" RETURNS {result}") } else { String::new() };
        let text = format!("CREATE TEMP FUNCTION {name}({}){returns} AS ({});\n", head.join(", "), body.text);
        let arguments = arguments.into_iter().map(|argument| argument.kind).collect();
        self.functions.push(Function { name, arguments, result, stain: body.stain });
        text
    }

    fn declare(&mut self, program: &mut Program) {
        let name = self.alias("v");
        let kind = match self.random.below(100) {
            85..94 => Type::array(Type::String),
            _ => self.scalar_kind(),
        };
        let mut stain = Stain::Clean;
        let mut default = String::new();
        if self.random.chance(60) {
            let value = self.value(program, &kind, Want::Clean);
            default = format!(" DEFAULT {}", value.text);
            stain = value.stain;
        }
        program.declarations.push(format!("DECLARE {name} {kind}{default};\n"));
        program.variables.push(Column::new(&name, &name, kind, stain));
    }

    fn step(&mut self, program: &mut Program) {
        match self.random.below(100) {
            18..34 => self.rare_step(program),
            34..48 => self.branch(program),
            48..56 => self.while_loop(program),
            56..66 => self.for_loop(program),
            66..84 => self.temporary_table(program),
            84..90 => self.change(program),
            90..96 => self.dynamic(program),
            _ => {
                let text = self.assignment(program, false);
                program.steps.push(text);
            }
        }
    }

    /// A value for a variable, more often than not out of a table.
    pub fn value(&mut self, program: &Program, kind: &Type, want: Want) -> Expression {
        let scope = Scope { columns: program.variables.clone(), ..Scope::default() };
        let wish = self.plan.wish(want, 2);
        let queried = if self.random.chance(55) { self.subquery(&scope, kind, wish) } else { None };
        queried.unwrap_or_else(|| self.expression(&scope, kind, wish))
    }

    /// `decided`: it stands where labelled values decide whether it runs.
    pub fn assignment(&mut self, program: &mut Program, decided: bool) -> String {
        let position = self.random.below(program.variables.len());
        let want = self.plan.output(&mut self.random, position);
        let Some(variable) = program.variables.get(position).cloned() else { return String::new() };
        let value = self.value(program, &variable.kind, want);
        if let Some(variable) = program.variables.get_mut(position) {
            variable.stain = value.stain.decided(decided);
        }
        format!("SET {} = {};\n", variable.name, value.text)
    }

    fn branch(&mut self, program: &mut Program) {
        let wish = self.plan.condition(&mut self.random, 2);
        let condition = self.value(program, &Type::Bool, wish.want);
        let decided = condition.stain.any();
        let before = program.variables.clone();
        let mut first = self.assignment(program, decided);
        if self.random.chance(30) {
            first.push_str(&self.assignment(program, decided));
        }
        let mut second = String::new();
        if self.random.chance(60) {
            second = format!("ELSE\n{}", self.assignment(program, decided));
        }
        widen(&mut program.variables, &before);
        program.stained_rows |= decided;
        program.steps.push(format!("IF {} THEN\n{first}{second}END IF;\n", condition.text));
    }

    fn while_loop(&mut self, program: &mut Program) {
        let counter = self.alias("n");
        program.declarations.push(format!("DECLARE {counter} INT64 DEFAULT 0;\n"));
        let rounds = 1 + self.random.below(3);
        let before = program.variables.clone();
        let mut body = self.assignment(program, false);
        body.push_str(&self.assignment(program, false));
        spread(&mut program.variables, &before);
        program.steps.push(format!("WHILE {counter} < {rounds} DO\n{body}SET {counter} = {counter} + 1;\nEND WHILE;\n"));
    }

    fn for_loop(&mut self, program: &mut Program) {
        let record = self.alias("r");
        let source = self.table();
        let scope = source.scope(&Scope::default());
        let outputs = self.outputs(2, 3);
        let columns = self.items(&scope, &outputs);
        let key = source.key.clone().unwrap_or_default().join(", ");
        let fields: Vec<Column> =
            columns.iter().map(|column| Column { text: format!("{record}.{}", column.name), ..column.clone() }).collect();
        let before = program.variables.clone();
        let position = self.random.below(program.variables.len());
        let Some(variable) = program.variables.get(position).cloned() else { return };
        let inner = Scope { columns: fields, ..Scope::default() }.with(&program.variables);
        let wish = self.plan.wish(Want::Either, 2);
        let value = self.expression(&inner, &variable.kind, wish);
        if let Some(variable) = program.variables.get_mut(position) {
            variable.stain = value.stain;
        }
        spread(&mut program.variables, &before);
        let query = format!("SELECT {} FROM {} ORDER BY {key} LIMIT 4", list(&columns), source.text);
        program.steps.push(format!("FOR {record} IN ({query}) DO\nSET {} = {};\nEND FOR;\n", variable.name, value.text));
    }

    fn temporary_table(&mut self, program: &mut Program) {
        let condition = self.plan.condition(&mut self.random, 1);
        let ambient = Scope { columns: program.variables.clone(), ..Scope::default() };
        let relation = self.relation(&ambient, condition);
        let name = self.alias("w");
        program.stained_rows |= relation.stained_rows;
        program.steps.push(format!("CREATE TEMP TABLE {name} AS {};\n", relation.text));
        self.named.push(Relation { text: name, ..relation });
    }

    /// INSERT, UPDATE or DELETE on a temporary table.
    fn change(&mut self, program: &mut Program) {
        if self.named.is_empty() {
            self.temporary_table(program);
        }
        let Some(mut relation) = self.named.pop() else { return };
        let table = relation.text.clone();
        let condition = self.plan.condition(&mut self.random, 1);
        let scope = Scope { columns: relation.columns.iter().map(|column| column.through(&table)).collect(), ..Scope::default() };
        let scope = scope.with(&program.variables);
        let filter = self.expression(&scope, &Type::Bool, condition);
        let text = match self.random.below(3) {
            0 => {
                let outputs: Vec<_> = relation.columns.iter().map(|column| (column.kind.clone(), Want::Either)).collect();
                let source = self.table();
                let others = self.items(&source.scope(&Scope::default()), &outputs);
                widen(&mut relation.columns, &others);
                relation.key = None;
                format!("INSERT INTO {table} ({}) SELECT {} FROM {}", names(&relation.columns), list(&others), source.text)
            }
            1 => {
                let position = self.random.below(relation.columns.len());
                let wish = self.plan.wish(Want::Either, 1);
                let kind = relation.columns.get(position).map_or(Type::String, |column| column.kind.clone());
                let value = self.expression(&scope, &kind, wish);
                relation.key = None;
                let Some(column) = relation.columns.get_mut(position) else { return };
                column.stain = column.stain.clone().join(&value.stain);
                relation.stained_rows |= filter.stain.any();
                format!("UPDATE {table} SET {} = {} WHERE {}", spelled(&column.name), value.text, filter.text)
            }
            _ => {
                relation.stained_rows |= filter.stain.any();
                format!("DELETE FROM {table} WHERE {}", filter.text)
            }
        };
        program.stained_rows |= relation.stained_rows;
        program.steps.push(format!("{text};\n"));
        self.count_rows(program, filter.stain.any());
        self.named.push(relation);
    }

    /// How many rows the last statement changed.
    fn count_rows(&mut self, program: &mut Program, decided: bool) {
        let number = program.variables.iter_mut().find(|variable| variable.kind == Type::Int64);
        let Some(variable) = number.filter(|_| self.random.chance(50)) else { return };
        variable.stain = Stain::of(decided);
        program.steps.push(format!("SET {} = @@row_count;\n", variable.name));
    }

    fn dynamic(&mut self, program: &mut Program) {
        let position = self.random.below(program.variables.len());
        let Some(variable) = program.variables.get(position).cloned() else { return };
        let value = self.value(program, &variable.kind, Want::Either);
        let shown = match self.random.below(3) {
            0 => ("SELECT ?".to_owned(), value.stain.clone(), format!(" USING {}", value.text)),
            1 => (
                "SELECT IF(@a IS NULL, NULL, @b)".to_owned(),
                value.stain.clone(),
                format!(" USING {} AS a, {} AS b", value.text, value.text),
            ),
            _ => {
                let wish = self.plan.wish(Want::Either, 1);
                let own = self.subquery(&Scope::default(), &variable.kind, wish);
                let own = own.unwrap_or_else(|| self.constant(&variable.kind));
                (format!("SELECT {}", own.text), own.stain, String::new())
            }
        };
        let (query, stain, using) = shown;
        if let Some(variable) = program.variables.get_mut(position) {
            variable.stain = stain;
        }
        program.steps.push(format!("EXECUTE IMMEDIATE \"\"\"{query}\"\"\" INTO {}{using};\n", variable.name));
    }

    /// The query whose rows are compared: the variables themselves, or a query that may name them and the temporary tables.
    fn last_query(&mut self, program: &Program) -> Relation {
        if self.random.chance(35) {
            let columns: Vec<Column> = program.variables.clone();
            return Relation { text: format!("SELECT {}", list(&columns)), columns, key: None, stained_rows: false, size: 1 };
        }
        let ambient = Scope { columns: program.variables.clone(), ..Scope::default() };
        let table = if self.random.chance(50) { self.named.last().cloned() } else { None };
        if let Some(table) = table {
            return Relation { text: format!("SELECT * FROM {}", table.text), ..table };
        }
        self.plan.form = self.random.weighted(QUERIES).unwrap_or(Form::Select);
        self.query(&ambient)
    }
}

/// A branch may have run or not: each variable holds what it held, or what it was given.
pub fn widen(columns: &mut [Column], others: &[Column]) {
    for (column, other) in columns.iter_mut().zip(others) {
        column.stain = column.stain.clone().join(&other.stain);
    }
}

/// In a loop a value may pass from any variable to any other that was given something.
pub fn spread(columns: &mut [Column], before: &[Column]) {
    let all = columns.iter().any(|column| column.stain.any());
    for (column, old) in columns.iter_mut().zip(before) {
        let given = column.stain != old.stain;
        column.stain = column.stain.clone().join(&old.stain).decided(given && all);
    }
}
