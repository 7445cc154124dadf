//! How each issuer writes its claims, and the one form that they are brought into. One file for each shape.

mod aws;
mod entra;
mod github;
mod gitlab;
mod google;
mod kubernetes;
mod oidc;
mod spiffe;

pub use entra::is_unique_id;
pub use oidc::RUN_FACTS;

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::issuer::Issuer;
use crate::refusal::Reason;
use sluice_model::{Asserted, CallerKind, Run};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    Aws,
    Entra,
    Github,
    Gitlab,
    Google,
    Kubernetes,
    Oidc,
    Spiffe,
}

/// What a shape makes of claims. Groups, delegation and kinds by rule come on top in `judgement.rs`.
#[derive(Debug)]
pub struct Normalised {
    pub kind: Option<CallerKind>,
    pub subject: String,
    pub name: String,
    pub run: Option<Run>,
    pub facts: BTreeMap<String, String>,
    pub asserted: Asserted,
}

/// What holds for a shape where configuration says nothing.
pub struct Defaults {
    pub algorithms: &'static [Algorithm],
    /// Of the header's `typ`. The empty word stands for a header without.
    pub media_types: &'static [&'static str],
    pub lifetime_seconds_max: u64,
    /// Issuers where strangers get tokens too, and claims one of which has to be required of them.
    pub shared: &'static [Shared],
    /// Names that come to mean someone else: no condition may rest on them.
    pub reusable_names: &'static [&'static str],
}

pub struct Shared {
    pub url: &'static str,
    pub anchors: &'static [&'static str],
}

impl Shape {
    pub const ALL: [Shape; 8] =
        [Shape::Aws, Shape::Entra, Shape::Github, Shape::Gitlab, Shape::Google, Shape::Kubernetes, Shape::Oidc, Shape::Spiffe];

    pub fn word(self) -> &'static str {
        match self {
            Shape::Aws => "aws",
            Shape::Entra => "entra",
            Shape::Github => "github",
            Shape::Gitlab => "gitlab",
            Shape::Google => "google",
            Shape::Kubernetes => "kubernetes",
            Shape::Oidc => "oidc",
            Shape::Spiffe => "spiffe",
        }
    }

    pub fn parse(word: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.word() == word)
    }

    pub fn defaults(self) -> &'static Defaults {
        match self {
            Shape::Aws => &aws::DEFAULTS,
            Shape::Entra => &entra::DEFAULTS,
            Shape::Github => &github::DEFAULTS,
            Shape::Gitlab => &gitlab::DEFAULTS,
            Shape::Google => &google::DEFAULTS,
            Shape::Kubernetes => &kubernetes::DEFAULTS,
            Shape::Oidc => &oidc::DEFAULTS,
            Shape::Spiffe => &spiffe::DEFAULTS,
        }
    }

    pub fn normalise(self, claims: &Claims<'_>, issuer: &Issuer) -> Result<Normalised, Reason> {
        match self {
            Shape::Aws => aws::normalise(claims),
            Shape::Entra => entra::normalise(claims, issuer),
            Shape::Github => github::normalise(claims, issuer),
            Shape::Gitlab => gitlab::normalise(claims, issuer),
            Shape::Google => google::normalise(claims),
            Shape::Kubernetes => kubernetes::normalise(claims),
            Shape::Oidc => oidc::normalise(claims, issuer),
            Shape::Spiffe => spiffe::normalise(claims, issuer),
        }
    }

    /// Triggers that let someone without write access choose what runs.
    pub fn is_refused_event(self, event: &str) -> bool {
        match self {
            Shape::Github => github::REFUSED_EVENTS.iter().any(|prefix| event.starts_with(prefix)),
            Shape::Gitlab => gitlab::REFUSED_EVENTS.contains(&event),
            Shape::Aws | Shape::Entra | Shape::Google | Shape::Kubernetes | Shape::Oidc | Shape::Spiffe => false,
        }
    }
}

/// An event that the issuer lists in configuration, or, where it lists none, one that no stranger can cause.
fn check_event(event: &str, issuer: &Issuer) -> Result<(), Reason> {
    let accepted = match &issuer.events {
        Some(events) => events.contains(event),
        None => !issuer.shape.is_refused_event(event),
    };
    if accepted { Ok(()) } else { Err(Reason::EventRefused(event.to_owned())) }
}

/// Takes the claims that are there over as facts of another name.
fn take(claims: &Claims<'_>, names: &[(&str, &str)], facts: &mut BTreeMap<String, String>) -> Result<(), Reason> {
    for (claim, fact) in names {
        if let Some(text) = claims.text_if_present(claim)? {
            facts.insert((*fact).to_owned(), text.to_owned());
        }
    }
    Ok(())
}
