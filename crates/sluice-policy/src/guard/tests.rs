use super::*;
use cedar_policy::Policy;
use std::collections::BTreeSet;

struct Fixed {
    context: Fact<'static>,
    resource: Fact<'static>,
    member: Member<'static>,
}

impl Scene for Fixed {
    fn fact(&self, root: Root) -> &Fact<'_> {
        if root == Root::Context { &self.context } else { &self.resource }
    }

    fn member(&self, root: Root) -> Option<&Member<'_>> {
        (root != Root::Context).then_some(&self.member)
    }
}

/// None: Cedar has to say.
fn check(clauses: &str, expect: Option<bool>) {
    let policy: Policy = format!("permit (principal, action, resource) {clauses};").parse().unwrap();
    let guard = Guard::of(&policy.to_json().unwrap());
    let run = Fact::Record(vec![("protected", Fact::Flag(false))]);
    let scene = Fixed {
        context: Fact::Record(vec![
            ("door", Fact::text("rest")),
            ("now", Fact::Number(7)),
            ("run", run),
            ("grants", Fact::Texts(BTreeSet::from(["a"]))),
        ]),
        resource: Fact::Record(vec![("mine", Fact::Flag(true))]),
        member: Member { kind: "Table", id: "p.d.t".into(), above: vec![("Dataset", "p.d".into())] },
    };
    assert_eq!(guard.holds(&scene), expect, "{clauses}");
    assert_eq!(guard.leaves_out(&scene), expect == Some(false), "{clauses}");
}

#[test]
fn what_is_plain_is_said_without_cedar() {
    check("", Some(true));
    check("when { context.door == \"rest\" }", Some(true));
    check("when { context.door == \"grpc\" }", Some(false));
    check("when { context.door == \"rest\" && context.now > 7 }", Some(false));
    check("when { context.now >= 7 && context.now <= 7 && context.now < 8 && context.now != 8 }", Some(true));
    check("when { context.door == \"rest\" } when { context.now == 8 }", Some(false));
    check("when { context has dry_run && context.dry_run.bytes > 1 }", Some(false));
    check("when { context has run && context.run.protected }", Some(false));
    check("when { context.grants.contains(\"b\") }", Some(false));
    check("when { context.grants.contains(\"a\") && resource.mine }", Some(true));
    check("when { context.grants.containsAny([\"b\", \"c\"]) }", Some(false));
    check("when { context.grants.containsAny([\"b\", \"a\"]) && context.grants.containsAll([\"a\"]) }", Some(true));
    check("when { context.grants.containsAll([\"b\", \"a\"]) }", Some(false));
    check("when { context.grants.isEmpty() }", Some(false));
    check("when { resource in Dataset::\"p.e\" }", Some(false));
    check("when { resource in [Dataset::\"p.e\", Dataset::\"p.d\"] && resource in Table::\"p.d.t\" }", Some(true));
    check("when { resource in [] }", Some(false));
    check("when { resource == Table::\"p.d.t\" && resource != Table::\"p.d.u\" }", Some(true));
    check("when { resource is Table && resource is Table in Dataset::\"p.d\" }", Some(true));
    check("when { resource is Column }", Some(false));
    check("when { resource is Table in Dataset::\"p.e\" }", Some(false));
    check("unless { context.door == \"rest\" }", Some(false));
    check("unless { context.door == \"grpc\" } when { context.now == 8 }", Some(false));
    check("when { context.door == \"grpc\" || context.now == 7 }", Some(true));
    check("when { !(context.door == \"rest\") || context.now == 8 }", Some(false));
    check("when { if context.now == 7 then context.door == \"grpc\" else true }", Some(false));
    check("when { principal in Group::\"a\" || true }", Some(true));
    check("when { false && context.nothing == 7 }", Some(false));
}

#[test]
fn what_cedar_could_fail_at_is_left_to_it() {
    for clauses in [
        "when { context.now + 1 > 0 && context.door == \"grpc\" }",
        "when { 7 < context.now && context.door == \"grpc\" }",
        "when { context.dry_run.bytes > 1 && context.door == \"grpc\" }",
        "when { context.door == 7 && context.now == 8 }",
        "when { context.run has protected && context.run.event has x && context.now == 8 }",
        "when { context.dry_run.bytes > 1 || context.door == \"rest\" }",
        "when { !(context.dry_run.bytes > 1) && context.door == \"grpc\" }",
        "unless { context.dry_run.bytes > 1 } when { context.door == \"grpc\" }",
        "when { if context.dry_run.bytes > 1 then false else false }",
        "when { context.door.contains(\"rest\") && false }",
        "when { context.now like \"*\" && false }",
        "when { context.grants.containsAny([context.door]) && false }",
        "when { context.grants.containsAny([7]) && false }",
        "when { context is Table && false }",
        "when { context.run && false }",
    ] {
        check(clauses, None);
    }
}

#[test]
fn patterns_match_as_they_are_written() {
    let check = |pattern: &str, expect: bool| {
        let policy: Policy = format!("permit (principal, action, resource) when {{ context.door like \"{pattern}\" }};").parse().unwrap();
        let Guard::All(parts) = Guard::of(&policy.to_json().unwrap()) else { panic!("{pattern}") };
        let [Guard::Test(Test { wants: Wants::Like(parts), .. })] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(is_like("a*b ab\u{e9}", parts), expect, "{pattern}");
    };
    for pattern in ["*", "a*", "*\u{e9}", "a*b\u{e9}", "a\\*b*", "**a**b**", "*a*b*", "a*b ab\u{e9}", "*ab\u{e9}", "a*b ab\u{e9}*"] {
        check(pattern, true);
    }
    for pattern in ["", "a", "*b", "ab*", "a*c*", "a\\*\\**", "*ab", "b*", "a*b ab\u{e9}x", "A*"] {
        check(pattern, false);
    }
}
