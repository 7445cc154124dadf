//! The words for what an analysis says, in every text that others read. They do not change.

use crate::analysis::{Effect, How, UseKind};

macro_rules! words {
    ($kind:ident { $($variant:ident $word:literal,)* }) => {
        impl $kind {
            pub const fn word(self) -> &'static str {
                match self {
                    $($kind::$variant => $word,)*
                }
            }

            pub fn of_word(word: &str) -> Option<$kind> {
                match word {
                    $($word => Some($kind::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! { Effect {
    Administration "administration",
    Alter "alter",
    Assert "assert",
    Branch "branch",
    Call "call",
    Clone "clone",
    Copy "copy",
    Create "create",
    Declare "declare",
    Delete "delete",
    Drop "drop",
    DynamicSql "dynamic_sql",
    Export "export",
    ExternalQuery "external_query",
    Grant "grant",
    Identity "identity",
    Insert "insert",
    Load "load",
    Merge "merge",
    Metadata "metadata",
    Model "model",
    OpaqueCode "opaque_code",
    Raise "raise",
    Read "read",
    RemoteFunction "remote_function",
    Replace "replace",
    Restore "restore",
    Revoke "revoke",
    Session "session",
    Set "set",
    SignedUrl "signed_url",
    Transaction "transaction",
    Truncate "truncate",
    Update "update",
} }

words! { How {
    Counted "counted",
    Derived "derived",
    Direct "direct",
    Mixed "mixed",
} }

words! { UseKind {
    Assert "assert",
    Branch "branch",
    Error "error",
    Filter "filter",
    Group "group",
    Join "join",
    Limit "limit",
    Order "order",
    Pivot "pivot",
    Rows "rows",
    Set "set",
    Window "window",
} }
