//! One `[[identity.issuers]]`.

use super::section::Section;
use crate::algorithm::Algorithm;
use crate::claims::is_plain;
use crate::conditions::{Condition, Conditions};
use crate::issuer::{Exchanges, GroupRule, Issuer, KeyFetching, KeySource};
use crate::shape::{RUN_FACTS, Shape};
use sluice_model::CallerKind;
use std::collections::{BTreeMap, BTreeSet};

const LIFETIME_SECONDS_MAX: u64 = 24 * 3600;
const FRESH_SECONDS: u64 = 3600;
const STALE_SECONDS: u64 = 3600;
const STALE_SECONDS_MAX: u64 = 24 * 3600;
const MEDIA_TYPES: &[&str] = &["", "JOSE", "JWT", "at+jwt"];
/// Hosts that publish keys for an issuer of another name.
const HOSTS_OF_KEYS: &[(&str, &str)] = &[("https://accounts.google.com", "www.googleapis.com")];

pub fn read(mut section: Section<'_>, audiences: &BTreeSet<String>) -> Option<Issuer> {
    let name = section.required_text("name");
    let url = section.required_text("url");
    let shape = shape(&mut section, url.as_deref());
    let keys = key_fetching(&mut section, url.as_deref().unwrap_or_default());
    let (shape_known, defaults) = (shape, shape.unwrap_or(Shape::Oidc).defaults());
    let audiences = section.texts("audiences").unwrap_or_else(|| audiences.clone());
    if audiences.is_empty() {
        section.problem("audiences", "missing: a token for anyone would be one for us");
    }
    if audiences.iter().any(|audience| !is_plain(audience)) {
        section.problem("audiences", "an audience is a short text of visible characters");
    }
    let lifetime = section.seconds("lifetime_seconds_max", 60..=LIFETIME_SECONDS_MAX).unwrap_or(defaults.lifetime_seconds_max);
    let issuer = Issuer {
        audiences,
        keys,
        algorithms: algorithms(&mut section).unwrap_or_else(|| defaults.algorithms.iter().copied().collect()),
        media_types: media_types(&mut section).unwrap_or_else(|| defaults.media_types.iter().map(|word| (*word).to_owned()).collect()),
        lifetime_seconds_max: lifetime,
        kind: section.text("kind").and_then(|word| kind(&section, "kind", &word)),
        kinds: kinds(&mut section, shape_known),
        require: conditions(&mut section, "require", shape_known),
        events: section.texts("events"),
        groups_claim: section.text("groups_claim"),
        groups_prefix: section.text("groups_prefix").unwrap_or_default(),
        groups: groups(&mut section, shape_known),
        run_claims: run_claims(&mut section),
        delegates: section.flag("delegates").unwrap_or(false),
        exchanges: exchanges(&mut section),
        trust_domain: section.text("trust_domain"),
        name: name.clone().unwrap_or_default(),
        url: url.clone().unwrap_or_default(),
        shape: shape.unwrap_or(Shape::Oidc),
    };
    check(&issuer, &section, shape_known.is_some());
    section.finish();
    (name.is_some() && url.is_some() && shape.is_some()).then_some(issuer)
}

/// None where it is one that can be pinned: https, a host, nothing that servers and readers understand differently.
pub fn url_fault(url: &str) -> Option<&'static str> {
    let Some(rest) = url.strip_prefix("https://") else { return Some("not an https URL") };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host.split_once(':').unwrap_or((host, "443"));
    let plain_host = !host.is_empty() && host.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    let plain_path = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/'));
    if !plain_host || host.starts_with('.') || host.ends_with('.') || host.contains("..") {
        return Some("a host is written in small letters, digits, `-` and `.`");
    }
    if port.starts_with('0') || !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Some("not a port");
    }
    if !plain_path || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Some("a path without query, fragment, escapes and `..`");
    }
    None
}

/// Rules between keys.
fn check(issuer: &Issuer, section: &Section<'_>, shape_known: bool) {
    if !issuer.url.is_empty()
        && let Some(fault) = url_fault(&issuer.url)
    {
        section.problem("url", fault);
    }
    if !shape_known {
        return;
    }
    let shape = issuer.shape;
    if let Some(shared) = shape.defaults().shared.iter().find(|shared| shared.url == issuer.url) {
        let named: BTreeSet<String> = issuer.require.names().collect();
        if !shared.anchors.iter().any(|anchor| named.contains(*anchor)) {
            section.problem("require", &format!("strangers get tokens of this issuer too: require one of {}", shared.anchors.join(", ")));
        }
    }
    if shape == Shape::Oidc && !section.holds("kind") && !section.holds("kinds") {
        section.problem("kind", "missing: say what its callers are");
    }
    if shape == Shape::Entra && !issuer.tenant().is_some_and(crate::shape::is_unique_id) {
        section.problem("url", "of one tenant: https://login.microsoftonline.com/TENANT-ID/v2.0");
    }
    let domain = issuer.trust_domain.as_deref();
    let plain = |domain: &str| domain.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_'));
    match (shape, domain) {
        (Shape::Spiffe, Some(domain)) if plain(domain) => {}
        (Shape::Spiffe, _) => section.problem("trust_domain", "the domain of its workloads, in small letters, without `spiffe://`"),
        (_, Some(_)) => section.problem("trust_domain", "only of shape `spiffe`"),
        (_, None) => {}
    }
    if shape != Shape::Oidc && !issuer.run_claims.is_empty() {
        section.problem("run", "only of shape `oidc`: the others know their claims");
    }
    if shape != Shape::Oidc && issuer.delegates {
        section.problem("delegates", "only of shape `oidc`: the others never write `act`");
    }
    // What is configured and has no effect restricts nobody.
    let knows_events = matches!(shape, Shape::Github | Shape::Gitlab) || issuer.run_claims.contains_key("event");
    if issuer.events.is_some() && !knows_events {
        section.problem("events", "its tokens do not say what started a run: of shape `oidc`, name the claim as `event` of `run`");
    }
    if !issuer.groups_prefix.is_empty() && issuer.groups_claim.is_none() {
        section.problem("groups_prefix", "only beside `groups_claim`");
    }
}

fn shape(section: &mut Section<'_>, url: Option<&str>) -> Option<Shape> {
    let word = section.required_text("shape")?;
    let Some(shape) = Shape::parse(&word) else {
        section.problem("shape", &format!("`{word}`: one of {}", Shape::ALL.map(Shape::word).join(", ")));
        return None;
    };
    // Read as something else, its tokens would miss the rules that are there for it.
    let known = Shape::ALL.into_iter().find(|known| known.defaults().shared.iter().any(|shared| Some(shared.url) == url));
    if known.is_some_and(|known| known != shape) {
        section.problem("shape", &format!("`{}` belongs to this URL", known.map_or("", Shape::word)));
    }
    Some(shape)
}

fn exchanges(section: &mut Section<'_>) -> Exchanges {
    match section.text("exchanges").as_deref() {
        None | Some("once") => Exchanges::Once,
        Some("many") => Exchanges::Many,
        Some(word) => {
            section.problem("exchanges", &format!("`{word}`: one of many, once"));
            Exchanges::Once
        }
    }
}

fn kind(section: &Section<'_>, key: &str, word: &str) -> Option<CallerKind> {
    let kind = CallerKind::parse(word);
    if kind.is_none() {
        section.problem(key, &format!("`{word}`: one of {}", CallerKind::ALL.map(CallerKind::word).join(", ")));
    }
    kind
}

fn kinds(section: &mut Section<'_>, shape: Option<Shape>) -> Vec<(CallerKind, Conditions)> {
    let read = |mut rule: Section<'_>| {
        let word = rule.required_text("kind");
        let found = word.and_then(|word| kind(&rule, "kind", &word));
        let when = required_conditions(&mut rule, shape);
        rule.finish();
        Some((found?, when))
    };
    section.sections("kinds").into_iter().filter_map(read).collect()
}

fn groups(section: &mut Section<'_>, shape: Option<Shape>) -> Vec<GroupRule> {
    let read = |mut rule: Section<'_>| {
        let group = rule.required_text("group");
        if group.as_deref().is_some_and(|group| !is_plain(group)) {
            rule.problem("group", "a short text of visible characters");
        }
        let when = required_conditions(&mut rule, shape);
        rule.finish();
        Some(GroupRule { group: group?, when })
    };
    section.sections("groups").into_iter().filter_map(read).collect()
}

fn required_conditions(rule: &mut Section<'_>, shape: Option<Shape>) -> Conditions {
    let conditions = conditions(rule, "when", shape);
    if conditions.0.is_empty() {
        rule.problem("when", "missing: it would fit everyone");
    }
    conditions
}

fn conditions(section: &mut Section<'_>, key: &'static str, shape: Option<Shape>) -> Conditions {
    let found = section.conditions(key).unwrap_or_default();
    let conditions: Vec<Condition> = found.into_iter().map(|(name, values)| Condition::new(&name, values)).collect();
    for condition in &conditions {
        let name = condition.name();
        if condition.path.iter().any(|part| part == "request_tags") {
            section.problem(key, "`request_tags` are the caller's own words");
        }
        if shape.is_some_and(|shape| shape.defaults().reusable_names.contains(&name.as_str())) {
            section.problem(key, &format!("`{name}` can come to mean someone else: use an identifier"));
        }
        if condition.path.iter().any(String::is_empty) {
            section.problem(key, &format!("`{name}`: a claim, or claims inside of each other as `outer > inner`"));
        }
    }
    Conditions(conditions)
}

fn algorithms(section: &mut Section<'_>) -> Option<BTreeSet<Algorithm>> {
    let words = section.texts("algorithms")?;
    let unknown: Vec<&String> = words.iter().filter(|word| Algorithm::parse(word).is_none()).collect();
    for word in &unknown {
        section.problem("algorithms", &format!("`{word}`: one of {}", Algorithm::ALL.map(Algorithm::word).join(", ")));
    }
    Some(words.iter().filter_map(|word| Algorithm::parse(word)).collect())
}

fn media_types(section: &mut Section<'_>) -> Option<BTreeSet<String>> {
    let words = section.texts("types")?;
    // `none` for a header without, because an empty text in a list reads like a slip.
    let words: BTreeSet<String> = words.into_iter().map(|word| if word == "none" { String::new() } else { word }).collect();
    for word in words.iter().filter(|word| !MEDIA_TYPES.contains(&word.as_str())) {
        section.problem("types", &format!("`{word}`: one of JWT, at+jwt, JOSE, none"));
    }
    Some(words)
}

fn run_claims(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let Some(run) = section.section("run") else { return BTreeMap::new() };
    let mut claims = BTreeMap::new();
    for (fact, claim) in run.keys() {
        match claim.as_str() {
            Some(claim) if RUN_FACTS.contains(&fact.as_str()) => drop(claims.insert(fact.clone(), claim.to_owned())),
            Some(_) => run.problem(fact, &format!("no such fact: there are {}", RUN_FACTS.join(", "))),
            None => run.problem(fact, "the name of a claim"),
        }
    }
    claims
}

fn key_fetching(section: &mut Section<'_>, issuer: &str) -> KeyFetching {
    let known = HOSTS_OF_KEYS.iter().filter(|(url, _)| *url == issuer).map(|(_, host)| (*host).to_owned());
    let mut fetching = KeyFetching {
        source: KeySource::Discovery,
        hosts: known.collect(),
        private_addresses: false,
        certificates_file: None,
        fresh_seconds_max: FRESH_SECONDS,
        stale_seconds_max: STALE_SECONDS,
    };
    let Some(mut keys) = section.section("keys") else { return fetching };
    fetching.source = match (keys.text("file"), keys.text("url")) {
        (Some(_), Some(_)) => {
            keys.problem("file", "either `file` or `url`");
            KeySource::Discovery
        }
        (Some(file), None) => KeySource::File(file),
        (None, Some(url)) => {
            if let Some(fault) = url_fault(&url) {
                keys.problem("url", fault);
            }
            KeySource::Url(url)
        }
        (None, None) => KeySource::Discovery,
    };
    let hosts = keys.texts("hosts").unwrap_or_default();
    for host in hosts.iter().filter(|host| host.contains([':', '/']) || url_fault(&format!("https://{host}")).is_some()) {
        keys.problem("hosts", &format!("`{host}`: a host in small letters, without a port"));
    }
    fetching.hosts.extend(hosts);
    fetching.private_addresses = keys.flag("private_addresses").unwrap_or(false);
    fetching.certificates_file = keys.text("certificates_file");
    fetching.fresh_seconds_max = keys.seconds("fresh_seconds_max", 60..=FRESH_SECONDS).unwrap_or(FRESH_SECONDS);
    fetching.stale_seconds_max = keys.seconds("stale_seconds_max", 0..=STALE_SECONDS_MAX).unwrap_or(STALE_SECONDS);
    keys.finish();
    fetching
}
