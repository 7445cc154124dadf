//! The decoder under answers that no engine would give: it refuses, it never fails, and it keeps its limits.

use crate::decode::{DecodeFault, Limits, decode};
use crate::installed::{Dice, analysis, engine};
use crate::wire::{LENGTH, append_tag, append_varint};
use sluice_sql::tree::{Tree, Value};

const MESSAGE: &str = "zetasql.local_service.AnalyzeResponse";
const ROUNDS: usize = 20_000;
const STATEMENT: &str = "WITH w AS (SELECT x, [x, 2] AS a, ('s', 1.5) AS s FROM UNNEST([1, 2]) AS x) \
    SELECT a.x, COUNT(*) OVER (PARTITION BY a.x ORDER BY b.x), NUMERIC '1.5', b'\\xff', @p FROM w a JOIN w b USING (x) WHERE a.x > 1 ORDER BY 1 LIMIT 3";

fn read(bytes: &[u8], limits: &Limits) -> Result<Tree, DecodeFault> {
    decode(&engine().schema, MESSAGE, bytes, limits)
}

/// Every node is there and is named by the schema, and no field holds a node twice.
fn sound(tree: &Tree) {
    let mut seen = vec![0; tree.nodes.len()];
    let mut see = |value: &Value| {
        if let Value::Node(child) = value {
            seen[child.0 as usize] += 1;
        }
    };
    for node in &tree.nodes {
        assert!(!node.kind.is_empty());
        for (_, value) in &node.fields {
            match value {
                Value::List(values) => values.iter().for_each(&mut see),
                value => see(value),
            }
        }
    }
    assert_eq!(seen.first(), Some(&0), "the root is nobody's child");
    assert!(seen.iter().skip(1).all(|count| *count == 1));
}

#[test]
fn a_real_answer_is_read_whole() {
    let (_, answer) = analysis(STATEMENT);
    sound(&read(&answer, &Limits::default()).expect("tree"));
}

#[test]
fn changed_answers_are_read_or_refused() {
    let (_, answer) = analysis(STATEMENT);
    let mut dice = Dice(0x5eed);
    let (mut refused, limits) = (0, Limits { nodes_max: 5_000, ..Limits::default() });
    for _ in 0..ROUNDS {
        let mut bytes = answer.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len());
            match dice.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, dice.below(256) as u8),
                2 => drop(bytes.drain(at..(at + dice.below(9)).min(bytes.len()))),
                3 => bytes[at] ^= 1 << dice.below(8),
                _ => bytes[at] = dice.below(256) as u8,
            }
            if bytes.is_empty() {
                break;
            }
        }
        match read(&bytes, &limits) {
            Ok(tree) => sound(&tree),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > ROUNDS / 2, "only {refused} refused");
}

#[test]
fn noise_is_refused() {
    let mut dice = Dice(77);
    for _ in 0..ROUNDS {
        let bytes: Vec<u8> = (0..dice.below(64)).map(|_| dice.below(256) as u8).collect();
        if let Ok(tree) = read(&bytes, &Limits::default()) {
            sound(&tree);
        }
    }
}

/// `resolved_expression { resolved_cast_node { expr { resolved_cast_node { ... } } } }`, as deep as wanted.
fn deep(levels: usize) -> Vec<u8> {
    // Lengths grow outwards, so the bytes are written from the inside, backwards.
    let mut backwards: Vec<u8> = Vec::new();
    let mut wrap = |number: u32| {
        let mut head = Vec::new();
        append_tag(&mut head, number, LENGTH);
        append_varint(&mut head, backwards.len() as u64);
        backwards.extend(head.iter().rev());
    };
    for _ in 0..levels {
        wrap(11);
        wrap(2);
    }
    wrap(11);
    wrap(3);
    backwards.reverse();
    backwards
}

#[test]
fn depth_costs_no_stack() {
    let levels = 20_000;
    let tree = read(&deep(levels), &Limits::default()).expect("tree");
    assert_eq!(tree.nodes.iter().filter(|node| node.kind == "ResolvedCast").count(), levels + 1);
}

#[test]
fn limits_are_kept() {
    let check = |bytes: &[u8], limits: Limits, expect: DecodeFault| assert_eq!(read(bytes, &limits).err(), Some(expect));
    let limits = Limits::default();
    check(&deep(60_000), limits, DecodeFault::Depth { depth_max: 100_000 });
    check(&deep(100), Limits { nodes_max: 50, ..limits }, DecodeFault::Nodes { nodes_max: 50 });
    check(&[0; 11], Limits { answer_bytes_max: 10, ..limits }, DecodeFault::Bytes { bytes: 11, bytes_max: 10 });
}

#[test]
fn what_the_schema_does_not_know_is_refused() {
    let check = |bytes: &[u8], expect: DecodeFault| assert_eq!(read(bytes, &Limits::default()).err(), Some(expect), "{bytes:?}");
    check(&[0x7a, 0], DecodeFault::Field { message: MESSAGE, number: 15 });
    check(&[0x10, 1, 0x10, 1], DecodeFault::Twice { field: "resume_byte_position" });
    check(&[0x12, 0], DecodeFault::WireType { field: "resume_byte_position" });
    check(&[0x08, 0], DecodeFault::WireType { field: "resolved_statement" });
    check(&[0x10, 255, 255, 255, 255, 255, 255, 255, 127], DecodeFault::Range { field: "resume_byte_position" });
    // Two nodes in one wrapper.
    check(&[0x1a, 4, 0x5a, 0, 0x5a, 0], DecodeFault::Twice { field: "resolved_cast_node" });
    assert!(matches!(decode(&engine().schema, "nothing", &[], &Limits::default()), Err(DecodeFault::Unknown { .. })));
}
