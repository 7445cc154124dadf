//! Statements that make what is hidden long, or much of it, where a labelled value is one thing, and short where it is another.
//!
//! Warehouses end pages and messages by bytes and count what they store: whoever is shown where they end, or how much that is, is told the value.

use super::generate::random::Random;

/// True of some patients and false of others, and of other ones in each variant. `p` is a row of the patients.
const CONDITIONS: &[&str] = &[
    "p.ssn > '2'",
    "p.ssn IS NULL",
    "STARTS_WITH(p.ssn, '1')",
    "LENGTH(p.email) > 8",
    "p.email = 'ann@a.org'",
    "p.address.street = 'Elm'",
    "ARRAY_LENGTH(p.phones) > 1",
    "'555' IN UNNEST(p.phones)",
    "EXISTS(SELECT 1 FROM UNNEST(p.contacts) AS c WHERE c.phone > '4')",
    "JSON_VALUE(p.notes, '$.k') = 'A'",
    "EXISTS(SELECT 1 FROM clinic.visits AS v WHERE v.patient_id = p.id AND v.diagnosis = 'flu')",
    "p.ssn IN (SELECT c.credit_card FROM clinic.cards AS c)",
    "p.ssn > p.email",
];
/// Some hundreds of thousands of letters where `{c}` holds, and few or none where it does not.
const TEXTS: &[&str] = &[
    "REPLACE('{a100}', 'a', IF({c}, '{b4000}', ''))",
    "REPLACE(REPLACE('{a30}', 'a', IF({c}, '{b100}', 'b')), 'b', '{d150}')",
    "(SELECT STRING_AGG(IF({c}, '{b4000}', 'b'), ',') FROM UNNEST(GENERATE_ARRAY(1, 100)) AS g)",
    "TO_JSON_STRING(ARRAY(SELECT IF({c}, '{b2000}', CONCAT('b', CAST(g AS STRING))) FROM UNNEST(GENERATE_ARRAY(1, 200)) AS g))",
    "ARRAY_TO_STRING(ARRAY(SELECT IF({c}, '{b2000}', '') FROM UNNEST(GENERATE_ARRAY(1, 200)) AS g), '-')",
    "CONCAT(IF({c}, '{b4000}', ''), REPLACE('{a100}', 'a', IF({c}, '{b4000}', p.ssn)))",
    "TO_JSON_STRING(STRUCT(REPLACE('{a100}', 'a', IF({c}, '{b4000}', '')) AS t, p.ssn AS s))",
];
/// Around a text.
const AROUND: &[&str] = &[
    "{}",
    "{}",
    "UPPER({})",
    "REVERSE({})",
    "CONCAT({}, p.ward)",
    "STRUCT(p.id AS i, {} AS t)",
    "[STRUCT({} AS t)]",
    "TO_JSON_STRING({})",
    "({}, p.name)",
];
/// Many elements, or few: records, for an array that may hold a NULL fails.
const LISTS: &[&str] = &[
    "ARRAY(SELECT AS STRUCT g, IF({c}, '{b400}', '') AS t FROM UNNEST(GENERATE_ARRAY(1, 900)) AS g)",
    "ARRAY(SELECT AS STRUCT g FROM UNNEST(GENERATE_ARRAY(1, 20000)) AS g WHERE {c} OR g < 2)",
    "(SELECT ARRAY_AGG(STRUCT(IF({c}, '{b400}', 'b') AS t)) FROM UNNEST(GENERATE_ARRAY(1, 900)) AS g)",
    "IF({c}, ARRAY(SELECT AS STRUCT g FROM UNNEST(GENERATE_ARRAY(1, 20000)) AS g), [STRUCT(1 AS g)])",
    "ARRAY_CONCAT(p.contacts, ARRAY(SELECT AS STRUCT IF({c}, '{b400}', 'b') AS name, '' AS phone FROM UNNEST(GENERATE_ARRAY(1, 900)) AS g))",
];
/// `{x}` stands for what is made long, `{k}` for how often a row comes.
const FRAMES: &[&str] = &[
    "SELECT p.id, {x} FROM clinic.patients AS p, UNNEST(GENERATE_ARRAY(1, {k})) AS k ORDER BY p.id, k",
    "SELECT p.id, p.name, {x} FROM clinic.patients AS p, UNNEST(GENERATE_ARRAY(1, {k})) AS k ORDER BY p.id, k",
    "WITH w AS (SELECT p.id, {x} FROM clinic.patients AS p) SELECT w.* FROM w, UNNEST(GENERATE_ARRAY(1, {k})) AS k ORDER BY w.id, k",
    "SELECT * FROM (SELECT p.id, {x} FROM clinic.patients AS p UNION ALL SELECT p.id + 100, {x} FROM clinic.patients AS p) ORDER BY id",
    "SELECT v.id, {x} FROM clinic.visits AS v JOIN clinic.patients AS p ON p.id = v.patient_id, UNNEST(GENERATE_ARRAY(1, {k})) AS k ORDER BY v.id, k",
    "SELECT k, ARRAY_AGG(STRUCT({x})) AS a FROM clinic.patients AS p, UNNEST(GENERATE_ARRAY(1, {k})) AS k GROUP BY k ORDER BY k",
    "CREATE TEMP TABLE t AS SELECT p.id, {x} FROM clinic.patients AS p; SELECT t.* FROM t, UNNEST(GENERATE_ARRAY(1, {k})) AS k ORDER BY t.id, k",
];

/// The statement of a seed.
pub fn statement(seed: u64) -> String {
    let mut random = Random::seeded(seed);
    let columns = 1 + random.below(2);
    let outputs: Vec<String> = (0..=columns).map(|number| format!("{} AS x{number}", output(&mut random))).collect();
    let times = random.word(&["3", "5"]);
    random.word(FRAMES).replace("{x}", &outputs.join(", ")).replace("{k}", times)
}

fn output(random: &mut Random) -> String {
    let condition = random.word(CONDITIONS);
    let condition = if random.chance(30) { format!("NOT ({condition})") } else { condition.to_owned() };
    let made = if random.chance(70) {
        let text = random.word(TEXTS);
        random.word(AROUND).replace("{}", text)
    } else {
        random.word(LISTS).to_owned()
    };
    spelled(&made).replace("{c}", &condition)
}

/// `{b400}` is so many times that letter.
fn spelled(text: &str) -> String {
    let mut parts = text.split('{');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let repeated = part.split_once('}').and_then(|(inner, rest)| {
            let letter = inner.chars().next()?;
            let count: usize = inner.get(letter.len_utf8()..)?.parse().ok()?;
            Some(format!("{}{rest}", letter.to_string().repeat(count)))
        });
        whole.push_str(&repeated.unwrap_or_else(|| format!("{{{part}")));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_spelled_out_and_nothing_else() {
        assert_eq!(spelled("'{a3}' {c} {} {b12}x {k}"), "'aaa' {c} {} bbbbbbbbbbbbx {k}");
    }

    #[test]
    fn every_part_is_made() {
        let all: Vec<String> = (1..=400).map(statement).collect();
        assert!(all.iter().all(|text| !text.contains('{') && text.len() < 100_000), "a place is left open");
        for condition in CONDITIONS {
            assert!(all.iter().any(|text| text.contains(condition)), "{condition}");
        }
        assert_eq!(statement(7), statement(7));
        assert_ne!(statement(7), statement(8));
    }
}
