use super::term::Range;
use super::test::is_like;
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

    fn asks(&self, action: &str, within: bool) -> bool {
        action == "read" || within && action == "Read"
    }

    fn tag(&self, name: &str) -> Option<&str> {
        (name == "team").then_some("blue")
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
            ("address", Fact::Address("10.1.2.3".parse().unwrap())),
        ]),
        resource: Fact::Record(vec![("mine", Fact::Flag(true)), ("labels", Fact::Texts(BTreeSet::from(["a", "b"])))]),
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
fn what_is_compared_may_be_anything() {
    check("when { 7 < context.now && context.door == \"rest\" }", Some(false));
    check("when { \"rest\" == context.door && Table::\"p.d.t\" == resource && true == resource.mine }", Some(true));
    check("when { Table::\"p.d.t\" != resource }", Some(false));
    check("when { context.now + 1 > 8 }", Some(false));
    check("when { context.now * 2 - 4 == 10 && -context.now == -7 && -(-7) == context.now }", Some(true));
    check("when { [\"grpc\", \"mcp\"].contains(context.door) }", Some(false));
    check("when { [6, 7].contains(context.now) && ![1, 2].contains(context.now) }", Some(true));
    check("when { resource.labels.containsAny(context.grants) && resource.labels.containsAll(context.grants) }", Some(true));
    check("when { context.grants.containsAll(resource.labels) }", Some(false));
    check("when { [\"c\"].containsAny(resource.labels) }", Some(false));
    check("when { context.grants == resource.labels }", Some(false));
    check("when { context.grants == [\"a\"] && [\"b\", \"a\"] == resource.labels && context.grants != resource.labels }", Some(true));
    check("when { principal.hasTag(\"team\") && principal.getTag(\"team\") == \"red\" }", Some(false));
    check("when { principal.hasTag(\"other\") && principal.getTag(\"other\") == \"red\" }", Some(false));
    check("when { principal.getTag(\"team\") like \"b*\" }", Some(true));
    check("when { context.address.isInRange(ip(\"10.1.0.0/16\")) && context.address == ip(\"10.1.2.3\") }", Some(true));
    check("when { context.address.isInRange(ip(\"10.2.0.0/16\")) }", Some(false));
    check("when { context.address.isIpv4() && !context.address.isIpv6() && !context.address.isMulticast() }", Some(true));
    check("when { context.address.isLoopback() }", Some(false));
    check(
        "when { action == Action::\"read\" && action in Action::\"Read\" && action in [Action::\"Write\", Action::\"read\"] }",
        Some(true),
    );
    check("when { action == Action::\"Read\" }", Some(false));
    check("when { action != Action::\"see\" && action in [Action::\"Write\"] }", Some(false));
}

#[test]
fn networks_are_as_cedar_reads_them() {
    let check = |one: &str, within: &str, expect: bool| {
        assert_eq!(Range::parse(one).unwrap().is_in(&Range::parse(within).unwrap()), expect, "{one} {within}");
    };
    check("10.1.2.3", "10.0.0.0/8", true);
    check("10.1.2.3", "10.1.2.3", true);
    check("10.1.2.3", "10.1.2.2/31", true);
    check("10.1.2.4", "10.1.2.2/31", false);
    check("10.0.0.0/8", "10.1.2.3/8", true);
    check("10.0.0.0/7", "10.0.0.0/8", false);
    check("255.255.255.255", "0.0.0.0/0", true);
    check("10.1.2.3", "::/0", false);
    check("ffff::1", "::/0", true);
    check("2001:db8::1", "2001:db8::/32", true);
    check("2001:db9::1", "2001:db8::/32", false);
    check("2001:db8::1", "2001:db8::1/128", true);
    check("2001:db8::1", "2001:db8::2/128", false);
    for text in
        ["", "10.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/08", "::ffff:10.0.0.1", "::ffff:a00:1", "::/129", "1.2.3.4/8/8"]
    {
        assert_eq!(Range::parse(text), None, "{text}");
    }
}

#[test]
fn what_cedar_could_fail_at_is_left_to_it() {
    for clauses in [
        "when { context.now + 9223372036854775807 > 0 && context.door == \"grpc\" }",
        "when { context.now * 9223372036854775807 > 0 && context.door == \"grpc\" }",
        "when { -context.now - 9223372036854775807 < 0 && context.door == \"grpc\" }",
        "when { principal.getTag(\"other\") == \"red\" && false }",
        "when { resource.hasTag(\"team\") && false }",
        "when { context.door < 7 && false }",
        "when { context.address == \"10.1.2.3\" && false }",
        "when { ip(\"10.1.2\") == context.address && false }",
        "when { context.grants.contains(7) && false }",
        "when { context.grants == [7] && false }",
        "when { principal in [context.door] && false }",
        "when { action == Table::\"read\" && false }",
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
        let [Guard::Test(Test::Like(_, parts))] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(is_like("a*b ab\u{e9}", parts), expect, "{pattern}");
    };
    for pattern in ["*", "a*", "*\u{e9}", "a*b\u{e9}", "a\\*b*", "**a**b**", "*a*b*", "a*b ab\u{e9}", "*ab\u{e9}", "a*b ab\u{e9}*"] {
        check(pattern, true);
    }
    for pattern in ["", "a", "*b", "ab*", "a*c*", "a\\*\\**", "*ab", "b*", "a*b ab\u{e9}x", "A*"] {
        check(pattern, false);
    }
}
