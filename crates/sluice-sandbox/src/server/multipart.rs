//! `multipart/related` with two parts: the job, and the file.
//!
//! Lines of heads and delimiters may end with a line feed alone: some of Google's own libraries write them so.

use crate::problem::Problem;

const BOUNDARY_BYTES_MAX: usize = 70;
const PART_HEAD_BYTES_MAX: usize = 8 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    pub job: &'a [u8],
    pub file: &'a [u8],
}

pub fn split<'a>(content_type: &str, body: &'a [u8]) -> Result<Parts<'a>, Problem> {
    let boundary = boundary(content_type).ok_or_else(|| broken("it has no boundary"))?;
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut rest = match body.strip_prefix(delimiter.as_slice()) {
        Some(rest) => rest,
        // Whatever stands before the first delimiter is nobody's.
        None => find(body, &delimiter).ok_or_else(|| broken("its first delimiter is missing"))?.1,
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let (_, inner) = cut_line(rest).ok_or_else(|| broken("a delimiter is not followed by a line's end"))?;
        let (part, behind) = find(inner, &delimiter).ok_or_else(|| broken("its last delimiter is missing"))?;
        parts.push(content(part, parts.is_empty())?);
        rest = behind;
    }
    match parts.as_slice() {
        [job, file] => Ok(Parts { job, file }),
        _ => Err(broken(&format!("it has {} parts, and two are wanted", parts.len()))),
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let named = |parameter: &'_ str| parameter.trim().split_once('=').is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
    let (_, value) = parameters.split(';').find(|parameter| named(parameter))?.split_once('=')?;
    let value = value.trim();
    let value = value.strip_prefix('"').map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
    (1..=BOUNDARY_BYTES_MAX).contains(&value.len()).then_some(value)
}

/// What stands before a delimiter, and what stands behind it. A delimiter begins a line, and ends it.
fn find<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut start = 0;
    loop {
        let line = start + bytes.get(start..)?.iter().position(|byte| *byte == b'\n')? + 1;
        if let Some(behind) = bytes.get(line..)?.strip_prefix(delimiter)
            && (behind.starts_with(b"--") || cut_line(behind).is_some_and(|(blank, _)| blank.trim_ascii().is_empty()))
        {
            let before = bytes.get(..line - 1)?;
            return Some((before.strip_suffix(b"\r").unwrap_or(before), behind));
        }
        start = line;
    }
}

/// The content of a part behind its head.
fn content(part: &[u8], is_job: bool) -> Result<&[u8], Problem> {
    let mut rest = part;
    let mut is_json = false;
    loop {
        let (line, behind) = cut_line(rest).ok_or_else(|| broken("the head of a part does not end"))?;
        rest = behind;
        if part.len() - rest.len() > PART_HEAD_BYTES_MAX {
            return Err(broken(&format!("the head of a part is too large, at most {PART_HEAD_BYTES_MAX} bytes")));
        }
        if line.is_empty() {
            break;
        }
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        let (name, value) = line.split_once(':').ok_or_else(|| broken("the head of a part is no list of fields"))?;
        match (name.trim(), value.trim()) {
            ("content-type", value) => is_json = value.split(';').next().is_some_and(|kind| kind.trim() == "application/json"),
            ("content-transfer-encoding", "7bit" | "8bit" | "binary") | ("content-encoding", "identity") => {}
            ("content-transfer-encoding" | "content-encoding", other) => {
                return Err(Problem::not_implemented(&format!("parts in the encoding `{other}`")));
            }
            _ => {}
        }
    }
    if is_job && !is_json {
        return Err(broken("its first part is not application/json"));
    }
    Ok(rest)
}

/// A line without its end, and what follows.
fn cut_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at_checked(bytes.iter().position(|byte| *byte == b'\n')? + 1)?;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
}

fn broken(what: &str) -> Problem {
    Problem::invalid(format!("The multipart request is broken: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/related; boundary=\"==x==\"";

    fn check(content_type: &str, body: &str, expect: Result<(&str, &str), &str>) {
        match (split(content_type, body.as_bytes()), expect) {
            (Ok(parts), Ok((job, file))) => assert_eq!(parts, Parts { job: job.as_bytes(), file: file.as_bytes() }, "{body:?}"),
            (Err(problem), Err(part)) => assert!(problem.message.contains(part), "{body:?}: {problem}"),
            (found, _) => panic!("{body:?}: {found:?}"),
        }
    }

    #[test]
    fn two_parts_are_found() {
        let python = "--==x==\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{}\r\n--==x==\r\ncontent-type: */*\r\n\r\na\r\nb\r\n\r\n--==x==--";
        check(TYPE, python, Ok(("{}", "a\r\nb\r\n")));
        let line_feeds = "--x\nContent-Type: application/json\nMIME-Version: 1.0\n\n{}\n--x\nContent-Type: a/b\nContent-Transfer-Encoding: binary\n\na\n--x--\n";
        check("multipart/related; boundary=x", line_feeds, Ok(("{}", "a")));
        let lookalikes = "--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\n\r\n--xy\r\na--x\r\n--x--\r\n";
        check("Multipart/Related;type=a;boundary=x", lookalikes, Ok(("{}", "--xy\r\na--x")));
        let preamble = "hello\r\n--x  \r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\n\r\n\r\n--x--\r\nbye";
        check("multipart/related; boundary=x", preamble, Ok(("{}", "")));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let head = "Content-Type: application/json\r\n\r\n";
        let with = |second: &str| format!("--x\r\n{head}{{}}\r\n--x\r\n{second}\r\n--x--");
        let kind = "multipart/related; boundary=x";
        check("application/json", "{}", Err("no boundary"));
        check("multipart/form-data; boundary=x", &with("\r\na"), Err("no boundary"));
        check("multipart/related; boundary=\"x", &with("\r\na"), Err("no boundary"));
        check(kind, "", Err("first delimiter"));
        check(kind, "--x\r\n", Err("last delimiter"));
        check(kind, "--x", Err("line's end"));
        check(kind, "--x--\r\n", Err("0 parts"));
        check(kind, &format!("--x\r\n{head}{{}}\r\n--x--"), Err("1 parts"));
        check(kind, &format!("--x\r\n{head}{{}}\r\n--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--"), Err("3 parts"));
        check(kind, "--x\r\n\r\n{}\r\n--x\r\n\r\na\r\n--x--", Err("not application/json"));
        check(kind, &with("Content-Transfer-Encoding: base64\r\n\r\na"), Err("`base64`"));
        check(kind, &with("nonsense\r\n\r\na"), Err("no list"));
        check(kind, &with(&format!("a: {}\r\n\r\na", "b".repeat(PART_HEAD_BYTES_MAX))), Err("too large"));
    }
}
