//! The clauses of OVER, and total orders.

use super::Generator;
use super::scope::{Scope, Want, Wish};

const FRAMES: &[&str] = &[
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ROWS 2 PRECEDING",
];

impl Generator {
    /// `PARTITION BY ... ORDER BY ...`, ordered by a key at the end, so that what it gives is one thing only.
    pub fn over(&mut self, scope: &Scope, wish: Wish, frame: bool) -> (String, bool) {
        let (partition, stained) = if self.random.chance(60) { self.partition(scope, wish) } else { (String::new(), false) };
        let wish = self.row_wish(wish);
        let (order, order_stained) = self.order_key(scope, wish);
        let mut text = format!("{partition} ORDER BY {order}").trim_start().to_owned();
        if frame {
            text = format!("{text} {}", self.random.word(FRAMES));
        }
        (text, stained || order_stained)
    }

    pub fn partition(&mut self, scope: &Scope, wish: Wish) -> (String, bool) {
        let wish = self.row_wish(wish);
        let kind = self.scalar_kind();
        let by = self.expression(scope, &kind, Wish { depth: wish.depth.min(1), ..wish });
        (format!("PARTITION BY {}", by.text), by.stain.any())
    }

    /// A total order: the key, perhaps behind something else.
    pub fn order_key(&mut self, scope: &Scope, wish: Wish) -> (String, bool) {
        let key = scope.key.clone().unwrap_or_default();
        let direction = self.random.word(&["", " DESC"]);
        let mut texts: Vec<String> = key.iter().map(|text| format!("{text}{direction}")).collect();
        let mut stained = scope.key_stained;
        if self.random.chance(30) {
            let kind = self.scalar_kind();
            let first = self.leaf(scope, &kind, wish);
            // A literal in ORDER BY would be read as a position, or refused.
            if scope.leaves(&kind).iter().any(|leaf| leaf.text == first.text) {
                stained |= first.stain.any();
                texts.insert(0, first.text);
            }
        }
        (texts.join(", "), stained)
    }

    /// What a window's clauses may name: they count as a use of their own.
    fn row_wish(&mut self, wish: Wish) -> Wish {
        if wish.want == Want::Clean || !self.plan.uses { wish.want(Want::Clean) } else { wish }
    }
}
