//! How deep a text of policies nests, found out before it is parsed: the parser goes one step down its stack for each level, and a stack that is
//! over ends the process.

/// Brackets within brackets and `if`s within `if`s. People need five; two megabytes of stack hold more than a hundred.
pub const NESTING_MAX: usize = 50;

/// The line where it is too deep. Texts and comments are left out as the parser leaves them out.
pub fn too_deep(source: &str) -> Option<usize> {
    // For each bracket that is open the `if`s that have begun in it: what follows `then` and `else` may be another one.
    let mut ifs: Vec<usize> = vec![0];
    let mut depth = 0;
    let mut line = 1;
    let mut rest = source.chars().peekable();
    let mut word = String::new();
    while let Some(letter) = rest.next() {
        if letter.is_alphanumeric() || letter == '_' {
            word.push(letter);
            if word == "if" && !rest.peek().is_some_and(|next| next.is_alphanumeric() || *next == '_') {
                depth += 1;
                if let Some(open) = ifs.last_mut() {
                    *open += 1;
                }
            }
        } else {
            word.clear();
        }
        match letter {
            '\n' => line += 1,
            '"' => line += skip_text(&mut rest),
            '/' if rest.peek() == Some(&'/') => while rest.next_if(|next| !matches!(next, '\n' | '\r')).is_some() {},
            '(' | '[' | '{' => {
                depth += 1;
                ifs.push(0);
            }
            ')' | ']' | '}' if ifs.len() > 1 => depth -= 1 + ifs.pop().unwrap_or_default(),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Some(line);
        }
    }
    None
}

/// Up to its end; how many lines it has.
fn skip_text(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut lines = 0;
    while let Some(letter) = rest.next() {
        match letter {
            '"' => break,
            '\\' => lines += usize::from(rest.next() == Some('\n')),
            '\n' => lines += 1,
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: Option<usize>) {
        assert_eq!(too_deep(source), expect, "{source}");
    }

    #[test]
    fn what_is_too_deep_is_found_where_it_is() {
        let nested = |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        for (open, close, each) in
            [("(", ")", 1), ("[", "]", 1), ("{a: ", "}", 1), ("if true then 1 else ", "", 1), ("if ", "", 1), ("f([", "])", 2)]
        {
            check(&nested(open, close, NESTING_MAX / each), None);
            check(&format!("\n\n{}", nested(open, close, NESTING_MAX / each + 1)), Some(3));
        }
        // One behind the other is not one within the other.
        check(&"(1) [2] {3} (if a then b else c) ".repeat(1000), None);
        check(&"a.iffy && _if && if_ ".repeat(1000), None);
        check(&format!("// {}\n\"{}\"", "(".repeat(1000), "(\\\"[".repeat(1000)), None);
        check(&format!("\"a\\\\\"{}", "(".repeat(1000)), Some(1));
        check(&format!("// \"\n{}", "(".repeat(1000)), Some(2));
        check(&format!("// \r{}", "(".repeat(1000)), Some(1));
        check(&format!("a / {}", "(".repeat(1000)), Some(1));
        check(&format!("{}{}", ")".repeat(1000), "(".repeat(NESTING_MAX)), None);
        check(&format!("\"\n\\\n\" {}", "(".repeat(1000)), Some(3));
    }
}
