//! `sluice check`: a whole configuration.

use crate::program::{folder, root, run, starter};
use std::path::Path;

/// The example's file with texts put in the place of others, beside a copy of the starter set.
fn configuration(folder: &Path, changes: &[(&str, &str)], policy: &[(&str, &str, &str)]) -> String {
    let mut text = std::fs::read_to_string(root().join("examples/configuration/sluice.toml")).unwrap();
    for (old, new) in [("../policy/starter", "set")].iter().chain(changes) {
        assert!(text.contains(old), "`{old}`");
        text = text.replace(old, new);
    }
    std::fs::write(folder.join("sluice.toml"), text).unwrap();
    starter(&folder.join("set"), policy);
    folder.to_str().unwrap().to_owned()
}

#[test]
fn the_example_is_sound() {
    run(&["check", "examples/configuration"]).check(0, &["issuers   github, company\n", "signers   1\n", "policy    starter: 33 rules"]);
    let said = run(&["check", "examples/configuration", "--json"]).json();
    assert_eq!((said["problems"].as_array().map(Vec::len), said["signers"].as_u64()), (Some(0), Some(1)));
}

#[test]
fn every_problem_of_every_part_is_said_at_once() {
    let changes = [
        ("require = { repository_owner_id = \"1234\" }\n", ""),
        ("kind = \"person\"", "kind = \"human\""),
        ("[policy.keys]", "[polcy]\nx = 1\n[policy.keys]\nben = \"not a key\""),
    ];
    let policy = [
        ("labels.toml", "mask = \"email\"", "mask = \"blur\""),
        ("agents.cedar", "@id(\"agents-connect\")", ""),
        ("policy.toml", "kind = \"agent\"", "kind = \"robot\""),
    ];
    let folder = configuration(&folder("check_broken"), &changes, &policy);
    let expect = [
        "`polcy`: nothing reads it",
        "key of `ben`",
        "identity.issuers[0]",
        "identity.issuers[1]",
        "set/labels.toml",
        "set/agents.cedar",
        "set/policy.toml",
    ];
    let ran = run(&["check", &folder]);
    ran.check(1, &expect);
    let said = run(&["check", &folder, "--json"]);
    assert_eq!(said.code, 1);
    let problems = said.json()["problems"].as_array().map(Vec::len).unwrap();
    assert!(problems >= expect.len(), "{}", said.out);
    assert!(ran.out.ends_with(&format!("{problems} problems\n")), "{}", ran.out);
}

/// With a table of the server, what `sluice serve` reads is looked at too.
#[test]
fn what_a_gateway_is_told_is_checked() {
    let tables =
        "[server]\nplain = \"10.0.0.7:80\"\n\n[log]\nlevel = \"loud\"\n\n[traces]\nendpoint = \"http://10.0.0.7:4318\"\n\n[policy.keys]";
    let folder = configuration(&folder("check_server"), &[("[policy.keys]", tables)], &[]);
    let expect =
        ["server.plain: 10.0.0.7:80", "log.level: `loud`", "traces.endpoint: plain HTTP to `10.0.0.7`", "connections: there is none"];
    run(&["check", &folder]).check(1, &expect);
}

#[test]
fn parts_that_do_not_fit_together_are_a_problem() {
    let limit = "[[limits]]\ncaller = \"https://other.example#1\"\njobs_at_once_max = 1\n\n[[limits]]\nkind = \"agent\"";
    let with = |name: &str, limit: &str| configuration(&folder(name), &[], &[("policy.toml", "[[limits]]\nkind = \"agent\"", limit)]);
    run(&["check", &with("check_stranger", limit)]).check(1, &["limit for caller `https://other.example#1`", "1 problem\n"]);
    let known = limit.replace("other.example", "login.acme.example/realms/main");
    run(&["check", &with("check_known", &known)]).check(0, &[]);
}

/// A file that also says how to serve is judged as `serve` would judge it.
#[test]
fn what_serve_would_refuse_is_said() {
    let served = "[server]\nplain = \"127.0.0.1:0\"\n[ledger]\nfolder = \"ledger\"\nkeys = \"keys\"\n[state]\nfolder = \"state\"\n\
        [connections.main]\nprojects = [\"acme-prod\"]\ncredential = { kind = \"metadata\" }\n[policy]";
    let with = |name: &str, served: &str| configuration(&folder(name), &[("[policy]", served)], &[]);
    let nothing = ["ledger.folder: ", "`sluice ledger init` makes a ledger", "ledger.keys: ", "state.folder: ", "3 problems\n"];
    run(&["check", &with("check_served", served)]).check(1, &nothing);
    let unknown = served.replace("plain = \"127.0.0.1:0\"", "plain = \"127.0.0.1:0\"\nfoo = 1");
    run(&["check", &with("check_unknown", &unknown)]).check(1, &["foo"]);
    let open = served.replace("127.0.0.1:0", "0.0.0.0:80");
    run(&["check", &with("check_open", &open)]).check(1, &["plain"]);
    let secret = served.replace("kind = \"metadata\"", "kind = \"key_file\", file = \"absent.json\"");
    run(&["check", &with("check_secret", &secret)]).check(1, &["absent.json"]);
}

/// One field that is wrong, or is not there, hides nothing of what is wrong elsewhere.
#[test]
fn a_missing_field_hides_no_other_problem() {
    let tables = "[server]\nplain = \"nowhere\"\nfoo = 1\ntls = \"127.0.0.1:0\"\ncertificate = \"absent.pem\"\nkey = \"absent.key\"\n\
        [log]\nlevel = \"loud\"\nmore = 1\n[traces]\nendpoint = 7\n\
        [ledger]\nfolder = \"ledger\"\n[state]\nfolder = \"state\"\n\
        [connections.first]\ncredential = { kind = \"metadata\" }\n\
        [connections.second]\nprojects = [\"a\"]\nendpoint = \"http://bigquery.example\"\nlocation = 1\n\
        credential = { kind = \"key_file\", file = \"absent.json\" }\n\
        [connections.third]\nprojects = [\"a\"]\ncredential = { kind = \"key_file\" }\n[policy]";
    let folder = configuration(&folder("check_everything"), &[("[policy]", tables)], &[]);
    let expect = [
        "server.plain: ",
        "server.foo: ",
        "server.certificate: `",
        "server.key: `",
        "log.level: `loud`",
        "log.more: ",
        "traces.endpoint: ",
        "ledger.keys: is missing",
        "state.folder: `",
        "connections.first.projects: is missing",
        "plain HTTP to `bigquery.example`",
        "connections.second.location: ",
        "connections.second.credential: `",
        "connections.third.credential: ",
        "14 problems\n",
    ];
    run(&["check", &folder]).check(1, &expect);
}

#[test]
fn what_is_not_there_is_said() {
    let empty = folder("check_empty");
    run(&["check", empty.to_str().unwrap()]).check(1, &["sluice.toml"]);
    let folder = configuration(&folder("check_no_set"), &[("\"set\"", "\"elsewhere\"")], &[]);
    run(&["check", &folder]).check(1, &["policy.set: "]);
    std::fs::write(Path::new(&folder).join("sluice.toml"), "[identity").unwrap();
    run(&["check", &folder]).check(1, &["sluice.toml: TOML parse error"]);
}
