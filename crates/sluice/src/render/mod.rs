//! An analysis, written for machines and for people.

pub mod json;
pub mod policy;
pub mod text;

use sluice_model::{Effect, How, UseKind};

/// The words of the outside: one for each value, none made up on the way.
pub fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Administration => "administration",
        Effect::Alter => "alter",
        Effect::Assert => "assert",
        Effect::Branch => "branch",
        Effect::Call => "call",
        Effect::Clone => "clone",
        Effect::Copy => "copy",
        Effect::Create => "create",
        Effect::Declare => "declare",
        Effect::Delete => "delete",
        Effect::Drop => "drop",
        Effect::DynamicSql => "dynamic_sql",
        Effect::Export => "export",
        Effect::ExternalQuery => "external_query",
        Effect::Grant => "grant",
        Effect::Identity => "identity",
        Effect::Insert => "insert",
        Effect::Load => "load",
        Effect::Merge => "merge",
        Effect::Metadata => "metadata",
        Effect::Model => "model",
        Effect::OpaqueCode => "opaque_code",
        Effect::Raise => "raise",
        Effect::Read => "read",
        Effect::RemoteFunction => "remote_function",
        Effect::Replace => "replace",
        Effect::Restore => "restore",
        Effect::Revoke => "revoke",
        Effect::Session => "session",
        Effect::Set => "set",
        Effect::SignedUrl => "signed_url",
        Effect::Transaction => "transaction",
        Effect::Truncate => "truncate",
        Effect::Update => "update",
    }
}

pub fn how(how: How) -> &'static str {
    match how {
        How::Counted => "counted",
        How::Derived => "derived",
        How::Direct => "direct",
    }
}

pub fn use_kind(kind: UseKind) -> &'static str {
    match kind {
        UseKind::Assert => "assert",
        UseKind::Branch => "branch",
        UseKind::Error => "error",
        UseKind::Filter => "filter",
        UseKind::Group => "group",
        UseKind::Join => "join",
        UseKind::Limit => "limit",
        UseKind::Order => "order",
        UseKind::Pivot => "pivot",
        UseKind::Rows => "rows",
        UseKind::Set => "set",
        UseKind::Window => "window",
    }
}
