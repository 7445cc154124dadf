//! The way of one token: `Identity::read` says whose keys are needed, whoever holds keys brings them, `verify` makes the `Caller`.

use crate::access::AccessTokens;
use crate::caller::Caller;
use crate::claims::Claims;
use crate::issued::{ISSUED_ADDRESS_END, IssuedToken};
use crate::issuer::Issuer;
use crate::json;
use crate::judgement;
use crate::keys::KeySet;
use crate::refusal::{Reason, Refusal};
use crate::revocation::Revocations;
use crate::settings::Checked;
use crate::signature::Signed;
use crate::token::Compact;
use sluice_model::Principal;
use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Identity {
    issuers: BTreeMap<String, Issuer>,
    access: Option<AccessTokens>,
}

/// A token that says who issued it. Nothing of it is believed yet.
#[derive(Debug)]
pub enum Presented<'a> {
    Issued(IssuedToken<'a>),
    Outside(OutsideToken<'a>),
    Own(OwnToken<'a>),
}

#[derive(Debug)]
pub struct OutsideToken<'a> {
    token: Compact<'a>,
    issuer: &'a Issuer,
}

#[derive(Debug)]
pub struct OwnToken<'a> {
    token: Compact<'a>,
    access: &'a AccessTokens,
}

impl Identity {
    /// `access` is there when the gateway issues tokens; it carries the settings it was checked with.
    pub fn new(checked: Checked, access: Option<AccessTokens>) -> Identity {
        let issuers = checked.issuers.into_iter().map(|issuer| (issuer.url.clone(), issuer)).collect();
        Identity { issuers, access }
    }

    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.values()
    }

    pub fn access_tokens(&self) -> Option<&AccessTokens> {
        self.access.as_ref()
    }

    pub fn read<'a>(&'a self, token: &'a [u8]) -> Result<Presented<'a>, Refusal> {
        self.present(token).map_err(|reason| Refusal { reason, issuer: None, audiences: self.audiences() })
    }

    /// What a token of this type (`JWT`) with these claims would be, if its issuer had signed it: for people who write configuration.
    /// It grants nothing.
    pub fn preview(&self, media_type: &str, claims: &[u8], now: u64) -> Result<Principal, Refusal> {
        let unknown = |reason| Refusal { reason, issuer: None, audiences: self.audiences() };
        let claims = json::read_object(claims).map_err(|fault| unknown(Reason::ClaimsMalformed(fault.0)))?;
        let url = Claims::new(&claims).text("iss").map_err(unknown)?;
        let issuer = self.issuers.get(url).ok_or_else(|| unknown(Reason::IssuerUnknown(url.to_owned())))?;
        let judged = judgement::judge(media_type, &claims, issuer, now).map_err(|reason| refusal(reason, issuer))?;
        Ok(judged.principal)
    }

    fn present<'a>(&'a self, token: &'a [u8]) -> Result<Presented<'a>, Reason> {
        let token = Compact::read(token)?;
        // Said like every fault of before the signature.
        let url = Claims::new(&token.claims).text("iss").map_err(|reason| Reason::ClaimsMalformed(reason.to_string()))?;
        if let Some(access) = self.access.as_ref().filter(|access| access.settings().issuer == url) {
            return Ok(Presented::Own(OwnToken { token, access }));
        }
        // An address, and no URL as issuers have.
        let is_address = url.contains('@') && url.ends_with(ISSUED_ADDRESS_END);
        if let Some(access) = self.access.as_ref().filter(|_| is_address) {
            return Ok(Presented::Issued(IssuedToken { token, access }));
        }
        match self.issuers.get(url) {
            Some(issuer) => Ok(Presented::Outside(OutsideToken { token, issuer })),
            None => Err(Reason::IssuerUnknown(url.to_owned())),
        }
    }

    fn audiences(&self) -> Vec<String> {
        let mut audiences: Vec<String> = self.issuers.values().flat_map(|issuer| issuer.audiences.iter().cloned()).collect();
        audiences.sort();
        audiences.dedup();
        audiences
    }
}

impl OutsideToken<'_> {
    /// Whose keys `verify` needs. They are looked up for this issuer and for no other.
    pub fn issuer(&self) -> &Issuer {
        self.issuer
    }

    pub fn key_id(&self) -> &str {
        &self.token.header.key_id
    }

    pub fn verify(self, keys: &KeySet, revocations: &Revocations, now: u64) -> Result<Caller, Refusal> {
        let issuer = self.issuer;
        let verified = Signed::verify(self.token, keys, &issuer.algorithms);
        verified.and_then(|signed| Caller::from_outside(&signed, issuer, revocations, now)).map_err(|reason| refusal(reason, issuer))
    }

    /// Where the keys could not be had.
    pub fn refuse(self, reason: Reason) -> Refusal {
        refusal(reason, self.issuer)
    }
}

impl OwnToken<'_> {
    pub fn verify(self, revocations: &Revocations, now: u64) -> Result<Caller, Refusal> {
        self.verify_late(revocations, 0, now)
    }

    /// For a client that waits for its own job and cannot come by a new token meanwhile, and for nothing else.
    pub fn verify_late(self, revocations: &Revocations, late_seconds_max: u64, now: u64) -> Result<Caller, Refusal> {
        let settings = self.access.settings();
        let verified = Signed::verify(self.token, self.access.keys(), &AccessTokens::algorithms());
        let caller = verified.and_then(|signed| match late_seconds_max {
            0 => Caller::from_own(&signed, settings, revocations, now),
            late => Caller::from_own_late(&signed, settings, revocations, late, now),
        });
        caller.map_err(|reason| Refusal { reason, issuer: Some(settings.issuer.clone()), audiences: vec![settings.issuer.clone()] })
    }
}

fn refusal(reason: Reason, issuer: &Issuer) -> Refusal {
    Refusal { reason, issuer: Some(issuer.name.clone()), audiences: issuer.audiences.iter().cloned().collect() }
}
