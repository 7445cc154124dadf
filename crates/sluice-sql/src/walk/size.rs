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

const COUNTS: [&str; 7] = ["$count_star", "approx_count_distinct", "count", "countif", "dense_rank", "rank", "row_number"];
const LENGTHS: [&str; 6] = ["array_length", "byte_length", "char_length", "instr", "length", "strpos"];
/// Their result is one of their arguments.
const CHOICES: [&str; 11] =
    ["any_value", "avg", "coalesce", "greatest", "ifnull", "least", "max", "min", "nullif", "nullifzero", "zeroifnull"];
/// Their result is about as large as their argument.
const ROUNDINGS: [&str; 4] = ["ceil", "floor", "round", "trunc"];

impl Walker<'_> {
    /// Once its parts are measured.
    pub(super) fn measure(&mut self, node: NodeId) {
        match self.size(node) {
            Some(size) => self.sizes.insert(node, size),
            None => self.sizes.remove(&node),
        };
    }

    pub(super) fn measured(&self, node: NodeId) -> Option<f64> {
        self.sizes.get(&node).copied()
    }

    /// Whether no value makes arithmetic leave its type.
    pub(super) fn stays_small(&self, node: NodeId) -> bool {
        self.number_size(node).is_some_and(|size| size <= limit(kind::of(self.tree, node).as_ref()))
    }

    /// Of a division the divisor, where nothing but a zero there can make it fail. Nothing in it where it is never zero.
    pub(super) fn divisor(&self, node: NodeId) -> Option<Option<usize>> {
        let (dividend, divisor) = self.two_arguments(node)?;
        let fits = self.measured(dividend)? <= limit(kind::of(self.tree, node).as_ref());
        let is_known = self.measured(divisor).is_some() && self.is_whole(divisor);
        (fits && is_known).then(|| (!self.is_never_zero(divisor)).then_some(1))
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

    fn number_size(&self, node: NodeId) -> Option<f64> {
        match self.tree.kind(node) {
            "ResolvedLiteral" => match literal(self.tree, node)? {
                Written::Null => Some(0.0),
                Written::Integer(number) => Some(magnitude(number)),
                Written::Float(number) => Some(number.abs()),
                _ => None,
            },
            "ResolvedColumnRef" => self.column_sizes.get(&self.column_id(node, "column")?).copied(),
            // Half of one more, where a float becomes a whole number.
            "ResolvedCast" => Some(self.measured(self.tree.child(node, "expr")?)? + 1.0),
            "ResolvedFunctionCall" | "ResolvedAggregateFunctionCall" | "ResolvedAnalyticFunctionCall" => self.call_size(node),
            _ => None,
        }
    }

    fn call_size(&self, node: NodeId) -> Option<f64> {
        let full = self.tree.child(node, "function").and_then(|function| self.tree.text(function, "name"))?;
        let name = full.strip_prefix("ZetaSQL:")?.to_ascii_lowercase();
        let name = name.as_str();
        let arguments = self.tree.children(node, "argument_list");
        let size = |index: usize| self.measured(*arguments.get(index)?);
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
            "$case_no_value" => largest(Box::new(all)),
            "$case_with_value" => {
                let count = arguments.len();
                largest(Box::new(all.filter(move |index| *index > 0 && (index % 2 == 0 || index + 1 == count))))
            }
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
            return self.tree.child(node, "expr").is_some_and(|inner| self.is_never_zero_call(inner));
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
