//! `data/judges.txt`: what has to agree, by kind of statement.

use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../data/judges.txt");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demands {
    pub kind: Demand,
    pub tables: Demand,
    pub routines: Demand,
    pub schema: Demand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    Any,
    Same,
    Within,
}

/// None: nobody said what would have to agree, so nothing does.
pub fn demands(kind: &str) -> Option<Demands> {
    static DEMANDS: LazyLock<HashMap<&str, Demands>> = LazyLock::new(|| lines().filter_map(read).collect());
    DEMANDS.get(kind).copied()
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

fn read(line: &'static str) -> Option<(&'static str, Demands)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [kind, words @ ..] = words.as_slice() else { return None };
    let [of_kind, tables, routines, schema] = words else { return None };
    let demands = Demands { kind: demand(of_kind)?, tables: demand(tables)?, routines: demand(routines)?, schema: demand(schema)? };
    Some((kind, demands))
}

fn demand(word: &str) -> Option<Demand> {
    match word {
        "any" => Some(Demand::Any),
        "same" => Some(Demand::Same),
        "within" => Some(Demand::Within),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        for line in lines() {
            assert!(read(line).is_some(), "{line}");
        }
        let kinds: std::collections::HashSet<&str> = lines().filter_map(read).map(|(kind, _)| kind).collect();
        assert_eq!(kinds.len(), lines().count(), "a kind stands twice");
        assert_eq!(demands("SELECT").map(|demands| demands.schema), Some(Demand::Same));
        assert_eq!(demands("CREATE_CAPACITY"), None);
    }
}
