//! Tokens in exchange for others: a caller of a configured issuer begins a session. Nothing is given out before it is on record.

use crate::asked::Visit;
use crate::gateway::Gateway;
use crate::job::{JobName, owner_of};
use crate::ports::JobState;
use crate::record;
use crate::refusal::{Refused, Why};
use sluice_identity::{AccessToken, Caller, Fault, Presented, Purpose, Reason, Refusal, Spent, Ticket};
use sluice_ledger::record::Draft;
use sluice_ledger::record::content::Session;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Of one issuer, in a minute. Tokens that do not verify do not count: strangers could use it up.
pub const SESSIONS_PER_MINUTE_MAX: u32 = 600;
/// After its end a token still serves to ask for a job of its caller's that began before and runs. `bq` cannot come by another one meanwhile.
pub const LATE_SECONDS_MAX: u64 = 12 * 3_600;
/// For the rows of such a job, after both are over.
pub const LATE_ROWS_SECONDS_MAX: u64 = 3_600;
const MINUTE_SECONDS: u64 = 60;
const MILLISECONDS_PER_SECOND: u64 = 1_000;

/// What RFC 8693 calls `subject_token` and `actor_token`.
pub struct ExchangeAsk {
    pub subject: Vec<u8>,
    pub actor: Option<Vec<u8>>,
}

/// What begins a session.
pub enum SessionAsk {
    /// Signed by the holder of a credential that the gateway issued (RFC 7523).
    Assertion(Vec<u8>),
    Exchange(ExchangeAsk),
}

pub struct Exchanged {
    pub token: AccessToken,
    pub lifetime_seconds: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SessionFault {
    /// The issuer began as many sessions as it may.
    Busy(Refused),
    Refused(Refused),
}

/// What a token of ours says, for whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspected {
    pub issuer: String,
    pub subject: String,
    pub name: String,
    pub issued_at: u64,
    pub expires_at: u64,
}

#[derive(Default)]
pub(crate) struct Sessions {
    begun: Mutex<BTreeMap<String, (u64, u32)>>,
}

/// One of the sessions that an issuer may begin in a minute. It is free again where none began: a token that was spent before uses nothing up.
struct SessionPlace<'a> {
    sessions: &'a Sessions,
    issuer: String,
    minute: u64,
    kept: bool,
}

/// On the way to a session, or why not.
enum Ended {
    Busy,
    Refused(Refusal),
    Unserved(Why),
}

impl Gateway {
    /// Done whether or not the client still waits: a token that is spent has its record.
    pub async fn exchange(self: &Arc<Self>, visit: Visit, ask: SessionAsk) -> Result<Exchanged, SessionFault> {
        let gateway = Arc::clone(self);
        let exchanging = self.owed(async move {
            match gateway.begin_session(&visit, ask).await {
                Ok(exchanged) => {
                    gateway.tell(None, &visit, "served", None);
                    Ok(exchanged)
                }
                Err(Ended::Refused(refusal)) => Err(SessionFault::Refused(gateway.refuse_token(&visit, refusal).await)),
                Err(Ended::Busy) => Err(SessionFault::Busy(gateway.refuse_stranger(&visit, "too_often".to_owned(), too_often()).await)),
                Err(Ended::Unserved(why)) => {
                    let word = why.word().to_owned();
                    Err(SessionFault::Refused(gateway.refuse_stranger(&visit, word, why).await))
                }
            }
        });
        match exchanging.await {
            Ok(outcome) => outcome,
            // What a panic says can hold what the client sent.
            Err(_) => {
                self.parts.alarm.raise("an exchange broke off");
                let refused = match self.subject() {
                    Ok(subject) => Refused { subject, why: unserved("the exchange broke off") },
                    Err(refused) => refused,
                };
                Err(SessionFault::Refused(refused))
            }
        }
    }

    /// Of our own tokens alone. What is none is nobody's business: the same answer for all of them.
    pub async fn introspect(&self, visit: &Visit, token: &[u8]) -> Result<Option<Introspected>, Refused> {
        let caller = match self.own(token) {
            Ok(caller) => caller,
            Err(refusal) => {
                self.refuse_token(visit, refusal).await;
                return Ok(None);
            }
        };
        self.record_or_tell(visit, &caller, "introspected").await?;
        self.tell(None, visit, "served", None);
        let (principal, facts) = (caller.principal(), caller.token());
        Ok(Some(Introspected {
            issuer: principal.issuer.clone(),
            subject: principal.subject.clone(),
            name: principal.name.clone(),
            issued_at: facts.issued_at,
            expires_at: facts.expires_at,
        }))
    }

    /// Ends the session of a token of ours, with all tokens of it. Of a token that is none there is nothing to end.
    pub async fn revoke(&self, visit: &Visit, token: &[u8]) -> Result<(), Refused> {
        let caller = match self.own_late(token) {
            Ok(caller) => caller,
            Err(refusal) => {
                self.refuse_token(visit, refusal).await;
                return Ok(());
            }
        };
        let Some(session) = caller.session() else {
            self.tell(None, visit, "served", None);
            return Ok(());
        };
        self.record_or_tell(visit, &caller, "revoked").await?;
        let (in_force, id) = (Arc::clone(&self.parts.in_force), session.id.clone());
        let ended = tokio::task::spawn_blocking(move || in_force.end_session(&id)).await;
        match ended {
            Ok(Ok(())) => {
                self.tell(None, visit, "served", None);
                Ok(())
            }
            Ok(Err(fault)) => Err(self.refuse_stranger(visit, "sealing".to_owned(), Why::Sealing(fault)).await),
            Err(_) => Err(self.refuse_stranger(visit, "sealing".to_owned(), unserved("the revocation broke off")).await),
        }
    }

    /// A token for a GET on one job: as `identify`, but one of ours that is over still serves its caller's own job, if that began while the token
    /// was good. For `jobs.get` and `jobs.getQueryResults`, and for nothing else.
    pub async fn identify_for_job(&self, visit: &Visit, bearer: &[u8], connection: &str, job: &JobName) -> Result<Caller, Refused> {
        let refusal = match self.judge_on(visit, bearer).await {
            Ok(caller) => return self.let_in(visit, caller).await,
            Err(refusal) => refusal,
        };
        if matches!(refusal.reason, Reason::Expired { .. } | Reason::SessionEnded)
            && let Some(caller) = self.late(bearer, connection, job).await
        {
            return self.let_in(visit, caller).await;
        }
        Err(self.refuse_token(visit, refusal).await)
    }

    async fn late(&self, bearer: &[u8], connection: &str, job: &JobName) -> Option<Caller> {
        let Ok(Presented::Own(token)) = self.parts.identity.read(bearer) else { return None };
        let caller = token.verify_late(&self.parts.in_force.revocations(), LATE_SECONDS_MAX, self.now_seconds()).ok()?;
        let known = match self.running.find(connection, job) {
            Some(running) => Some(Arc::clone(&running.known)),
            None => self.parts.jobs.find(connection, job).await.ok()?,
        };
        let expires_ms = caller.token().expires_at.saturating_mul(MILLISECONDS_PER_SECOND);
        let own = known.is_some_and(|known| known.owner == owner_of(&caller) && known.created_ms < expires_ms);
        let is_pending = self.running.find(connection, job).is_some_and(|running| !running.state().done);
        let ended_ms = self.running.find(connection, job).and_then(|running| ended_ms(&running.state())).unwrap_or(expires_ms);
        let waited_ms = self.parts.machine.now_ms().saturating_sub(ended_ms.max(expires_ms));
        let in_time = is_pending || waited_ms <= LATE_ROWS_SECONDS_MAX * MILLISECONDS_PER_SECOND;
        (own && in_time && !self.holds_issued(&caller)).then_some(caller)
    }

    /// Whoever has a credential of the gateway's own comes by a new token at any time, and nothing outlives that credential.
    fn holds_issued(&self, caller: &Caller) -> bool {
        let own = self.parts.identity.access_tokens().map(|access| format!("{}#", access.settings().issuer));
        own.is_some_and(|own| caller.principal().everyone().any(|name| name.starts_with(&own)))
    }

    async fn begin_session(&self, visit: &Visit, ask: SessionAsk) -> Result<Exchanged, Ended> {
        let now = self.now_seconds();
        let (caller, spent) = match ask {
            SessionAsk::Assertion(assertion) => {
                let caller = self.asserted(&assertion, now)?;
                let place = self.may_begin(&caller, now)?;
                let spent = self.spend(caller, now).await?;
                place.keep();
                spent
            }
            SessionAsk::Exchange(ask) => self.exchanged(&ask, now).await?,
        };
        // Now with the one acted for.
        self.not_halted(&caller, now)?;
        let Some(access) = self.parts.identity.access_tokens() else { return Err(Ended::Unserved(unserved("no tokens are issued here"))) };
        let ticket = Ticket { token_id: self.draw()?, session_id: self.draw()? };
        let token = access.begin(&caller, spent, ticket, now)?;
        self.record_session(visit, &caller, Some(&token), "exchanged").await.map_err(|refused| Ended::Unserved(refused.why))?;
        Ok(Exchanged { lifetime_seconds: token.expires_at.saturating_sub(now), token })
    }

    async fn exchanged(&self, ask: &ExchangeAsk, now: u64) -> Result<(Caller, Spent), Ended> {
        let subject = self.outside(&ask.subject).await?;
        let actor = match &ask.actor {
            Some(actor) => Some(self.outside(actor).await?),
            None => None,
        };
        let place = self.may_begin(actor.as_ref().unwrap_or(&subject), now)?;
        // Both are good: now they are spent, the one acted for first.
        let (subject, spent) = self.spend(subject, now).await?;
        let spent = match actor {
            Some(actor) => self.spend(actor.acting_for(&subject, spent)?, now).await?,
            None => (subject, spent),
        };
        place.keep();
        Ok(spent)
    }

    fn may_begin(&self, caller: &Caller, now: u64) -> Result<SessionPlace<'_>, Ended> {
        self.not_halted(caller, now)?;
        let issuer = caller.token().issuer.clone();
        let minute = now / MINUTE_SECONDS;
        if !self.sessions.take(&issuer, minute) {
            return Err(Ended::Busy);
        }
        Ok(SessionPlace { sessions: &self.sessions, issuer, minute, kept: false })
    }

    /// A token would serve for nothing, and for hours afterwards nobody would ask again who has it.
    fn not_halted(&self, caller: &Caller, now: u64) -> Result<(), Ended> {
        let (policy, halt) = (self.parts.in_force.policy(), self.parts.in_force.halt());
        let stopped = policy.stopped(caller, &halt, i64::try_from(now).unwrap_or(i64::MAX));
        stopped.map_or(Ok(()), |decision| Err(Ended::Unserved(Why::Policy(Box::new(decision)))))
    }

    fn asserted(&self, assertion: &[u8], now: u64) -> Result<Caller, Refusal> {
        match self.parts.identity.read(assertion)? {
            Presented::Issued(token) => {
                token.verify(Purpose::Assertion, &self.parts.in_force.issued(), &self.parts.in_force.revocations(), now)
            }
            Presented::Outside(token) => Err(token.refuse(Reason::TypeRefused("no assertion of an issued credential".to_owned()))),
            Presented::Own(_) => Err(Refusal { reason: Reason::OwnTokenRefused, issuer: None, audiences: Vec::new() }),
        }
    }

    /// One of a configured issuer: ours begin no sessions, and what was issued by us comes as an assertion.
    async fn outside(&self, token: &[u8]) -> Result<Caller, Refusal> {
        if let Presented::Issued(token) = self.parts.identity.read(token)? {
            return Err(token.refuse(Reason::TypeRefused("a token of an issued credential".to_owned())));
        }
        let caller = self.judge(token).await?;
        match caller.session() {
            None => Ok(caller),
            Some(_) => Err(Refusal { reason: Reason::OwnTokenRefused, issuer: Some(caller.token().issuer.clone()), audiences: Vec::new() }),
        }
    }

    fn own(&self, token: &[u8]) -> Result<Caller, Refusal> {
        self.own_within(token, 0)
    }

    /// Also one that is over, as long as it could still serve for something.
    fn own_late(&self, token: &[u8]) -> Result<Caller, Refusal> {
        self.own_within(token, LATE_SECONDS_MAX)
    }

    fn own_within(&self, token: &[u8], late_seconds_max: u64) -> Result<Caller, Refusal> {
        match self.parts.identity.read(token)? {
            Presented::Own(token) => token.verify_late(&self.parts.in_force.revocations(), late_seconds_max, self.now_seconds()),
            Presented::Issued(token) => Err(token.refuse(Reason::TypeRefused("a token of an issued credential".to_owned()))),
            Presented::Outside(token) => Err(token.refuse(Reason::TypeRefused("a token of another issuer".to_owned()))),
        }
    }

    /// The store of spent tokens waits for its disk.
    async fn spend(&self, caller: Caller, now: u64) -> Result<(Caller, Spent), Ended> {
        let replay = Arc::clone(&self.parts.replay);
        let spending = tokio::task::spawn_blocking(move || Spent::check(&caller, replay.as_ref(), now).map(|spent| (caller, spent)));
        let spent = spending.await.map_err(|_| Ended::Unserved(unserved("the store of spent tokens broke off")))?;
        Ok(spent?)
    }

    async fn record_or_tell(&self, visit: &Visit, caller: &Caller, outcome: &str) -> Result<(), Refused> {
        let recorded = self.record_session(visit, caller, None, outcome).await;
        if let Err(refused) = &recorded {
            self.tell(None, visit, "refused", Some(&refused.why));
        }
        recorded
    }

    async fn record_session(&self, visit: &Visit, caller: &Caller, token: Option<&AccessToken>, outcome: &str) -> Result<(), Refused> {
        let mut meta = record::meta(visit, "", outcome, Some(caller));
        let mut identity = record::identity(caller);
        if let Some(token) = token {
            let session = &token.session;
            meta.session = Some(session.id.clone());
            identity.session = Some(Session::new(&session.id, session.ends_at, &session.origin));
        }
        let recorded = match Draft::of_session(&meta, &identity) {
            Ok(draft) => self.put(&draft).await.map(drop),
            Err(error) => Err(error.into()),
        };
        match (recorded, self.subject()) {
            (Ok(()), _) => Ok(()),
            (Err(why), Ok(subject)) => {
                self.parts.alarm.raise(&format!("a session has no record: {}", record::operator_text(&why)));
                Err(Refused { subject, why })
            }
            (Err(_), Err(refused)) => Err(refused),
        }
    }

    fn draw(&self) -> Result<String, Ended> {
        self.subject().map(|subject| record::hex(&subject.0)).map_err(|refused| Ended::Unserved(refused.why))
    }
}

impl Sessions {
    fn take(&self, issuer: &str, minute: u64) -> bool {
        let mut begun = self.begun();
        // The names are those of configured issuers: there are few.
        let (current, count) = begun.entry(issuer.to_owned()).or_default();
        if *current != minute {
            (*current, *count) = (minute, 0);
        }
        let is_free = *count < SESSIONS_PER_MINUTE_MAX;
        *count += u32::from(is_free);
        is_free
    }

    fn give_back(&self, issuer: &str, minute: u64) {
        if let Some((_, count)) = self.begun().get_mut(issuer).filter(|(current, _)| *current == minute) {
            *count = count.saturating_sub(1);
        }
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (u64, u32)>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionPlace<'_> {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for SessionPlace<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.sessions.give_back(&self.issuer, self.minute);
        }
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Ended {
        Ended::Refused(refusal)
    }
}

/// When the job was done, as BigQuery says it.
fn ended_ms(state: &JobState) -> Option<u64> {
    state.resource.0.pointer("/statistics/endTime")?.as_str()?.parse().ok()
}

/// Whose fault a refusal is, where it is a token's.
pub fn fault_of(refused: &Refused) -> Option<Fault> {
    match &refused.why {
        Why::Unproven(refusal) => Some(refusal.fault()),
        _ => None,
    }
}

fn too_often() -> Why {
    Why::Form { reason: crate::refusal::FormReason::Invalid, text: "the issuer begins too many sessions: try again in a minute".to_owned() }
}

fn unserved(text: &str) -> Why {
    Why::Sealing(crate::ports::SealFault(text.to_owned()))
}
