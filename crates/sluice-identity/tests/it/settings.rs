//! Configuration: every problem at once, and what an honest mistake would open is a problem.

use sluice_identity::check;

const GOOD: &str = r#"
[identity]
audiences = ["https://sluice.example"]
[[identity.issuers]]
name = "ci"
shape = "github"
url = "https://token.actions.githubusercontent.com"
require = { repository_owner_id = "1234" }
"#;

fn problems(text: &str) -> Vec<String> {
    check(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The good file with one text in place of another has exactly these problems, by their beginnings.
fn change(from: &str, to: &str, expect: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    let found = problems(&GOOD.replace(from, to));
    let fits = found.len() == expect.len() && found.iter().zip(expect).all(|(found, expect)| found.contains(expect));
    assert!(fits, "{to}: {found:#?}");
}

#[test]
fn good_files_are_taken() {
    assert!(problems(GOOD).is_empty());
    let examples = crate::issuer::data("identity.toml");
    assert_eq!(check(&examples).unwrap().issuers.len(), 8);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let text = r#"
[identity]
audience = ["https://sluice.example"]
[identity.access]
issuer = "http://sluice.example"
lifetime_seconds = 100000
[[identity.issuers]]
name = "a"
shape = "gitbuh"
url = "http://token.actions.githubusercontent.com"
algorithms = ["RS256", "HS256", "none"]
[[identity.issuers]]
shape = "oidc"
url = "https://login.example"
lifetime_seconds_max = "1h"
delegate = true
"#;
    let found = problems(text);
    let expect = [
        "identity.access.issuer: not an https URL",
        "identity.access.lifetime_seconds: 100000 seconds",
        "identity.audience: no such key",
        "identity.issuers[0].algorithms: `HS256`",
        "identity.issuers[0].algorithms: `none`",
        "identity.issuers[0].audiences: missing",
        "identity.issuers[0].shape: `gitbuh`: one of aws, entra",
        "identity.issuers[0].url: not an https URL",
        "identity.issuers[1].audiences: missing",
        "identity.issuers[1].delegate: no such key",
        "identity.issuers[1].kind: missing",
        "identity.issuers[1].lifetime_seconds_max: not a number",
        "identity.issuers[1].name: missing",
    ];
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expect) in found.iter().zip(expect) {
        assert!(found.starts_with(expect), "{found}: {expect}");
    }
}

#[test]
fn what_would_let_strangers_in_is_a_problem() {
    change("require = { repository_owner_id = \"1234\" }", "", &["strangers get tokens of this issuer too"]);
    change("require = { repository_owner_id = \"1234\" }", "require = {}", &["it would fit everyone", "strangers"]);
    change("repository_owner_id", "repository_owner", &["can come to mean someone else", "strangers"]);
    change("repository_owner_id = \"1234\"", "repository_owner_id = \"1234\", sub = \"repo:octo/etl:x\"", &["`sub` can come to mean"]);
    change("repository_owner_id = \"1234\"", "repository_owner_id = []", &["a text or a list of texts", "strangers"]);
    change("shape = \"github\"", "shape = \"oidc\"\nkind = \"service\"", &["`github` belongs to this URL"]);
    change("shape = \"github\"", "shape = \"gitlab\"", &["`github` belongs to this URL"]);
    change("shape = \"github\"", "shape = \"github\"\ndelegates = true", &["only of shape `oidc`"]);
    change("shape = \"github\"", "shape = \"github\"\nlifetime_seconds_max = 100000", &["100000 seconds"]);
    change("shape = \"github\"", "shape = \"github\"\ntypes = [\"dpop+jwt\"]", &["`dpop+jwt`: one of"]);
    change("[\"https://sluice.example\"]", "[]", &["not a list of texts that is not empty", "audiences: missing"]);
    change("[\"https://sluice.example\"]", "[\"https://sluice.example\", \"\"]", &["not a list of texts", "audiences: missing"]);
}

#[test]
fn urls_have_one_meaning() {
    let url = "https://token.actions.githubusercontent.com";
    for (other, problem) in [
        ("https://Login.example", "small letters"),
        ("https://", "a host"),
        ("https://a..b", "a host"),
        ("https://user@host.example", "a host"),
        ("https://h\u{f6}st.example", "a host"),
        ("https://[::1]", "a host"),
        ("https://host.example:x", "not a port"),
        ("https://host.example:+443", "not a port"),
        ("https://host.example:0443", "not a port"),
        ("https://host.example:0", "not a port"),
        ("https://host.example:65536", "not a port"),
        ("https://host.example:", "not a port"),
        ("https://host.example/?a=b", "a path"),
        ("https://host.example/#a", "a path"),
        ("https://host.example/a/../b", "a path"),
        ("https://host.example/%61", "a path"),
        ("ftp://host.example", "not an https URL"),
    ] {
        change(url, other, &[problem]);
    }
    let two = GOOD.replace("[identity]", "[identity]\n") + GOOD.split("audiences = [\"https://sluice.example\"]").nth(1).unwrap();
    assert_eq!(problems(&two).len(), 2, "{:?}", problems(&two));
    let own = GOOD.replace(
        "[[identity.issuers]]",
        "[identity.access]\nissuer = \"https://token.actions.githubusercontent.com\"\n[[identity.issuers]]",
    );
    assert!(problems(&own)[0].contains("the gateway's own"));
}

#[test]
fn shapes_ask_for_what_they_need() {
    let github = "shape = \"github\"\nurl = \"https://token.actions.githubusercontent.com\"\nrequire = { repository_owner_id = \"1234\" }";
    for (other, problem) in [
        ("shape = \"spiffe\"\nurl = \"https://spiffe.example\"", "trust_domain"),
        ("shape = \"spiffe\"\nurl = \"https://spiffe.example\"\ntrust_domain = \"spiffe://acme.example\"", "trust_domain"),
        ("shape = \"entra\"\nurl = \"https://login.microsoftonline.com/common/v2.0\"", "of one tenant"),
        ("shape = \"oidc\"\nurl = \"https://login.example\"", "say what its callers are"),
        ("shape = \"oidc\"\nurl = \"https://login.example\"\nkind = \"robot\"", "one of agent, person"),
        (
            "shape = \"gitlab\"\nurl = \"https://gitlab.com\"\nrequire = { project_path = \"acme/x\", project_id = \"1\" }",
            "`project_path` can come",
        ),
        ("shape = \"google\"\nurl = \"https://accounts.google.com\"", "strangers"),
        (
            "shape = \"aws\"\nurl = \"https://1.example\"\nrequire = { \"https://sts.amazonaws.com/ > request_tags > a\" = \"b\" }",
            "own words",
        ),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\nrun = { commit = \"c\" }", "only of shape `oidc`"),
        (
            "shape = \"kubernetes\"\nurl = \"https://c.example\"\nkeys = { file = \"a\", url = \"https://b.example\" }",
            "either `file` or `url`",
        ),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\nkeys = { url = \"http://b.example\" }", "not an https URL"),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\ngroups = [{ group = \"a\" }]", "it would fit everyone"),
        ("shape = \"oidc\"\nurl = \"https://login.example\"\nkind = \"service\"\nrun = { comit = \"c\" }", "no such fact"),
        ("shape = \"oidc\"\nurl = \"https://agent.buildkite.com\"\nkind = \"pipeline\"", "strangers"),
        ("shape = \"oidc\"\nurl = \"https://app.terraform.io\"\nkind = \"pipeline\"\nrequire = { sub = \"a\" }", "strangers"),
        ("shape = \"oidc\"\nurl = \"https://oidc.vercel.com\"\nkind = \"service\"", "strangers"),
        ("shape = \"kubernetes\"\nurl = \"https://agent.buildkite.com\"", "`oidc` belongs to this URL"),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\nevents = [\"push\"]", "do not say what started a run"),
        ("shape = \"oidc\"\nurl = \"https://login.example\"\nkind = \"service\"\nevents = [\"push\"]", "do not say what started a run"),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\ngroups_prefix = \"k8s:\"", "only beside `groups_claim`"),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\nkeys = { hosts = [\"CDN.example\"] }", "without a port"),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\nkeys = { hosts = [\"cdn.example:8443\"] }", "without a port"),
        ("shape = \"kubernetes\"\nurl = \"https://c.example\"\nkeys = { hosts = [\"*.example\"] }", "without a port"),
    ] {
        change(github, other, &[problem]);
    }
    assert!(problems("x = [").len() == 1 && problems("").len() == 1);
}

/// What the documentation shows is taken as it stands.
#[test]
fn documented_files_are_taken() {
    let page = std::fs::read_to_string(crate::issuer::path("../../../../docs/identity.md")).unwrap();
    let shown: String = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let checked = check(&shown).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(checked.issuers.len() == 1 && checked.access.is_some());
}
