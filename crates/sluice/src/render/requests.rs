//! A request out of the ledger, as one line. No statement, no parameter, no row stands in it; those are for `--json`.

use serde_json::Value;
use std::collections::BTreeSet;

/// Of a digest: enough to tell two sets apart by eye.
const DIGEST_LETTERS: usize = 12;
const RUN_FACTS: [&str; 5] = ["repository", "reference", "workflow", "run", "attempt"];
const NOTHING: &str = "-";

/// What clients and issuers wrote is escaped: a line stays a line, and a terminal does what it did.
pub fn line(told: &Value) -> String {
    let api = [vec![word(&told["api"])], list(&told["statement_types"])].concat().join(" ");
    let reason = told["reason"].as_str().map(|reason| format!(" ({})", reason.escape_debug())).unwrap_or_default();
    let fields = [
        word(&told["time"]),
        word(&told["request"]),
        who(told),
        word(&told["connection"]),
        api,
        format!("job {}", word(&told["job"])),
        format!("{} by {}", word(&told["decision"]), policy(&told["policy"])),
        because(told),
        format!("{} bytes", number(&told["bytes"])),
        format!("cost {}", cost(&told["cost_micros"])),
        format!("{}{reason}", word(&told["outcome"])),
        format!("{} polls", number(&told["polls"])),
        format!("{} rows", number(&told["rows"])),
    ];
    fields.join("  ")
}

/// `issuer#subject`.
pub fn principal(identity: &Value) -> Option<String> {
    Some(format!("{}#{}", identity.get("issuer")?.as_str()?, identity.get("subject")?.as_str()?))
}

/// Each rule that permitted, refused, held or masked something.
pub fn rules(policy: &Value) -> BTreeSet<String> {
    let permitted = policy["permitted"].as_object().into_iter().flat_map(|questions| questions.values());
    let others = ["refused", "held", "masks"].into_iter().filter_map(|name| policy[name].as_array()).flatten().map(|item| &item["rules"]);
    permitted.chain(others).filter_map(Value::as_array).flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What stood in the way, each as its kind and its question.
pub fn reasons(policy: &Value) -> Vec<String> {
    let reason = |refusing: &Value| match (refusing["kind"].as_str(), refusing["question"].as_str()) {
        (Some(kind), Some(question)) => Some(format!("{kind}: {question}")),
        (kind, question) => kind.or(question).map(str::to_owned),
    };
    policy["refused"].as_array().into_iter().flatten().filter_map(reason).collect()
}

fn who(told: &Value) -> String {
    let run = RUN_FACTS.into_iter().filter_map(|name| Some(format!("{name}={}", told["run"].get(name)?.as_str()?.escape_debug())));
    let mut who = format!("{} ({})", word(&told["caller"]), word(&told["kind"]));
    if let Some(person) = told["on_behalf_of"].as_str() {
        who += &format!(" for {}", person.escape_debug());
    }
    let run: Vec<String> = run.collect();
    if run.is_empty() { who } else { format!("{who} [{}]", run.join(" ")) }
}

/// Reasons where there are some: they say more than the rules.
fn because(told: &Value) -> String {
    let reasons = list(&told["reasons"]);
    if !reasons.is_empty() {
        return format!("because {}", reasons.join("; "));
    }
    let rules = list(&told["rules"]);
    if rules.is_empty() { "no rule".to_owned() } else { format!("rules {}", rules.join(", ")) }
}

fn policy(digest: &Value) -> String {
    let Some(digest) = digest.as_str() else { return "no policy".to_owned() };
    let (algorithm, digits) = digest.split_once(':').unwrap_or(("", digest));
    format!("{algorithm}:{}", digits.chars().take(DIGEST_LETTERS).collect::<String>().escape_debug())
}

fn cost(micros: &Value) -> String {
    let Some(micros) = micros.as_u64() else { return NOTHING.to_owned() };
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn number(value: &Value) -> String {
    value.as_u64().map_or_else(|| NOTHING.to_owned(), |number| number.to_string())
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| NOTHING.to_owned(), |text| text.escape_debug().to_string())
}

fn list(values: &Value) -> Vec<String> {
    values.as_array().into_iter().flatten().map(word).collect()
}
