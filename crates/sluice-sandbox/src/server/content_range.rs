//! `Content-Range` of an upload: which bytes a request carries, or that it only asks.

use crate::problem::Problem;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRange {
    /// How much is there? A total that is given is now known to be right.
    Asks { total: Option<u64> },
    /// Both ends are inside.
    Part { first: u64, last: u64, total: Option<u64> },
    /// No header: the body is all of it.
    Whole,
}

impl ContentRange {
    /// `bytes 0-9/20`, `bytes 0-9/*`, `bytes */20`, `bytes */*`.
    pub fn parse(header: Option<&str>) -> Result<ContentRange, Problem> {
        let Some(header) = header else { return Ok(ContentRange::Whole) };
        ContentRange::read(header).ok_or_else(|| Problem::invalid(format!("Failed to parse Content-Range header: {header}")))
    }

    fn read(header: &str) -> Option<ContentRange> {
        let (range, total) = header.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
        let total = if total == "*" { None } else { Some(number(total)?) };
        if range == "*" {
            return Some(ContentRange::Asks { total });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let inside = first <= last && total.is_none_or(|total| last < total);
        inside.then_some(ContentRange::Part { first, last, total })
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_refused() {
        let check = |header: &str, expect: Option<ContentRange>| assert_eq!(ContentRange::parse(Some(header)).ok(), expect, "{header}");
        check("bytes 0-9/20", Some(ContentRange::Part { first: 0, last: 9, total: Some(20) }));
        check("bytes 5-9/*", Some(ContentRange::Part { first: 5, last: 9, total: None }));
        check("bytes */20", Some(ContentRange::Asks { total: Some(20) }));
        check("bytes */*", Some(ContentRange::Asks { total: None }));
        check("bytes 9-5/20", None);
        check("bytes 0-20/20", None);
        check("bytes -5/20", None);
        check("bytes 0-9", None);
        check("bytes 0-+9/20", None);
        check("bytes 0-99999999999999999999/*", None);
        check("items 0-9/20", None);
        assert_eq!(ContentRange::parse(None), Ok(ContentRange::Whole));
    }
}
