//! Analyses that were made before. One stands as long as everything that was looked up for it is still the same.

use crate::analyze::{Outcome, Request, analyze_fresh};
use crate::catalog::Snapshot;
use crate::engine::Engine;
use crate::lookup::Looked;
use sluice_model::Analysis;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Kept analyses, counted by the bytes of their texts: what an analysis weighs grows with its text.
pub const CACHE_TEXT_BYTES_MAX: usize = 32 << 20;

/// Shared by all callers: an analysis says what a statement does and nothing of who asks.
#[derive(Default)]
pub struct Cache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Request, Entry>,
    /// Oldest first. An entry that is used again moves to the end.
    order: VecDeque<(u64, Request)>,
    text_bytes: usize,
    turn: u64,
}

struct Entry {
    analysis: Arc<Analysis>,
    looked: Looked,
    turn: u64,
}

impl Cache {
    /// As `sluice_sql::analyze`. A refusal is not kept: its cause may have been a busy engine.
    pub fn analyze(&self, engine: &dyn Engine, request: &Request, snapshot: &Snapshot) -> Arc<Analysis> {
        if let Some(known) = self.find(request, snapshot) {
            return known;
        }
        let Outcome { analysis, looked } = analyze_fresh(engine, request, snapshot);
        let analysis = Arc::new(analysis);
        if analysis.refused.is_none() && looked.is_certain() {
            self.keep(request, analysis.clone(), looked);
        }
        analysis
    }

    /// An analysis that was made before, if everything that it rests on is in the snapshot and the same.
    pub fn find(&self, request: &Request, snapshot: &Snapshot) -> Option<Arc<Analysis>> {
        let mut kept = self.kept.lock().ok()?;
        let kept = &mut *kept;
        let entry = kept.entries.get_mut(request).filter(|entry| entry.looked.still_holds(snapshot))?;
        kept.turn += 1;
        entry.turn = kept.turn;
        Some(entry.analysis.clone())
    }

    fn keep(&self, request: &Request, analysis: Arc<Analysis>, looked: Looked) {
        let Ok(mut kept) = self.kept.lock() else { return };
        kept.turn += 1;
        let turn = kept.turn;
        if kept.entries.insert(request.clone(), Entry { analysis, looked, turn }).is_none() {
            kept.text_bytes += request.text.len();
        }
        kept.order.push_back((turn, request.clone()));
        kept.shrink();
    }
}

impl Kept {
    fn shrink(&mut self) {
        while self.text_bytes > CACHE_TEXT_BYTES_MAX {
            let Some((turn, request)) = self.order.pop_front() else { return };
            match self.entries.get(&request).map(|entry| entry.turn) {
                Some(now) if now == turn => {
                    self.entries.remove(&request);
                    self.text_bytes -= request.text.len();
                }
                // Used since: it goes to the end once more.
                Some(now) if !self.order.iter().any(|(other, _)| *other == now) => self.order.push_back((now, request)),
                _ => {}
            }
        }
    }
}
