//! The expressions that the generator knows, read from `recipes.txt`.

use std::sync::OnceLock;

use sluice_model::Type;

/// One way to build a value of a type out of others.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Nothing: any type.
    pub kind: Option<Type>,
    pub can_fail: bool,
    /// It fails on most values: tried on labelled ones only.
    pub fragile: bool,
    /// It may fail because of a value in it, and is there to do so.
    pub explosive: bool,
    /// No array may be its value.
    pub elementary: bool,
    pub aggregate: bool,
    pub window: bool,
    pub needs_key: bool,
    /// A subquery of its own: what stands in it may not name window or aggregate calls.
    pub inner: bool,
    /// Operators stand outside of any brackets: it needs some of its own.
    pub bare: bool,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub enum Part {
    Any,
    /// The text of the first hole once more.
    First,
    Frame,
    Key,
    /// An expression; with a name that it may use for an element of the first hole.
    Kind(Type, Option<(String, Type)>),
    Literal(Literal),
    Over,
    Partition,
    Same,
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    Path,
    Pattern,
    Regex,
    Small,
    Word,
}

static RECIPES: OnceLock<Vec<Recipe>> = OnceLock::new();

pub fn recipes() -> &'static [Recipe] {
    RECIPES.get_or_init(|| include_str!("recipes.txt").lines().filter_map(recipe).collect())
}

impl Recipe {
    /// The types of its holes. The recipe's own type stands for `SAME`.
    pub fn holes<'a>(&'a self, own: &'a Type) -> impl Iterator<Item = &'a Type> {
        self.parts.iter().filter_map(move |part| match part {
            Part::Kind(kind, _) => Some(kind),
            Part::Same => Some(own),
            _ => None,
        })
    }
}

fn recipe(line: &str) -> Option<Recipe> {
    let (kind, rest) = line.split_once(' ')?;
    let (marks, template) = rest.split_once(' ')?;
    if kind == "#" {
        return None;
    }
    let kind = if kind == "*" { None } else { Some(Type::parse(kind).ok()?) };
    Some(Recipe {
        kind,
        can_fail: marks.contains('!'),
        fragile: marks.contains('?'),
        explosive: marks.contains('x'),
        elementary: template.contains("ARRAY_AGG"),
        aggregate: marks.contains('a'),
        window: marks.contains('w'),
        needs_key: marks.contains('k'),
        inner: template.contains("SELECT") || template.starts_with("WITH("),
        bare: bare(template),
        parts: parts(template)?,
    })
}

fn bare(template: &str) -> bool {
    let mut depth = 0_i32;
    let mut spaced = false;
    for letter in template.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ' ' => spaced |= depth == 0,
            _ => {}
        }
    }
    spaced && !template.starts_with("CASE ") && !template.contains(" OVER ")
}

fn parts(template: &str) -> Option<Vec<Part>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((text, behind)) = rest.split_once('{') {
        let (hole, behind) = behind.split_once('}')?;
        found.push(Part::Text(text.to_owned()));
        found.push(part(hole)?);
        rest = behind;
    }
    found.push(Part::Text(rest.to_owned()));
    Some(found)
}

fn part(hole: &str) -> Option<Part> {
    let part = match hole {
        "ANY" => Part::Any,
        "SAME" => Part::Same,
        "first" => Part::First,
        "frame" => Part::Frame,
        "key" => Part::Key,
        "over" => Part::Over,
        "partition" => Part::Partition,
        "path" => Part::Literal(Literal::Path),
        "pattern" => Part::Literal(Literal::Pattern),
        "regex" => Part::Literal(Literal::Regex),
        "small" => Part::Literal(Literal::Small),
        "word" => Part::Literal(Literal::Word),
        kind => {
            let (kind, element) = match kind.split_once(" for ") {
                Some((kind, element)) => (kind, Some(element.split_once(' ')?)),
                None => (kind, None),
            };
            let element = match element {
                Some((name, kind)) => Some((name.to_owned(), Type::parse(kind).ok()?)),
                None => None,
            };
            Part::Kind(Type::parse(kind).ok()?, element)
        }
    };
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_a_recipe() {
        let lines = include_str!("recipes.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(recipes().len(), lines.count());
    }
}
