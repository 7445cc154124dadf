//! Function calls: which arguments pass through, which only decide, which can make the statement fail.

use super::Walker;
use super::expression::has_array;
use crate::builtin::{self, Demand, Failing, Written};
use crate::builtin_binding::effect_of;
use crate::flow::{Flow, Parts, Taint, Way};
use crate::kind;
use crate::tree::{NodeId, Tree, Value};
use crate::world::Traits;
use sluice_model::Type;

/// The arguments of a call, as far as they have a value.
struct Call {
    name: String,
    arguments: Vec<Flow>,
    /// Those of the arguments that are literals.
    literals: Vec<Option<Written>>,
    /// What reaches the result beside the arguments: modifiers, order, conditions.
    modifiers: Taint,
    plain: bool,
    distinct: bool,
    ignores_nulls: bool,
}

/// Beside those of preserve.txt, these give one of their arguments.
const CHOICES: [&str; 5] = ["greatest", "least", "max", "min", "nullif"];

/// Whatever collation their arguments have, these do not compare by it.
const NOT_COMPARING: [&str; 12] = [
    "$case_no_value",
    "$concat_op",
    "$is_null",
    "$make_array",
    "any_value",
    "array_agg",
    "array_length",
    "coalesce",
    "collate",
    "concat",
    "if",
    "ifnull",
];

/// The arrays that these give hold no nulls.
const WITHOUT_NULL_ELEMENTS: [&str; 14] = [
    "approx_quantiles",
    "approx_top_count",
    "approx_top_sum",
    "array_zip",
    "generate_array",
    "generate_date_array",
    "generate_range_array",
    "generate_timestamp_array",
    "json_extract_array",
    "json_keys",
    "json_query_array",
    "regexp_extract_all",
    "split",
    "to_code_points",
];

impl Walker<'_> {
    pub(super) fn call(&mut self, node: NodeId) -> Flow {
        let full = self.tree.child(node, "function").and_then(|function| self.tree.text(function, "name")).unwrap_or_default();
        let (group, name) = full.split_once(':').unwrap_or(("", full));
        let name = name.to_ascii_lowercase();
        let before = self.failures;
        let call = match self.lambda_call(node, &name) {
            Some(call) => call,
            None => self.arguments(node, &name),
        };
        let failing_arguments = self.failures != before;
        let safe = self.tree.enumerator(node, "error_mode") == Some("SAFE_ERROR_MODE");
        if group.eq_ignore_ascii_case("ZetaSQL") {
            if failing_arguments {
                let deciding = if self.stops_early(node, &name) { everything(&call) } else { control(&call) };
                self.found.errors.extend(deciding.iter().map(|(source, _)| *source));
            }
            let marks = builtin::table().engine_marks(&name);
            self.found.effects.extend(marks.iter().filter_map(|mark| effect_of(*mark)));
            if !safe && let Some(inputs) = self.failing_inputs(node, &call) {
                self.can_fail(&inputs);
            }
            let mut flow = builtin(&call);
            if marks.contains(&builtin::Mark::Clock) {
                self.found.reads_clock = true;
                flow = flow.with_whole(&self.world.clock);
            }
            let may_hold = matches!(flow.parts, Parts::None) && self.may_give_null_elements(node, &call.name);
            return Flow { holds_nulls: flow.holds_nulls || may_hold, ..flow };
        }
        self.registered(node, &name, safe, &call)
    }

    /// An aggregate that need not come to every row: what came of those before decides whether the next one can fail.
    fn stops_early(&self, node: NodeId, name: &str) -> bool {
        match name {
            "any_value" | "logical_and" | "logical_or" => true,
            "array_agg" | "array_concat_agg" | "string_agg" => self.tree.child(node, "limit").is_some(),
            _ => false,
        }
    }

    fn may_give_null_elements(&self, node: NodeId, name: &str) -> bool {
        let respects = self.tree.enumerator(node, "null_handling_modifier") == Some("RESPECT_NULLS");
        let is_array = kind::of(self.tree, node).is_none_or(|kind| has_array(&kind));
        // What is chosen among values is known of each of them.
        let chooses = CHOICES.contains(&name) || builtin::table().kept(name).is_some();
        is_array && !chooses && (respects || !WITHOUT_NULL_ELEMENTS.contains(&name))
    }

    /// A function that the engine knows by signature only: everything reaches its result.
    fn registered(&mut self, node: NodeId, name: &str, safe: bool, call: &Call) -> Flow {
        let Some(traits) = self.world.functions.get(name).cloned() else {
            self.unresolved_at(node, format!("what the function `{name}` gives is not known"));
            return Flow::default();
        };
        self.found.effects.extend(traits.effects.iter().copied());
        if !traits.canonical.is_empty() {
            self.found.routines.insert(traits.canonical.clone());
        }
        if traits.reads_beyond {
            self.unresolved_at(node, format!("`{}` reads more than its arguments", traits.canonical));
        }
        self.left_as_call(node, &traits);
        if !safe && !traits.total {
            self.can_fail(&everything(call));
        }
        match traits.keeps.and_then(|index| Some((index, call.arguments.get(index)?))) {
            Some((kept, value)) => {
                let others = call.arguments.iter().enumerate().filter(|(index, _)| *index != kept);
                others.fold(value.clone().or_null(), |flow, (_, other)| flow.with_whole(&other.derived())).with_whole(&call.modifiers)
            }
            None => Flow::of(everything(call)),
        }
    }

    /// The engine puts the text of a function in place of its call, but not everywhere. What the text reads is not in the tree then.
    pub(super) fn left_as_call(&mut self, node: NodeId, traits: &Traits) {
        if traits.has_text {
            let name = &traits.canonical;
            self.unresolved_at(node, format!("`{name}` is called where its text cannot be put in place of the call (OVER, MEASURES); accepted: a call in the list of a SELECT with GROUP BY, or its text"));
        }
    }

    fn arguments(&mut self, node: NodeId, name: &str) -> Call {
        // What an aggregate is grouped by within its group is bound first: its arguments speak of it.
        self.computed(node, "group_by_list");
        self.computed(node, "group_by_aggregate_list");
        let positional = self.tree.children(node, "argument_list");
        let generic = self.tree.children(node, "generic_argument_list");
        let literals = positional.iter().copied().map(Some).chain(generic.iter().map(|argument| self.tree.child(*argument, "expr")));
        let literals = literals.map(|argument| literal(self.tree, argument?)).collect();
        let mut arguments: Vec<Flow> = positional.into_iter().map(|argument| self.expression(argument)).collect();
        let mut modifiers = Taint::new();
        for argument in generic {
            arguments.push(self.generic_argument(argument));
        }
        let distinct = self.tree.boolean(node, "distinct");
        let mut plain = !distinct;
        if let Some(having) = self.tree.child(node, "having_modifier") {
            modifiers.extend(self.child_expression(having, "having_expr").derived());
            plain = false;
        }
        for key in self.tree.children(node, "group_by_list") {
            if let Some(id) = self.column_id(key, "column") {
                modifiers.extend(self.column(id).derived());
            }
            plain = false;
        }
        for field in ["limit", "where_expr", "having_expr"] {
            if self.tree.child(node, field).is_some() {
                let taint = if field == "limit" { self.number(node, field) } else { self.child_expression(node, field).derived() };
                modifiers.extend(taint);
                plain = false;
            }
        }
        modifiers.extend(self.order_taint(node));
        if let Some(frame) = self.tree.child(node, "window_frame") {
            for bound in ["start_expr", "end_expr"] {
                if let Some(bound) = self.tree.child(frame, bound) {
                    modifiers.extend(self.number(bound, "expression"));
                }
            }
        }
        let ignores_nulls = self.tree.enumerator(node, "null_handling_modifier") == Some("IGNORE_NULLS");
        Call { name: name.to_owned(), arguments, literals, modifiers, plain, distinct, ignores_nulls }
    }

    fn generic_argument(&mut self, argument: NodeId) -> Flow {
        if let Some(expression) = self.tree.child(argument, "expr") {
            return self.expression(expression);
        }
        if let Some(scan) = self.tree.child(argument, "scan") {
            return Flow::of(self.scan_taint(scan).0);
        }
        if let Some(lambda) = self.tree.child(argument, "inline_lambda") {
            // Its arguments were bound to the elements before, or stand for nothing known.
            for id in self.column_ids(lambda, "argument_list") {
                self.columns.entry(id).or_default();
            }
            return self.child_expression(lambda, "body");
        }
        if self.tree.child(argument, "model").is_some() || self.tree.child(argument, "sequence").is_some() {
            self.unresolved_at(argument, "a model or sequence as an argument".to_owned());
        }
        Flow::default()
    }

    /// A call with a lambda over the elements of its first argument. Captured columns reach the result through the body.
    fn lambda_call(&mut self, node: NodeId, name: &str) -> Option<Call> {
        let generic = self.tree.children(node, "generic_argument_list");
        let lambda = generic.iter().find_map(|argument| self.tree.child(*argument, "inline_lambda"))?;
        let first = generic.first().and_then(|argument| self.tree.child(*argument, "expr"))?;
        let array = self.expression(first);
        let bound = self.column_ids(lambda, "argument_list");
        for (position, id) in bound.iter().enumerate() {
            let flow = match (name, position) {
                // The second argument of these is the position of the element.
                ("array_transform" | "array_filter", 1) => Flow::default(),
                _ => array.element(),
            };
            self.bind(*id, flow);
        }
        let before = self.failures;
        let body = self.child_expression(lambda, "body");
        if self.failures != before {
            // Whether there is an element at all decides whether its failure happens.
            let mut deciding = array.outline();
            // Whatever looks for an element stops at the first one: what came of those before decides whether the next is come to.
            if !matches!(name, "array_filter" | "array_transform") {
                deciding.extend(body.derived());
            }
            self.found.errors.extend(deciding.iter().map(|(source, _)| *source));
        }
        let mut rest = Taint::new();
        for argument in generic.iter().skip(1) {
            if self.tree.child(*argument, "inline_lambda") != Some(lambda) {
                rest.extend(self.generic_argument(*argument).derived());
            }
        }
        for argument in self.tree.children(node, "argument_list") {
            rest.extend(self.expression(argument).derived());
        }
        Some(Call {
            name: name.to_owned(),
            arguments: vec![array, body],
            literals: Vec::new(),
            modifiers: rest,
            plain: false,
            distinct: false,
            ignores_nulls: false,
        })
    }

    /// What decides whether one of the engine's own functions fails. Nothing where no value can make it fail.
    fn failing_inputs(&self, node: NodeId, call: &Call) -> Option<Taint> {
        let argument = |index: usize| call.arguments.get(index).cloned().unwrap_or_default();
        if self.world.collates && !NOT_COMPARING.contains(&call.name.as_str()) && self.takes(node, &Type::String) {
            return Some(everything(call));
        }
        match call.name.as_str() {
            // An element may be missing: that is the array's length, not what it holds.
            "$array_at_offset" | "$array_at_ordinal" | "array_first" | "array_last" => {
                let mut taint = argument(0).outline();
                taint.extend(argument(1).derived());
                return Some(taint);
            }
            // Over floating point these do not overflow into an error. A sum does.
            "abs" | "$unary_minus" if self.first_kind(node) == Some(Type::Float64) => return None,
            "avg" if matches!(self.first_kind(node), Some(Type::Float64 | Type::Int64 | Type::Numeric)) => return None,
            "bit_and" | "bit_or" | "bit_xor" if self.first_kind(node) == Some(Type::Int64) => return None,
            "date" | "datetime" | "time" | "$extract_date" | "$extract_datetime" if self.is_within_calendar(node, call) => return None,
            // The engine breaks on a range without an end.
            "format" if self.takes(node, &Type::Range(Box::new(Type::Date))) => return Some(everything(call)),
            "timestamp_trunc" if is_truncated_in_utc(call) => return None,
            // A moment by another name of the function.
            "date_trunc" | "datetime_trunc" if self.first_kind(node) == Some(Type::Timestamp) => {
                return (!is_truncated_in_utc(call)).then(|| everything(call));
            }
            "$add" | "$multiply" | "$subtract" | "$unary_minus" | "abs" | "ceil" | "floor" | "round" | "sum" | "trunc"
                if self.stays_small(node) =>
            {
                return None;
            }
            "$divide" | "div" | "mod" => {
                if let Some(divisor) = self.divisor(node) {
                    return divisor.map(|index| argument(index).derived());
                }
            }
            // An interval has no weeks and no quarters.
            "$extract" if self.first_kind(node) == Some(Type::Interval) && !is_part_of_interval(call) => return Some(everything(call)),
            _ => {}
        }
        match builtin::table().failing(&call.name) {
            Some(failing) if never_fails(failing, &call.literals) => None,
            _ => Some(everything(call)),
        }
    }

    /// A first or last moment can lie on a day outside of the calendar in another time zone, and which one is the default nobody tells us.
    fn is_within_calendar(&self, node: NodeId, call: &Call) -> bool {
        match (self.first_kind(node), call.literals.get(1)) {
            (Some(Type::Date | Type::Datetime), None) => true,
            (Some(Type::Timestamp), None) => call.name == "time",
            (Some(Type::Timestamp), Some(zone)) => call.arguments.len() == 2 && is_utc(zone.as_ref()),
            _ => false,
        }
    }

    /// Whether an argument is of this type, or may hold one that is. Of ranges any will do.
    fn takes(&self, node: NodeId, wanted: &Type) -> bool {
        let generic =
            self.tree.children(node, "generic_argument_list").into_iter().filter_map(|argument| self.tree.child(argument, "expr"));
        let mut arguments = self.tree.children(node, "argument_list").into_iter().chain(generic);
        arguments.any(|argument| crate::kind::of(self.tree, argument).is_none_or(|kind| holds(&kind, wanted)))
    }

    fn first_kind(&self, node: NodeId) -> Option<Type> {
        let first = self.tree.children(node, "argument_list").first().copied()?;
        crate::kind::of(self.tree, first)
    }
}

fn holds(kind: &Type, wanted: &Type) -> bool {
    match kind {
        Type::Array(element) => holds(element, wanted),
        Type::Struct(fields) => fields.iter().any(|field| holds(&field.kind, wanted)),
        kind => std::mem::discriminant(kind) == std::mem::discriminant(wanted),
    }
}

fn is_utc(zone: Option<&Written>) -> bool {
    zone.is_some_and(|zone| Demand::Utc.is_met_by(zone))
}

fn is_part_of_interval(call: &Call) -> bool {
    let part = call.literals.get(1).and_then(Option::as_ref);
    part.is_some_and(|part| Demand::Unit.is_met_by(part))
}

/// The same: without a zone it is the default one that the start of the first day is looked for in.
fn is_truncated_in_utc(call: &Call) -> bool {
    let part = call.literals.get(1).and_then(Option::as_ref);
    call.arguments.len() == 3
        && part.is_some_and(|part| Demand::Start.is_met_by(part))
        && is_utc(call.literals.get(2).and_then(Option::as_ref))
}

/// Whether each argument that could make a call fail is a good literal.
fn never_fails(failing: &Failing, literals: &[Option<Written>]) -> bool {
    let Failing::Unless(demands) = failing else { return true };
    literals.iter().enumerate().all(|(position, literal)| {
        let mut asked = demands.iter().filter(|(place, _)| place.takes(position));
        asked.all(|(_, demand)| literal.as_ref().is_some_and(|literal| demand.is_met_by(literal)))
    })
}

pub(super) fn literal(tree: &Tree, node: NodeId) -> Option<Written> {
    if tree.kind(node) != "ResolvedLiteral" {
        return None;
    }
    let value = tree.path(node, &["value", "value"])?;
    if tree.node(value).fields.is_empty() {
        return Some(Written::Null);
    }
    tree.node(value).fields.iter().find_map(|(name, value)| match (*name, value) {
        ("int64_value", Value::Integer(number)) => Some(Written::Integer(*number)),
        ("enum_value", Value::Integer(number)) => Some(Written::Part(*number)),
        ("double_value", Value::Float(number)) => Some(Written::Float(*number)),
        ("string_value" | "bytes_value", Value::Text(text)) => Some(Written::Text(text.clone())),
        ("bytes_value", Value::Bytes(bytes)) => std::str::from_utf8(bytes).ok().map(|text| Written::Text(text.to_owned())),
        _ => None,
    })
}

/// Everything that reaches the call, computed.
fn everything(call: &Call) -> Taint {
    let mut taint = call.modifiers.clone();
    call.arguments.iter().for_each(|argument| taint.extend(argument.derived()));
    taint
}

/// Which arguments decide whether the others are evaluated at all.
fn control(call: &Call) -> Taint {
    let count = call.arguments.len();
    let decides = |index: usize| match call.name.as_str() {
        "if" => index == 0,
        "$case_no_value" => index.is_multiple_of(2) && index + 1 < count,
        "$case_with_value" => index == 0 || (index % 2 == 1 && index + 1 < count),
        "coalesce" | "ifnull" => index + 1 < count,
        "$and" | "$or" | "iferror" | "nulliferror" => true,
        _ => false,
    };
    let mut taint = Taint::new();
    for (index, argument) in call.arguments.iter().enumerate() {
        if decides(index) {
            taint.extend(argument.derived());
        }
    }
    taint
}

/// GoogleSQL's own functions. Whatever is not listed computes: everything reaches the whole result.
fn builtin(call: &Call) -> Flow {
    let argument = |index: usize| call.arguments.get(index).cloned().unwrap_or_default();
    let flow = match call.name.as_str() {
        "if" => Flow::joined([argument(1), argument(2)]).to_chosen().with_whole(&control(call)),
        "$case_no_value" | "$case_with_value" => case(call).to_chosen(),
        "array_agg" => {
            // DISTINCT compares, and the length tells the outcome: with a guess among them there is one less if it is right. A mask of each element
            // would show how many there are, so all of it is computed.
            let value = if call.distinct { argument(0).to_derived() } else { argument(0) };
            // The length of the array tells how many different values there were, or how many that are not null.
            let shape = match (call.distinct, call.ignores_nulls) {
                (true, _) => value.derived(),
                (false, true) => value.outline(),
                (false, false) => Taint::new(),
            };
            let array = Flow::array(value);
            Flow { shape, holds_nulls: array.holds_nulls && !call.ignores_nulls, ..array }
        }
        "$make_array" => Flow::array(Flow::joined(call.arguments.iter().cloned())),
        "$array_at_offset" | "$array_at_ordinal" | "$safe_array_at_offset" | "$safe_array_at_ordinal" => {
            argument(0).element_at().to_chosen().with_whole(&argument(1).derived())
        }
        "array_first" | "array_last" => argument(0).element_at().to_chosen(),
        "array_filter" => argument(0).with_whole(&argument(1).derived()),
        "array_transform" => {
            let (array, body) = (argument(0), argument(1));
            Flow { shape: array.outline(), ..Flow::array(body.to_derived().with_whole(&array.whole)) }
        }
        "array_length" | "$is_null" => Flow::of(argument(0).outline()),
        "count" if call.plain && call.arguments.len() == 1 => Flow::of(counted(&argument(0))),
        // The comparison looks at every part, and its outcome takes all of them away.
        "nullif" => {
            let (value, other) = (argument(0), argument(1));
            value.to_derived().or_null().with_whole(&value.derived()).with_whole(&other.derived())
        }
        "typeof" => Flow::default(),
        name => match builtin::table().kept(name) {
            // Of no rows, and beyond the edge of a window, there is nothing to choose.
            Some(kept) => kept_flow(call, kept).to_chosen().or_null(),
            None => Flow::of(everything(call)),
        },
    };
    flow.with_whole(&call.modifiers)
}

/// A plain count of a column. A count of something computed, `COUNT(IF(ssn LIKE '1%', 1, NULL))`, is no plain count.
fn counted(argument: &Flow) -> Taint {
    let mut taint = argument.whole.clone();
    taint.extend(argument.shape.iter().copied());
    let plain = taint.iter().all(|(_, how)| *how == Way::Same);
    let how = if plain { Way::Counted } else { Way::Derived };
    taint.into_iter().map(|(source, _)| (source, how)).collect()
}

/// Some arguments come through, the others only decide.
fn kept_flow(call: &Call, kept: &builtin::Kept) -> Flow {
    let mut flow = Flow::nothing();
    let mut deciding = Taint::new();
    for (index, argument) in call.arguments.iter().enumerate() {
        if kept.keeps(index, call.arguments.len()) {
            flow.join(argument);
        } else {
            deciding.extend(argument.derived());
        }
    }
    flow.with_whole(&deciding)
}

fn case(call: &Call) -> Flow {
    let count = call.arguments.len();
    let offset = usize::from(call.name == "$case_with_value");
    let result = |index: usize| index + 1 == count && (count - offset) % 2 == 1 || index >= offset && (index - offset) % 2 == 1;
    // Without ELSE it is NULL where nothing fits.
    let mut flow = if (count - offset) % 2 == 1 { Flow::nothing() } else { Flow::absent() };
    let mut deciding = Taint::new();
    for (index, argument) in call.arguments.iter().enumerate() {
        if result(index) {
            flow.join(argument);
        } else {
            deciding.extend(argument.derived());
        }
    }
    flow.with_whole(&deciding)
}
