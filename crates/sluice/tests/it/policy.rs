//! `sluice policy check`, `test`, `explain`, `diff`.

use crate::program::{folder, root, run, run_with, starter};
use std::process::Command;

const STARTER: &str = "examples/policy/starter";
const CATALOG: [&str; 2] = ["--catalog", "examples/clinic"];

#[test]
fn a_sound_set_is_summed_up() {
    run(&["policy", "check", STARTER]).check(0, &["starter: 33 rules, 6 labels, 2 limits, ", "sha256:"]);
    let said = run(&["policy", "check", STARTER, "--json"]).json();
    assert_eq!((said["problems"].as_array().unwrap().len(), said["set"]["rules"].as_u64()), (0, Some(33)));
}

#[test]
fn every_problem_of_a_set_is_said_at_once() {
    let changes = [
        ("agents.cedar", "context.dry_run.bytes > 107374182400", "context.dry_run.bites > 1"),
        ("labels.toml", "\"last_four\"", "\"last_five\""),
        ("policy.toml", "kind = \"agent\"", "kind = \"robot\""),
        ("cases/agents.toml", "expect = \"held\"", "expect = \"hold\""),
        ("cases/people.toml", "sql = \"SELECT email FROM clinic.patients\"", ""),
    ];
    let set = starter(&folder("broken_set"), &changes);
    let ran = run(&["policy", "check", &set]);
    ran.check(
        1,
        &["agents.cedar:59: ", "`last_five`", "kind `robot`", "cases/agents.toml: case `a large read", "0 of sql", "5 problems\n"],
    );
    let said = run(&["policy", "check", &set, "--json"]);
    assert_eq!((said.code, said.json()["problems"].as_array().unwrap().len()), (1, 5));
    // What cannot be checked cannot be asked either.
    run(&["policy", "test", &set]).check(1, &["the policy set cannot be used", "`last_five`"]);
    run(&["policy", "check", "examples/nowhere"]).check(1, &["examples/nowhere"]);
}

/// With the real engine over the clinic: every rule has a case that it decides, would be missed, and has a case that it nearly reaches.
#[test]
fn the_starter_set_says_what_its_cases_say() {
    let ran = run(&["policy", "test", STARTER, CATALOG[0], CATALOG[1], "--every-rule", "--json"]);
    let said = ran.json();
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(said["cases"].as_u64() >= Some(60) && said["sql"].as_u64() >= Some(50), "{}", ran.out);
    for list in ["wrong", "rules_not_named", "rules_not_missed", "rules_not_bounded"] {
        assert_eq!(said[list].as_array().map(Vec::len), Some(0), "{list}: {}", ran.out);
    }
}

#[test]
fn a_case_that_is_wrong_is_shown() {
    let set = starter(&folder("wrong_case"), &[("agents.cedar", "@id(\"agents-never-export\")", "@id(\"agents-export\")")]);
    let ran = run(&["policy", "test", &set, CATALOG[0], CATALOG[1]]);
    ran.check(1, &["wrong: an agent exports nothing", "rules: expected agents-never-export", "rules that no case names: agents-export"]);
    run(&["policy", "test", &set]).check(1, &["needs `--catalog`"]);
    let unused =
        "\n@id(\"unused\") @reason(\"r\") permit (principal is Service in Group::\"x\", action == Action::\"connect\", resource);\n";
    let set = starter(&folder("unmissed_rule"), &[]);
    let file = format!("{set}/people.cedar");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + unused).unwrap();
    run(&["policy", "test", &set, CATALOG[0], CATALOG[1], "--every-rule"])
        .check(1, &["0 wrong", "rules that no case names: unused", "rules that no case would miss: unused"]);
}

#[test]
fn a_rule_without_an_end_is_shown() {
    let silent = "silent = [\"agents-large-reads\"]\n";
    let set = starter(&folder("unbounded"), &[]);
    let change = |name: &str, old: &str, new: &str| {
        let file = format!("{set}/cases/{name}.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(old), "{old}");
        std::fs::write(&file, text.replace(old, new)).unwrap();
    };
    change("agents", silent, "");
    // A case that the rule does not reach with one part left open marks no end of it.
    let far = "name = \"staff look at their own jobs\"\n";
    change("people", far, &format!("{far}{silent}"));
    run(&["policy", "test", &set, CATALOG[0], CATALOG[1], "--every-rule"])
        .check(1, &["0 wrong", "rules that no case comes near without meeting them: agents-large-reads\n"]);
    // And one that it meets is wrong.
    change("agents", "rules = [\"agents-own-jobs\"]\n", "silent = [\"agents-own-jobs\"]\n");
    run(&["policy", "test", &set, CATALOG[0], CATALOG[1]])
        .check(1, &["wrong: an agent looks at its own jobs", "silent: expected agents-own-jobs", "spoken: agents-own-jobs"]);
}

fn explain(arguments: &[&str], input: &str) -> crate::program::Ran {
    let fixed = ["policy", "explain", STARTER, CATALOG[0], CATALOG[1], "--default-dataset", "acme-prod.clinic"];
    run_with(&[&fixed[..], arguments].concat(), input)
}

#[test]
fn an_explanation_names_rule_fact_and_what_would_be_accepted() {
    let agent = ["--caller", "agent", "--on-behalf-of", "ana"];
    let ran = explain(&[&agent[..], &["SELECT ssn FROM patients WHERE email LIKE 'a%'"]].concat(), "");
    ran.check(
        2,
        &[
            "REFUSED\n",
            "deciding rows by column acme-prod.clinic.patients.email (filter)\n",
            "accepted  the same without deciding rows by that column\n",
            "would mask ssn by last_four\n    label     national_id: identifies a person for life\n",
        ],
    );
    let ran = explain(&[&agent[..], &["--bytes", "107374182401", "-"]].concat(), "SELECT id FROM patients");
    ran.check(
        2,
        &[
            "HELD until it is approved\n",
            "rule      agents-large-reads (agents.cedar): ",
            "fact      context.dry_run.bytes is 107374182401\n",
        ],
    );
    let ran = explain(&[&agent[..], &["SELECT id FROM patients"]].concat(), "");
    ran.check(0, &["PERMITTED\n", "read on table acme-prod.clinic.patients: by agents-read\n"]);
    let ran = explain(&["--caller", "agent", "SELECT id FROM patients"], "");
    ran.check(
        2,
        &[
            "rule      agents-act-for-somebody",
            "fact      context.on_behalf_of.kind is not said\n",
            "accepted  a token that was exchanged on behalf of a person\n",
        ],
    );
    let ran = explain(&["--case", "staff do not look at the jobs of others"], "");
    ran.check(2, &["(rule `people-read` of people.cedar; resource.mine is false)"]);
    let ran = explain(&[&agent[..], &["--method", "tables.delete", "--table", "acme-prod.staging.old"]].concat(), "");
    ran.check(2, &["tables.delete on table acme-prod.staging.old\n", "rule      agents-never-change"]);
    explain(&["--caller", "robot", "SELECT 1"], "").check(1, &["`robot` is no kind of caller"]);
    explain(&["--case", "nothing"], "").check(1, &["the set has no case `nothing`"]);
}

/// The README shows what is really said, by a command that works as it stands.
#[test]
fn the_readme_shows_a_real_explanation() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, from_command) = readme.split_once("```\ntarget/debug/sluice policy explain ").unwrap();
    let (command, rest) = from_command.split_once("```\n\n```\n").unwrap();
    let (shown, _) = rest.split_once("```\n").unwrap();
    let program = env!("CARGO_BIN_EXE_sluice");
    let ran = Command::new("sh").args(["-c", &format!("'{program}' policy explain {command}")]).current_dir(root()).output().unwrap();
    assert_eq!((String::from_utf8(ran.stdout).unwrap().as_str(), ran.status.code()), (shown, Some(2)));
}

#[test]
fn an_explanation_is_json_too() {
    let said = explain(&["--caller", "agent", "--on-behalf-of", "ana", "--json", "SELECT address FROM patients"], "").json();
    assert_eq!((said["outcome"].as_str(), said["masks"][0]["mask"].as_str()), (Some("permitted"), Some("default_value")));
    assert_eq!((said["masks"][0]["name"].as_str(), said["masks"][0]["at"].as_str()), (Some("address"), Some("street")));
}

/// The claims of a token, judged by the issuers of a configuration.
#[test]
fn a_caller_can_be_given_by_claims() {
    let folder = folder("claims");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = |audience: &str| {
        serde_json::json!({
            "iss": "https://login.acme.example/realms/main", "aud": audience, "sub": "7a1c", "iat": now, "exp": now + 300,
            "groups": ["staff"], "act": { "sub": "assistant" },
        })
    };
    let file = folder.join("claims.json");
    let explained = |audience: &str| {
        std::fs::write(&file, claims(audience).to_string()).unwrap();
        explain(&["--claims", file.to_str().unwrap(), "--config", "examples/configuration", "SELECT id FROM patients"], "")
    };
    explained("https://sluice.acme.example").check(0, &["caller    https://login.acme.example/realms/main#assistant\n", "by agents-read"]);
    explained("https://elsewhere.example").check(1, &["audience `https://elsewhere.example` is not ours"]);
}

#[test]
fn a_difference_is_shown_by_text_and_by_decision() {
    run(&["policy", "diff", STARTER, STARTER, CATALOG[0], CATALOG[1]])
        .check(0, &["nothing that decides is different\n", " 0 decided otherwise\n"]);
    let changes = [
        ("agents.cedar", "context.dry_run.bytes > 107374182400", "context.dry_run.bytes > 1000"),
        ("labels.toml", "mask = \"last_four\"", "mask = \"sha256\""),
    ];
    // Without a catalog no statement can be asked: that is no difference.
    run(&["policy", "diff", STARTER, STARTER]).check(0, &[" 0 decided otherwise\n", "requests could not be asked: "]);
    let folder = folder("diff");
    let new = starter(&folder.join("new"), &changes);
    let recorded = folder.join("recorded.jsonl");
    let line = |name: &str, sql: &str| {
        format!(
            "{{\"name\":\"{name}\",\"caller\":{{\"kind\":\"agent\",\"on_behalf_of\":\"ana\"}},\"sql\":\"{sql}\",\"dry_run\":{{\"bytes\":2000}}}}\n"
        )
    };
    std::fs::write(&recorded, line("monday", "SELECT id FROM shop.orders") + "\n" + &line("tuesday", "DROP TABLE shop.orders")).unwrap();
    let recorded = recorded.to_str().unwrap();
    let ran = run(&["policy", "diff", STARTER, &new, "--recorded", recorded, CATALOG[0], CATALOG[1]]);
    ran.check(
        0,
        &[
            "changed label `national_id`\n  - mask last_four",
            "changed rule `agents-large-reads`\n",
            "  monday\n    before    permitted by agents-connect, agents-read\n    after     held by ",
        ],
    );
    assert!(!ran.out.contains("tuesday"), "{}", ran.out);
    let said = run(&["policy", "diff", STARTER, &new, CATALOG[0], CATALOG[1], "--json"]).json();
    assert_eq!(said["changes"].as_array().map(Vec::len), Some(2));
    assert!(said["decided_otherwise"].as_array().is_some_and(|decided| decided.len() > 3), "{said}");
    std::fs::write(folder.join("recorded.jsonl"), "{}\n{\"name\":1}").unwrap();
    run(&["policy", "diff", STARTER, &new, "--recorded", recorded]).check(1, &["recorded.jsonl:1: "]);
}

/// Two thousand brackets would be the end of the process, in the gateway as well.
#[test]
fn a_rule_that_nests_without_end_is_a_problem_and_not_the_end() {
    let rule = |condition: String| {
        format!("\n@id(\"deep\") @reason(\"r\")\npermit (principal, action == Action::\"connect\", resource) when {{ {condition} }};\n")
    };
    let nested = |open: &str, close: &str, levels: usize| format!("{}true{}", open.repeat(levels), close.repeat(levels));
    for (number, condition) in
        [nested("(", ")", 2000), nested("[", "]", 2000), nested("{a: ", "}", 2000), nested("if true then true else ", "", 20_000)]
            .into_iter()
            .enumerate()
    {
        let set = starter(&folder(&format!("deep_{number}")), &[]);
        std::fs::write(format!("{set}/deep.cedar"), rule(condition)).unwrap();
        run(&["policy", "check", &set])
            .check(1, &["deep.cedar:3: brackets and `if` stand more than 50 levels deep in one another", "1 problem\n"]);
    }
    let set = starter(&folder("deep_enough"), &[]);
    std::fs::write(format!("{set}/deep.cedar"), rule(nested("(", ")", 40))).unwrap();
    let ran = run(&["policy", "check", &set]);
    assert!(!ran.out.contains("levels deep"), "{}", ran.out);
}
