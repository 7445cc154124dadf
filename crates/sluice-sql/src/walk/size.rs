//! How large numbers can become. A count is far from where a sum of counts would overflow: what is computed from counts and small numbers does not fail,
//! so no value decides whether it does.

use super::Walker;
use super::function::literal;
use crate::builtin::Written;
use crate::kind;
use crate::tree::NodeId;
use sluice_model::Type;

/// More rows than any table has, and more than any query goes through in six hours.
const ROWS_MAX: f64 = 1e15;
/// More than a text has letters, or an array elements.
const LENGTH_MAX: f64 = 2_147_483_648.0;
const INTEGER_MAX: f64 = 9.2e18;
const FLOAT_MAX: f64 = 1e300;
const NUMERIC_MAX: f64 = 9.9e28;
const BIGNUMERIC_MAX: f64 = 5.7e38;
/// Beyond what each type holds: a number of that type that nothing else is known of.
const ANY_INTEGER: f64 = 9.3e18;
const ANY_NUMERIC: f64 = 1e29;
const ANY_BIGNUMERIC: f64 = 5.8e38;
/// `ROUND(x, 30)` of a float is a multiplication by as many tens.
const DIGITS_MAX: i64 = 15;

/// What is known of a number.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Measure {
    size: f64,
    /// Whether it is NULL is not for any value to say: only for how many rows there are.
    sure: bool,
}

const COUNTS: [&str; 7] = ["$count_star", "approx_count_distinct", "count", "countif", "dense_rank", "rank", "row_number"];
const LENGTHS: [&str; 6] = ["array_length", "byte_length", "char_length", "instr", "length", "strpos"];
/// Their result is one of their arguments.
const CHOICES: [&str; 11] =
    ["any_value", "avg", "coalesce", "greatest", "ifnull", "least", "max", "min", "nullif", "nullifzero", "zeroifnull"];
/// Their result is about as large as their argument.
const ROUNDINGS: [&str; 4] = ["ceil", "floor", "round", "trunc"];

impl Measure {
    /// Of either of two.
    pub(super) fn or(self, other: Measure) -> Measure {
        Measure { size: self.size.max(other.size), sure: self.sure && other.sure }
    }

    /// Of none yet.
    pub(super) const NOTHING: Measure = Measure { size: 0.0, sure: true };
}

impl Walker<'_> {
    /// Once its parts are measured.
    pub(super) fn measure(&mut self, node: NodeId) {
        let measure = self.size(node).map(|size| Measure { size, sure: self.is_sure(node) });
        match measure {
            Some(measure) => self.measures.insert(node, measure),
            None => self.measures.remove(&node),
        };
    }

    pub(super) fn measured(&self, node: NodeId) -> Option<Measure> {
        self.measures.get(&node).copied()
    }

    /// Whether no value makes arithmetic leave its type.
    pub(super) fn stays_small(&self, node: NodeId) -> bool {
        self.number_size(node).is_some_and(|size| size <= limit(kind::of(self.tree, node).as_ref()))
    }

    /// Of a division the divisor, where nothing but a zero there can make it fail. Nothing in it where it is never zero. A dividend that is NULL makes it go
    /// well, too.
    pub(super) fn divisor(&self, node: NodeId) -> Option<Option<usize>> {
        let (dividend, divisor) = self.two_arguments(node)?;
        let divided = self.measured(dividend)?;
        let fits = divided.size <= limit(kind::of(self.tree, node).as_ref());
        let is_known = self.measured(divisor).is_some() && self.is_whole(divisor);
        let never = self.is_never_zero(divisor);
        (fits && is_known && (never || divided.sure)).then(|| (!never).then_some(1))
    }

    fn size_of(&self, node: NodeId) -> Option<f64> {
        self.measured(node).map(|measure| measure.size)
    }

    fn size(&self, node: NodeId) -> Option<f64> {
        let kind = kind::of(self.tree, node)?;
        let known = self.number_size(node).filter(|size| size.is_finite());
        match (kind, known) {
            (Type::Bool, _) => Some(1.0),
            (Type::Int64, known) => Some(known.unwrap_or(ANY_INTEGER).min(ANY_INTEGER)),
            (Type::Numeric, known) => Some(known.unwrap_or(ANY_NUMERIC).min(ANY_NUMERIC)),
            (Type::BigNumeric, known) => Some(known.unwrap_or(ANY_BIGNUMERIC).min(ANY_BIGNUMERIC)),
            (Type::Float64, known) => known,
            _ => None,
        }
    }

    fn is_sure(&self, node: NodeId) -> bool {
        let sure = |node: &NodeId| self.measured(*node).is_some_and(|measure| measure.sure);
        match self.tree.kind(node) {
            "ResolvedLiteral" => !matches!(literal(self.tree, node), None | Some(Written::Null)),
            "ResolvedColumnRef" => {
                self.column_id(node, "column").and_then(|id| self.column_measures.get(&id)).is_some_and(|measure| measure.sure)
            }
            "ResolvedCast" => !self.tree.boolean(node, "return_null_on_error") && self.tree.child(node, "expr").as_ref().is_some_and(sure),
            "ResolvedFunctionCall" | "ResolvedAggregateFunctionCall" | "ResolvedAnalyticFunctionCall" => self.call_is_sure(node, &sure),
            _ => false,
        }
    }

    fn call_is_sure(&self, node: NodeId, sure: &dyn Fn(&NodeId) -> bool) -> bool {
        let arguments = self.tree.children(node, "argument_list");
        let chooses_rows = ["having_modifier", "where_expr", "having_expr"].iter().any(|field| self.tree.child(node, field).is_some());
        let safe = self.tree.enumerator(node, "error_mode") == Some("SAFE_ERROR_MODE");
        match self.own_name(node).as_deref() {
            _ if safe => false,
            Some("$is_null" | "$is_true" | "$is_false" | "$count_star") => true,
            Some("if") => arguments.iter().skip(1).all(sure),
            Some("$case_no_value") => arguments.len() % 2 == 1 && results(&arguments, 0).all(sure),
            Some("$case_with_value") => arguments.len().is_multiple_of(2) && results(&arguments, 1).all(sure),
            Some("coalesce" | "ifnull") => arguments.last().is_some_and(sure),
            Some("$add" | "$subtract" | "$multiply" | "$divide" | "$unary_minus" | "abs" | "div" | "mod" | "zeroifnull") => {
                arguments.iter().all(sure)
            }
            Some("sum" | "avg" | "max" | "min") => !chooses_rows && arguments.iter().all(sure),
            Some(name) if COUNTS.contains(&name) => true,
            Some(name) if ROUNDINGS.contains(&name) => arguments.iter().all(sure),
            _ => false,
        }
    }

    /// Of one of the engine's own functions.
    fn own_name(&self, call: NodeId) -> Option<String> {
        let full = self.tree.child(call, "function").and_then(|function| self.tree.text(function, "name"))?;
        full.strip_prefix("ZetaSQL:").map(str::to_ascii_lowercase)
    }

    fn number_size(&self, node: NodeId) -> Option<f64> {
        match self.tree.kind(node) {
            "ResolvedLiteral" => match literal(self.tree, node)? {
                Written::Null => Some(0.0),
                Written::Integer(number) => Some(magnitude(number)),
                Written::Float(number) => Some(number.abs()),
                _ => None,
            },
            "ResolvedColumnRef" => self.column_measures.get(&self.column_id(node, "column")?).map(|measure| measure.size),
            // Half of one more, where a float becomes a whole number.
            "ResolvedCast" => Some(self.size_of(self.tree.child(node, "expr")?)? + 1.0),
            "ResolvedFunctionCall" | "ResolvedAggregateFunctionCall" | "ResolvedAnalyticFunctionCall" => self.call_size(node),
            _ => None,
        }
    }

    fn call_size(&self, node: NodeId) -> Option<f64> {
        let name = self.own_name(node)?;
        let name = name.as_str();
        let arguments = self.tree.children(node, "argument_list");
        let size = |index: usize| self.size_of(*arguments.get(index)?);
        let largest = |mut of: Box<dyn Iterator<Item = usize>>| of.try_fold(0.0_f64, |largest, index| Some(largest.max(size(index)?)));
        let all = 0..arguments.len();
        match name {
            "$add" | "$subtract" => Some(size(0)? + size(1)?),
            "$multiply" => Some(size(0)? * size(1)?),
            "$unary_minus" | "abs" | "mod" => size(0),
            // What is divided by a whole number does not become larger.
            "$divide" | "div" | "safe_divide" => size(0).filter(|_| arguments.get(1).is_some_and(|divisor| self.is_whole(*divisor))),
            "sum" => Some(size(0)? * ROWS_MAX),
            "if" => largest(Box::new(1..3)),
            "$case_no_value" => results(&arguments, 0).try_fold(0.0_f64, |largest, result| Some(largest.max(self.size_of(*result)?))),
            "$case_with_value" => results(&arguments, 1).try_fold(0.0_f64, |largest, result| Some(largest.max(self.size_of(*result)?))),
            name if COUNTS.contains(&name) => Some(ROWS_MAX),
            name if LENGTHS.contains(&name) => Some(LENGTH_MAX),
            name if CHOICES.contains(&name) => largest(Box::new(all)),
            name if ROUNDINGS.contains(&name) => {
                let digits = arguments.get(1).map(|digits| literal(self.tree, *digits));
                let are_few = |digits| matches!(digits, Some(Written::Integer(digits)) if (-DIGITS_MAX..=DIGITS_MAX).contains(&digits));
                size(0).filter(|_| arguments.len() < 3 && digits.is_none_or(are_few)).map(|size| size + 10_f64.powi(15))
            }
            _ => None,
        }
    }

    fn two_arguments(&self, node: NodeId) -> Option<(NodeId, NodeId)> {
        match self.tree.children(node, "argument_list").as_slice() {
            [first, second] => Some((*first, *second)),
            _ => None,
        }
    }

    /// A whole number, or one that was: between it and zero there is no other.
    fn is_whole(&self, node: NodeId) -> bool {
        match (self.tree.kind(node), kind::of(self.tree, node)) {
            (_, Some(Type::Int64)) => true,
            ("ResolvedLiteral", _) => matches!(literal(self.tree, node), Some(Written::Float(number)) if number.abs() >= 1.0),
            ("ResolvedCast", Some(Type::Float64)) => {
                self.tree.child(node, "expr").is_some_and(|inner| kind::of(self.tree, inner) == Some(Type::Int64))
            }
            _ => false,
        }
    }

    /// Written down, or made NULL where it is.
    fn is_never_zero(&self, node: NodeId) -> bool {
        match literal(self.tree, node) {
            Some(Written::Integer(number)) => return number != 0,
            Some(Written::Float(number)) => return number.abs() >= 1.0,
            _ => {}
        }
        if self.tree.kind(node) == "ResolvedCast" {
            // What is no whole number can be rounded to zero.
            let is_whole = |inner: &NodeId| kind::of(self.tree, *inner) == Some(Type::Int64);
            return self.tree.child(node, "expr").filter(is_whole).is_some_and(|inner| self.is_never_zero_call(inner));
        }
        self.is_never_zero_call(node)
    }

    fn is_never_zero_call(&self, node: NodeId) -> bool {
        let name = self.tree.child(node, "function").and_then(|function| self.tree.text(function, "name")).unwrap_or_default();
        let is_zero = |node: NodeId| matches!(literal(self.tree, node), Some(Written::Integer(0)));
        match name {
            "ZetaSQL:nullif" => self.two_arguments(node).is_some_and(|(_, second)| is_zero(second)),
            "ZetaSQL:nullifzero" => true,
            _ => false,
        }
    }
}

/// What a CASE gives: behind each condition, and in the end. `offset` arguments stand before the first condition.
fn results(arguments: &[NodeId], offset: usize) -> impl Iterator<Item = &NodeId> {
    let count = arguments.len();
    let is_result = move |index: usize| index >= offset && ((index - offset) % 2 == 1 || index + 1 == count);
    arguments.iter().enumerate().filter(move |(index, _)| is_result(*index)).map(|(_, result)| result)
}

fn limit(kind: Option<&Type>) -> f64 {
    match kind {
        Some(Type::Int64) => INTEGER_MAX,
        Some(Type::Float64) => FLOAT_MAX,
        Some(Type::Numeric) => NUMERIC_MAX,
        Some(Type::BigNumeric) => BIGNUMERIC_MAX,
        _ => 0.0,
    }
}

/// Exact up to the ninth quadrillion, and never too small behind it.
fn magnitude(number: i64) -> f64 {
    let halves = number.unsigned_abs();
    let (high, low) = (u32::try_from(halves >> 32), u32::try_from(halves & u64::from(u32::MAX)));
    f64::from(high.unwrap_or(u32::MAX)) * 4_294_967_296.0 + f64::from(low.unwrap_or(u32::MAX)) + if halves > 1 << 53 { 1024.0 } else { 0.0 }
}
