//! A file or a function that does not fit a head is two.

use super::scanner::{self, Part, Token};
use super::{File, Finding};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

pub fn files(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    if !file.has_extension(&["js", "py", "rs", "sh"]) || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![Finding::new(&file.path, 0, format!("{lines} lines, at most {FILE_LINES_MAX}: split it by what it speaks of"))]
}

/// Counts as clippy's `too_many_lines` does: lines between the braces that hold code. Also covers what clippy is not run on, such as `fuzz`.
pub fn functions(file: &File) -> Vec<Finding> {
    if !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    let view = scanner::only(&file.text, &[Part::Code]);
    let filled: Vec<bool> = scanner::only(&file.text, &[Part::Code, Part::Literal]).lines().map(|line| !line.trim().is_empty()).collect();
    let tokens = scanner::tokens(&view);
    let mut findings = Vec::new();
    for (start, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn") {
        let Some((open, close)) = body(&tokens, start) else { continue };
        let lines = filled.iter().take(close.saturating_sub(1)).skip(open).filter(|filled| **filled).count();
        if lines > FUNCTION_LINES_MAX && !is_excused(&tokens, start) {
            let name = tokens.get(start + 1).map_or("", |name| name.text);
            findings.push(Finding::new(
                &file.path,
                token.line,
                format!("function `{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}"),
            ));
        }
    }
    findings
}

/// The lines of the braces around a function's body; none for a declaration or a function type.
fn body(tokens: &[Token<'_>], start: usize) -> Option<(usize, usize)> {
    tokens.get(start + 1).filter(|name| name.text.chars().all(scanner::is_word))?;
    let mut index = start;
    loop {
        let token = tokens.get(index)?;
        match token.text {
            "(" | "[" => index = scanner::closing(tokens, index)?,
            "{" => return Some((token.line, tokens.get(scanner::closing(tokens, index)?)?.line)),
            ";" => return None,
            _ => {}
        }
        index += 1;
    }
}

/// `#[expect(clippy::too_many_lines, reason = "...")]` stands above the function.
fn is_excused(tokens: &[Token<'_>], start: usize) -> bool {
    let above = tokens.iter().take(start).rev().take_while(|token| !matches!(token.text, ";" | "{" | "}"));
    let words: Vec<&str> = above.map(|token| token.text).collect();
    ["expect", "too_many_lines", "reason"].iter().all(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn long_files_are_found() {
        let text = |count: usize| "x\n".repeat(count);
        assert_eq!(lines(files, "a.rs", &text(FILE_LINES_MAX + 1)), [0]);
        assert_eq!(lines(files, "a.sh", &text(FILE_LINES_MAX + 1)), [0]);
        assert!(lines(files, "a.rs", &text(FILE_LINES_MAX)).is_empty());
        assert!(lines(files, "a.md", &text(FILE_LINES_MAX + 1)).is_empty());
    }

    fn check(head: &str, line: &str, count: usize, expect: &[usize]) {
        let text = format!("{head} {{\n{}}}\n", format!("{line}\n").repeat(count));
        assert_eq!(lines(functions, "a.rs", &text), expect, "{head} with {count} lines of {line}");
    }

    #[test]
    fn long_functions_are_found() {
        check("fn f()", "x;", FUNCTION_LINES_MAX, &[]);
        check("fn f()", "x;", FUNCTION_LINES_MAX + 1, &[1]);
        check("fn f(x: [u8; 2]) -> [u8; 2]", "x;", FUNCTION_LINES_MAX + 1, &[1]);
        check("#[test]\nfn f()", "x(\"}\");", FUNCTION_LINES_MAX + 1, &[2]);
        check("fn f()", "// }", FUNCTION_LINES_MAX + 1, &[]);
        check("fn f()", "x('{', '}');", FUNCTION_LINES_MAX + 1, &[1]);
        check("struct F", "x: fn(),", FUNCTION_LINES_MAX + 1, &[]);
        check("trait F { fn f(); }\nmod m", "x;", FUNCTION_LINES_MAX + 1, &[]);
        check("#[expect(clippy::too_many_lines, reason = \"a table\")]\npub fn f()", "x;", FUNCTION_LINES_MAX + 1, &[]);
        check("#[expect(clippy::too_many_lines, reason = \"a table\")]\nfn g() {}\nfn f()", "x;", FUNCTION_LINES_MAX + 1, &[3]);
    }
}
