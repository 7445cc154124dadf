//! Who may reach what: IAM, and row access policies as far as they carry no predicate.

use super::super::configuration::FormFault;
use super::super::configuration::fault::Path;
use super::super::configuration::shape::{self, Message, Shape, TEXT, kept};
use super::super::names;
use super::dataset::CONDITION;
use super::{Call, Decoded, resource, table_name};
use serde_json::Value;

const BINDINGS_MAX: usize = 1_500;
const MEMBERS_MAX: usize = 1_500;
const PERMISSIONS_MAX: usize = 100;
const POLICIES_MAX: usize = 1_000;
const NUMBER: Shape = Shape::Number { least: 0, most: 3 };

static GET_POLICY: Message = Message { name: "GetIamPolicyRequest", fields: &[kept("options", Shape::Object(&OPTIONS))] };
static OPTIONS: Message = Message { name: "GetPolicyOptions", fields: &[kept("requestedPolicyVersion", NUMBER)] };

static SET_POLICY: Message =
    Message { name: "SetIamPolicyRequest", fields: &[kept("policy", Shape::Object(&POLICY)), kept("updateMask", TEXT)] };

static POLICY: Message = Message {
    name: "Policy",
    fields: &[
        kept("version", NUMBER),
        kept("etag", TEXT),
        kept("bindings", Shape::List(&Shape::Object(&BINDING), BINDINGS_MAX)),
        kept("auditConfigs", Shape::List(&Shape::Object(&AUDIT), BINDINGS_MAX)),
    ],
};

static BINDING: Message = Message {
    name: "Binding",
    fields: &[kept("role", TEXT), kept("members", Shape::List(&TEXT, MEMBERS_MAX)), kept("condition", Shape::Object(&CONDITION))],
};

static AUDIT: Message = Message {
    name: "AuditConfig",
    fields: &[kept("service", TEXT), kept("auditLogConfigs", Shape::List(&Shape::Object(&AUDIT_LOG), BINDINGS_MAX))],
};

static AUDIT_LOG: Message =
    Message { name: "AuditLogConfig", fields: &[kept("logType", TEXT), kept("exemptedMembers", Shape::List(&TEXT, MEMBERS_MAX))] };

static TEST_PERMISSIONS: Message =
    Message { name: "TestIamPermissionsRequest", fields: &[kept("permissions", Shape::List(&TEXT, PERMISSIONS_MAX))] };

static BATCH_DELETE: Message = Message {
    name: "BatchDeleteRowAccessPoliciesRequest",
    fields: &[kept("policyIds", Shape::List(&TEXT, POLICIES_MAX)), kept("force", Shape::Flag)],
};

pub fn get_policy(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let body = shape::object(&GET_POLICY, call.body, &Path::ROOT)?;
    Ok(Decoded { body: Some(body), ..Decoded::default() })
}

pub fn set_policy(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let root = Path::ROOT;
    let body = shape::object(&SET_POLICY, call.body, &root)?;
    if !body.contains_key("policy") {
        return Err(FormFault::invalid(&root.name("policy"), "is missing"));
    }
    // On a routine the action itself is the question: grants are asked of tables and what holds them.
    let place = resource(call.matched);
    let asks = ["grant", "revoke"].into_iter().filter(|_| matches!(place, sluice_policy::Resource::Table(_)));
    let also = asks.map(|action| (action.to_owned(), place.clone())).collect();
    Ok(Decoded { body: Some(body), also, ..Decoded::default() })
}

pub fn test_permissions(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let body = shape::object(&TEST_PERMISSIONS, call.body, &Path::ROOT)?;
    Ok(Decoded { body: Some(body), ..Decoded::default() })
}

pub fn batch_delete(call: &Call<'_>) -> Result<Decoded, FormFault> {
    let root = Path::ROOT;
    let body = shape::object(&BATCH_DELETE, call.body, &root)?;
    let given = body.get("policyIds").and_then(Value::as_array);
    let mut ids = given.into_iter().flatten().filter_map(Value::as_str);
    if given.is_none_or(Vec::is_empty) || !ids.all(names::is_plain) {
        return Err(FormFault::invalid(&root.name("policyIds"), "is no list of names of policies"));
    }
    Ok(Decoded { body: Some(body), changes: vec![table_name(call.matched)], ..Decoded::default() })
}
