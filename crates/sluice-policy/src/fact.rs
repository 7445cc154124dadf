//! What is known of a request, as a tree of values. Cedar's context is made of it, and what leaves rules out beforehand reads it too,
//! so that both see the same.

use cedar_policy::RestrictedExpression;
use core::net::IpAddr;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact<'a> {
    Address(IpAddr),
    Flag(bool),
    Number(i64),
    Record(Vec<(&'static str, Fact<'a>)>),
    Text(Cow<'a, str>),
    Texts(BTreeSet<&'a str>),
}

/// What could not be put into Cedar's words. It refuses.
pub(crate) type Fault = String;

impl<'a> Fact<'a> {
    pub fn text(value: &'a str) -> Fact<'a> {
        Fact::Text(Cow::Borrowed(value))
    }

    /// More than fits is as much as fits: it is above every band.
    pub fn counted(value: u64) -> Fact<'static> {
        Fact::Number(i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub fn whole(value: usize) -> Fact<'static> {
        Fact::Number(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// What a path leads to. None where there is nothing.
    pub fn at(&self, path: &[String]) -> Option<&Fact<'a>> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let Fact::Record(fields) = self else { return None };
        fields.iter().find(|(name, _)| name == first)?.1.at(rest)
    }

    /// Of a record, in Cedar's words.
    pub fn fields(&self) -> Result<Vec<(String, RestrictedExpression)>, Fault> {
        let Fact::Record(fields) = self else { return Err("a record was expected".to_owned()) };
        fields.iter().map(|(name, value)| Ok(((*name).to_owned(), value.expression()?))).collect()
    }

    /// The same in Cedar's words.
    pub fn expression(&self) -> Result<RestrictedExpression, Fault> {
        Ok(match self {
            Fact::Address(address) => RestrictedExpression::new_ip(address.to_string()),
            Fact::Flag(flag) => RestrictedExpression::new_bool(*flag),
            Fact::Number(number) => RestrictedExpression::new_long(*number),
            Fact::Record(_) => RestrictedExpression::new_record(self.fields()?).map_err(|error| error.to_string())?,
            Fact::Text(text) => RestrictedExpression::new_string(text.clone().into_owned()),
            Fact::Texts(texts) => {
                RestrictedExpression::new_set(texts.iter().map(|text| RestrictedExpression::new_string((*text).to_owned())))
            }
        })
    }
}

/// As Cedar writes it.
impl fmt::Display for Fact<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Address(address) => write!(formatter, "ip(\"{address}\")"),
            Fact::Flag(flag) => flag.fmt(formatter),
            Fact::Number(number) => number.fmt(formatter),
            Fact::Record(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                write!(formatter, "{{{}}}", fields.join(", "))
            }
            Fact::Text(text) => write!(formatter, "\"{}\"", text.escape_debug()),
            Fact::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| format!("\"{}\"", text.escape_debug())).collect();
                write!(formatter, "[{}]", texts.join(", "))
            }
        }
    }
}
