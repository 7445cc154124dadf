//! The rarer statements of a script: other loops, failures and what catches them, counts of changed rows.

use sluice_model::Type;

use super::Generator;
use super::scope::{Column, Expression, Scope, Stain, Want};
use super::script::{Program, spread, widen};

impl Generator {
    pub fn rare_step(&mut self, program: &mut Program) {
        match self.random.below(7) {
            0 => self.swap(program),
            1 => self.repeat_loop(program),
            2 => self.open_loop(program),
            3 => self.case(program),
            4 => self.assertion(program),
            5 => self.raise(program),
            _ => self.caught(program),
        }
    }

    /// Two variables of one type change places, or one is given a value beside it.
    fn swap(&mut self, program: &mut Program) {
        let Some(first) = self.random.pick(&program.variables).cloned() else { return };
        let mut twins = program.variables.iter().filter(|other| other.kind == first.kind && other.name != first.name);
        let Some(second) = twins.next_back().cloned() else { return };
        for variable in &mut program.variables {
            if variable.name == first.name {
                variable.stain = second.stain.clone();
            } else if variable.name == second.name {
                variable.stain = first.stain.clone();
            }
        }
        program.steps.push(format!("SET ({}, {}) = ({}, {});\n", first.name, second.name, second.name, first.name));
    }

    fn repeat_loop(&mut self, program: &mut Program) {
        let counter = program.counter(&self.alias("n"));
        let before = program.variables.clone();
        let body = self.assignment(program, false);
        let end = self.condition(program);
        spread(&mut program.variables, &before);
        let text = format!("{body}SET {counter} = {counter} + 1;\nUNTIL {counter} >= 2 OR {}", end.text);
        program.decided(&end, &before);
        program.steps.push(format!("REPEAT\n{text}\nEND REPEAT;\n"));
    }

    fn open_loop(&mut self, program: &mut Program) {
        let counter = program.counter(&self.alias("n"));
        let before = program.variables.clone();
        let body = self.assignment(program, false);
        let end = self.condition(program);
        let more = self.assignment(program, false);
        spread(&mut program.variables, &before);
        let leave = self.random.word(&["LEAVE", "BREAK"]);
        let test = format!("IF {counter} >= 3 OR {} THEN\n{leave};\nEND IF;\n", end.text);
        program.decided(&end, &before);
        program.steps.push(format!("LOOP\nSET {counter} = {counter} + 1;\n{body}{test}{more}END LOOP;\n"));
    }

    fn case(&mut self, program: &mut Program) {
        let before = program.variables.clone();
        let (first, second) = (self.condition(program), self.condition(program));
        let one = self.assignment(program, false);
        let two = self.assignment(program, false);
        widen(&mut program.variables, &before);
        program.decided(&first, &before);
        program.decided(&second, &before);
        let other = self.random.word(&["", "ELSE\nSELECT 1;\n"]);
        program.steps.push(format!("CASE\nWHEN {} THEN\n{one}WHEN {} THEN\n{two}{other}END CASE;\n", first.text, second.text));
    }

    fn assertion(&mut self, program: &mut Program) {
        let asserted = self.condition(program);
        let or = if self.plan.uses && self.random.chance(50) { "" } else { " OR TRUE" };
        program.steps.push(format!("ASSERT ({}{or}) AS 'it holds';\n", asserted.text));
    }

    /// Where no labelled value decides, it would fail in all variants or in none.
    fn raise(&mut self, program: &mut Program) {
        if !self.plan.uses {
            return;
        }
        let when = self.condition(program);
        let want = Want::Either;
        let message = self.value(program, &Type::String, want);
        program.stained_rows |= when.stain.any() || message.stain.any();
        let text = format!("RAISE USING MESSAGE = COALESCE({}, 'none');\n", message.text);
        program.steps.push(format!("IF {} THEN\n{text}END IF;\n", when.text));
    }

    /// A block whose handler tells that something failed.
    fn caught(&mut self, program: &mut Program) {
        let Some(position) = self.text_variable(program) else { return };
        let Some(variable) = program.variables.get(position).cloned() else { return };
        let before = program.variables.clone();
        let failing = self.failing_query();
        let body = match failing {
            Some(failing) => {
                let stain = Stain::Labelled;
                if let Some(variable) = program.variables.get_mut(position) {
                    variable.stain = stain;
                }
                format!("SET {} = {};\n", variable.name, failing.text)
            }
            None => self.assignment(program, false),
        };
        let handler = match self.random.below(3) {
            0 => "'failed'".to_owned(),
            1 => "@@error.message".to_owned(),
            _ => format!("CONCAT({}, '!')", variable.name),
        };
        widen(&mut program.variables, &before);
        program.steps.push(format!("BEGIN\n{body}EXCEPTION WHEN ERROR THEN\nSET {} = {handler};\nEND;\n", variable.name));
    }

    fn text_variable(&mut self, program: &Program) -> Option<usize> {
        let texts = program.variables.iter().enumerate().filter(|(_, variable)| variable.kind == Type::String);
        let positions: Vec<usize> = texts.map(|(position, _)| position).collect();
        self.random.pick(&positions).copied()
    }

    /// A value of one row of a table that may fail because of a labelled one.
    fn failing_query(&mut self) -> Option<Expression> {
        let source = self.table();
        let scope = source.scope(&Scope::default());
        let found = self.explosion(&scope, &Type::String, |recipe| recipe.explosive && !recipe.window && !recipe.aggregate)?;
        let key = source.key.iter().flatten().next()?.clone();
        let row = self.random.below(4);
        Some(Expression { text: format!("(SELECT {} FROM {} ORDER BY {key} LIMIT 1 OFFSET {row})", found.text, source.text), ..found })
    }

    fn condition(&mut self, program: &Program) -> Expression {
        let wish = self.plan.condition(&mut self.random, 1);
        self.value(program, &Type::Bool, wish.want)
    }
}

impl Program {
    fn counter(&mut self, name: &str) -> String {
        self.declarations.push(format!("DECLARE {name} INT64 DEFAULT 0;\n"));
        name.to_owned()
    }

    /// What was assigned since `before` is labelled where the condition is.
    fn decided(&mut self, condition: &Expression, before: &[Column]) {
        self.stained_rows |= condition.stain.any();
        for (variable, old) in self.variables.iter_mut().zip(before) {
            let given = variable.stain != old.stain || condition.stain.any();
            variable.stain = variable.stain.clone().decided(given && condition.stain.any());
        }
    }
}
